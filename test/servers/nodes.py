"""A mapping on a cluster of several nodes: a daemon for each, and each one's own way to the store.

Each daemon reaches the store through a proxy of its own, so that a test knows who sent what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from faults.proxy import FaultProxy
from s3_sync.model.rows import owner_ordinal
from servers.daemon import SyncDaemon
from servers.local import Local
from servers.operations import operation
from servers.pair import Pair
from servers.swift import SwiftCluster

HOUR = 3600.0
#: operations that change something at the store
WRITES = ("PutObject", "CopyObject", "DeleteObjects", "DeleteObject")


class Nodes:
    """Daemons are made by their first use. `settings` are those of all of them."""

    def __init__(self, cluster: SwiftCluster, pair: Pair, directory: Path, **settings: Any) -> None:
        self.cluster = cluster
        self.pair = pair
        #: what to alter daemons with whose clocks `move_clocks` moves while they run
        self.clock = str(directory / "clock")
        self._settings = settings
        self._directory = directory
        self._daemons: dict[int, SyncDaemon] = {}
        self._proxies: dict[int, FaultProxy] = {}
        self._stack = ExitStack()

    def daemon(self, node: int) -> SyncDaemon:
        if node not in self._daemons:
            mapping = self.pair.mapping_through(self.proxy(node).endpoint)
            daemon = SyncDaemon(
                self.cluster, self._directory / f"node{node}", [mapping], node=node, **self._settings
            )
            self._stack.callback(daemon.stop)
            self._daemons[node] = daemon
        return self._daemons[node]

    def proxy(self, node: int) -> FaultProxy:
        if node not in self._proxies:
            proxy = FaultProxy.before(self.pair.endpoint)
            self._proxies[node] = self._stack.enter_context(proxy)
        return self._proxies[node]

    def configure(self, **settings: Any) -> None:
        """Other settings from the next start on."""
        self._settings.update(settings)
        for daemon in self._daemons.values():
            daemon.settings.update(settings)

    def alter(self, nodes: Iterable[int], **alterations: Any) -> None:
        for node in nodes:
            self.daemon(node).alter(**alterations)

    def move_clocks(self, seconds: float) -> None:
        """So far they are ahead now, all at the same moment."""
        new = Path(f"{self.clock}.new")
        new.write_text(str(seconds))
        new.rename(self.clock)

    def once(self, *nodes: int, code: int = 0) -> Counter[str]:
        """`--once` on these nodes, one after the other; what they asked of the store, all together."""
        asked: Counter[str] = Counter()
        for node in nodes:
            before = len(self.proxy(node).calls())
            self._check(node, self.daemon(node).once(), code)
            asked.update(self.asked(node, before))
        return asked

    def once_together(self, *nodes: int) -> Counter[str]:
        """`--once` on these nodes at the same time; what they asked of the store, all together."""
        daemons = [self.daemon(node) for node in nodes]
        before = [len(self.proxy(node).calls()) for node in nodes]
        with ThreadPoolExecutor(len(nodes)) as pool:
            for node, result in zip(nodes, pool.map(SyncDaemon.once, daemons), strict=True):
                self._check(node, result, 0)
        return self.asked_of_all(dict(zip(nodes, before, strict=True)))

    def asked(self, node: int, since: int = 0) -> Counter[str]:
        """S3's operations that this node's daemon asked for."""
        return Counter(operation(call) for call in self.proxy(node).calls(since=since))

    def asked_of_all(self, since: Mapping[int, int]) -> Counter[str]:
        """S3's operations that these nodes' daemons asked for; `since`: node -> what to leave out."""
        return sum((self.asked(node, start) for node, start in since.items()), Counter[str]())

    def stored(self, node: int) -> list[str]:
        """The names that this node's daemon has PUT, in order."""
        start = len(f"/{self.pair.bucket}/{self.pair.prefix}")
        return [path[start:] for path in self.proxy(node).stored()]

    def shares(self, names: Iterable[str], place: str = "") -> dict[int, list[str]]:
        """Which of these names each node with a replica of the container is the first to act on. `place`:
        account/container of another one, such as a shard of it."""
        found = {}
        account, _, container = (place or f"{self.pair.swift.account}/{self.pair.container}").partition("/")
        for node in range(1, self.cluster.spec.nodes + 1):
            with Local(self.cluster, node) as local:
                replicas = local.brokers.replicas(account, container)
            for replica in replicas:
                if replica.ordinal is not None:
                    found[node] = [n for n in names if owner_ordinal(n, replica.replicas) == replica.ordinal]
        return found

    def replicate(self, *nodes: int) -> None:
        """Swift's own replication: of the container's databases from everywhere to everywhere, and of the
        objects of these nodes to all others.

        A database may lack a row that was written while another node was away: its update went there.
        """
        everywhere = range(1, self.cluster.spec.nodes + 1)
        with ThreadPoolExecutor(2) as pool:
            runs = [
                pool.submit(self._run, "container-replicator", everywhere),
                pool.submit(self._run, "object-replicator", nodes),
            ]
        for run in runs:
            run.result()

    def _run(self, daemon: str, nodes: Iterable[int]) -> None:
        for node in nodes:
            self.cluster.run_daemon(node, daemon)

    def close(self) -> None:
        for daemon in self._daemons.values():
            daemon.ask_to_stop()
        self._stack.close()

    def __enter__(self) -> Nodes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check(self, node: int, result: CompletedProcess[str], code: int) -> None:
        log = self.daemon(node).log_text()
        assert result.returncode == code, f"node {node} ended with {result.returncode}\n{result.stderr}{log}"


def writes(asked: Counter[str]) -> dict[str, int]:
    """Only what changed something."""
    return {name: asked[name] for name in WRITES if asked[name]}
