"""Sharding a container of a cluster, a step at a time, by Swift's own container-sharder."""

from __future__ import annotations

from collections.abc import Iterable

from swift.common.utils import ShardRange
from swift.container.backend import ContainerBroker
from swift.container.sharder import find_compactible_shard_sequences, process_compactible_shard_sequences

from servers.pair import Pair


class Sharding:
    """The sharding of a pair's container, which must have fifty objects. Each pass of `sharder` moves the
    rows of one shard, thirty or so; the first one also makes the fresh database and the shards."""

    def __init__(self, pair: Pair, nodes: Iterable[int] = (1,)) -> None:
        self.pair = pair
        self.cluster = pair.swift.cluster
        self.nodes = tuple(nodes)
        self._admin = self.cluster.client("admin:admin", account=pair.swift.account)

    def allow(self, state: str = "on") -> None:
        """The operator's word. The proxy's idea of where rows of this container go, which may be a minute
        old, or an hour with other settings, is forgotten by it, too."""
        self._admin.post_container(self.pair.container, {"X-Container-Sharding": state})

    def sharder(self, *nodes: int) -> None:
        """One pass on each of these nodes, or on all of them."""
        for node in nodes or self.nodes:
            self.cluster.run_daemon(node, "container-sharder")

    def finish(self) -> None:
        self._until("sharded")

    def shrink(self) -> None:
        """The operator's word that all shards are to give their rows back, and not to be made again."""
        broker = self.broker()
        sequences = find_compactible_shard_sequences(broker, 10_000, 10_000, -1, -1)
        process_compactible_shard_sequences(broker, sequences)
        self.allow("off")

    def collapse(self) -> None:
        """The sharder must not choose containers meanwhile: it would shard this one again, in the same pass
        if it comes to the shards first."""
        files = [self.cluster.server("container", node).conf for node in self.nodes]
        before = [file.read_text() for file in files]
        try:
            for file, text in zip(files, before, strict=True):
                assert "auto_shard = true" in text
                file.write_text(text.replace("auto_shard = true", "auto_shard = false"))
            self._until("collapsed")
        finally:
            for file, text in zip(files, before, strict=True):
                file.write_text(text)

    def _until(self, state: str) -> None:
        for _ in range(10):
            if all(self.state(node) == state for node in self.nodes):
                return
            self.sharder()
        raise AssertionError(f"still {[self.state(node) for node in self.nodes]}")

    def broker(self, node: int = 0) -> ContainerBroker:
        """The container's own databases on a node that has them."""
        folder = self.cluster.container_dir(
            node or self.nodes[0], self.pair.container, self.pair.swift.account
        )
        return ContainerBroker(str(folder / f"{folder.name}.db"))

    def state(self, node: int = 0) -> str:
        state: str = self.broker(node).get_db_state()
        return state

    def ranges(self) -> list[ShardRange]:
        found: list[ShardRange] = self.broker().get_shard_ranges()
        return found
