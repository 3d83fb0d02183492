"""Migrators of several nodes, clients on both sides whose writes are noted, and what may come in between."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s3_sync.migrate.division import Share
from s3_sync.model.migration import OWNER
from s3_sync.model.objects import ObjectInfo
from s3_sync.model.timestamps import Timestamp
from unit.migrate.nodes import MigratorNode, QueuePool, Source
from unit.migrate.shared_cluster import FakeClock, LocalCluster, Version

A_DAY = 86400.0
#: what is in the source all the time, so that it never is empty
ALWAYS = "always"


class Crash(BaseException):
    """A migrator ends here: no handler of the program sees this."""


@dataclass(frozen=True)
class AtSource:
    data: bytes
    user: dict[str, str]


@dataclass(frozen=True)
class Setting:
    """``chunk``: names in a page; ``workers``: objects in flight."""

    nodes: int = 2
    chunk: int = 2
    workers: int = 2
    older_than: float | None = None


class Attacked:
    """``point`` is called wherever something may come in between. Whatever a migrator writes is compared with
    what clients were told to be written, at once."""

    def __init__(self, directory: Path, setting: Setting) -> None:
        self.setting = setting
        self.clock = FakeClock()
        self.cluster = LocalCluster(self.clock)
        self.source = Source(self.clock)
        #: every version that the source ever had
        self.versions: dict[tuple[str, Timestamp], AtSource] = {}
        self.deleted_there: dict[str, Timestamp] = {}
        #: by name: when a client has changed it locally last, and how
        self.client: dict[str, tuple[str, Timestamp]] = {}
        self.point: Callable[[str], Any] = lambda what: None
        self._number = itertools.count()
        self._inside = False
        self.busy: set[int] = set()
        self.source.point = lambda method, name: self._pass(f"source {method}")
        self.cluster.point = lambda method, name: self._pass(f"local {method}")
        self.cluster.check = self._check
        options: dict[str, Any] = {"older_than": setting.older_than, "chunk": setting.chunk}
        self.nodes = [
            MigratorNode(
                self.cluster,
                self.source,
                directory / str(number),
                Share(number, setting.nodes),
                workers=QueuePool(setting.workers),
                **options,
            )
            for number in range(setting.nodes)
        ]
        self.put_there(ALWAYS)

    def _pass(self, what: str) -> Any:
        if self._inside:
            return None
        self._inside = True
        try:
            return self.point(what)
        finally:
            self._inside = False

    # Clients of the source

    def body(self) -> bytes:
        """Bytes that nobody has written before."""
        return b"%d" % next(self._number)

    def put_there(self, name: str, user: str = "") -> None:
        self.source.put(name, self.body(), {"colour": user} if user else {})
        self._note(name)

    def post_there(self, name: str, user: str) -> None:
        if self.there(name) is not None:
            self.source.post(name, {"colour": user})
            self._note(name)

    def delete_there(self, name: str) -> None:
        if self.there(name) is not None:
            self.source.delete(name)
            self.deleted_there[name] = Timestamp.from_seconds(self.clock.now())

    def there(self, name: str) -> ObjectInfo | None:
        stored = self.source.provider.store("bucket").objects.get(name)
        return stored.info(name, 0.0) if stored else None

    def _note(self, name: str) -> None:
        stored = self.source.provider.store("bucket").objects[name]
        at = Timestamp.from_seconds(stored.modified)
        self.versions[name, at] = AtSource(stored.data, dict(stored.meta.user))

    # Clients of the local cluster

    def put(self, name: str, user: str = "") -> None:
        self.cluster.put(name, self.body(), {"colour": user} if user else {})
        self._noted("put", name)

    def post(self, name: str, user: str) -> None:
        if self.cluster.post(name, {"colour": user}):
            self._noted("post", name)

    def delete(self, name: str) -> None:
        self.cluster.delete(name)
        self._noted("delete", name)

    def _noted(self, how: str, name: str) -> None:
        self.client[name] = how, Timestamp.from_seconds(self.clock.now())

    # Migrators

    def step(self, number: int) -> None:
        """A step, and a new process where it ends in a crash; nothing while the node is in one."""
        node = self.nodes[number]
        if number in self.busy:
            return
        self.busy.add(number)
        inside, self._inside = self._inside, False
        try:
            node.step()
        except Crash:
            self._restart(node)
        finally:
            self._inside = inside
            self.busy.discard(number)

    def _restart(self, node: MigratorNode) -> None:
        node.workers = QueuePool(self.setting.workers)
        node.restart()

    # What must hold

    def _check(self, method: str, name: str, before: Version | None) -> None:
        """Nothing that a client has written is undone, and nothing is written that the source never had."""
        _, changed = self.client.get(name, ("", Timestamp(0)))
        now = self.cluster.objects[name]
        if method == "DELETE":
            assert before is not None
            assert before.headers[OWNER] == before.changed.internal, f"{name} is a client's"
            assert before.changed > changed
            assert self.deleted_there[name] > before.written, f"{name} was never deleted"
            return
        at = now.changed if method == "POST" else now.written
        version = self.versions[name, at]
        assert now.data == version.data, f"{method} {name} with the wrong bytes"
        how, _ = self.client.get(name, ("", None))
        assert at > changed or how == "post", f"{method} {name} over what a client has written"
        if at > changed:
            assert now.user == version.user
            self.client.pop(name, None)  # from now on it is the migration's

    def settle(self) -> None:
        """Nothing comes in between any more, and all failures are tried again."""
        self.point = lambda what: None
        self.cluster.thaw()
        for _ in range(4):
            self.clock.sleep(A_DAY)
            for node in self.nodes:
                try:
                    node.run_pass()
                except Crash:  # of a page that was requested before
                    self._restart(node)
                    node.run_pass()

    def check_end(self) -> None:
        for name in {name for name, _ in self.versions} | self.client.keys():
            self._check_name(name)
        self.source.read.clear()
        writes = len(self.cluster.writes)
        for node in self.nodes:
            node.run_pass()
            assert node.failed() == {}
            assert node.statuses.of(node.mapping).is_clean
        assert (self.source.read, len(self.cluster.writes)) == ([], writes)

    def _check_name(self, name: str) -> None:
        there, here = self.there(name), self.cluster.objects.get(name)
        how, changed = self.client.get(name, ("", Timestamp(0)))
        at = Timestamp.from_seconds(there.last_modified) if there else Timestamp(0)
        if at > changed:
            assert here is not None, f"{name} is missing"
            assert AtSource(here.data or b"", here.user) == self.versions[name, at], name
        elif how:
            assert here is not None
            assert (here.data is None) is (how == "delete"), f"{how} {name} was undone"
        else:
            assert here is None or here.data is None, f"{name} is left"

    def close(self) -> None:
        for node in self.nodes:
            node.close()
