"""A migration on a cluster of several nodes: a migrator for each, and each one's own way to the source.

So a test knows who has read what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from faults.proxy import FaultProxy
from servers.migrator import Migrator, S3Migration
from servers.pair import Store


class MigratorNodes:
    """``settings`` are keys of ``migrator_settings`` of all nodes."""

    def __init__(
        self, migration: S3Migration, store: Store, directory: Path, nodes: Iterable[int], **settings: Any
    ) -> None:
        self.migration = migration
        self.migrators: dict[int, Migrator] = {}
        self.proxies: dict[int, FaultProxy] = {}
        self._stack = ExitStack()
        for node in nodes:
            proxy = self._stack.enter_context(FaultProxy.before(store.endpoint))
            entry = migration.through(proxy.endpoint)
            place = directory / f"node{node}"
            migrator = Migrator(migration.cluster, place, [entry], node=node, **settings)
            self.proxies[node], self.migrators[node] = proxy, migrator
            self._stack.callback(migrator.stop)

    def alter(self, **alterations: Any) -> None:
        """See ``SyncDaemon.alter``; of all nodes."""
        for migrator in self.migrators.values():
            migrator.alter(**alterations)

    def once(self, *nodes: int) -> None:
        """``--once`` on these nodes at the same time."""
        migrators = [self.migrators[node] for node in nodes]
        with ThreadPoolExecutor(len(nodes)) as pool:
            for migrator, done in zip(migrators, pool.map(Migrator.once, migrators), strict=True):
                assert done.returncode == 0, f"{done.stderr}{migrator.log_text()}"

    def read_by(self, node: int) -> list[str]:
        """The names of the objects that a node has downloaded, in order."""
        start = f"/{self.migration.bucket}/"
        calls = self.proxies[node].calls("GET")
        return [call.path.removeprefix(start) for call in calls if call.path.startswith(start)]

    def repeated(self) -> int:
        """Downloads beyond the first of each object, by any node."""
        read = Counter(name for node in self.proxies for name in self.read_by(node))
        return sum(times - 1 for times in read.values())

    def close(self) -> None:
        for migrator in self.migrators.values():
            migrator.ask_to_stop()
        self._stack.close()

    def __enter__(self) -> MigratorNodes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
