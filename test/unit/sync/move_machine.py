"""A client whose changes are noted, one or two daemons that move, and what must be true of it all."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unit.sync.cluster import FakeDb, FakeReplica, Swift
from unit.sync.fake_node import NAMER, Node, mapping
from unit.sync.store import WatchedBucket


class Crash(BaseException):
    """The daemon ends here: no handler of the program sees this."""


@dataclass
class Written:
    """What the client last wrote under a name. ``user``: its metadata. ``expires``: X-Delete-At."""

    data: bytes
    user: dict[str, str] = field(default_factory=dict)
    expires: int | None = None


class MovingWorld:
    """``nodes`` daemons, each with a database of its own, over one Swift and one bucket.

    ``truth`` is the oracle: name -> what a client that reads its own writes must find on one side or the
    other; ``deleted``: names whose last change was a client's delete. ``point`` is called wherever
    something may come in between.
    """

    def __init__(
        self,
        directory: Path,
        *,
        nodes: int = 1,
        conditional: bool = True,
        copy_after: int = 0,
        **profile: Any,
    ) -> None:
        self.swift = Swift()
        self.bucket = WatchedBucket(NAMER, self.swift.clock.now, conditional=conditional)
        self.truth: dict[str, Written] = {}
        self.deleted: set[str] = set()
        #: names of what stays in the cluster, on record, whatever happens
        self.refused: set[str] = set()
        self.propagate = profile.get("propagate_delete", True)
        self.copy_after = copy_after
        self.dbs = [FakeDb(f"db{number}") for number in range(nodes)]
        self.swift.dbs += self.dbs
        self.nodes = [
            Node(
                self.swift,
                self.bucket,
                directory / f"node{number}",
                [FakeReplica(db, number, nodes)],
                mapping=mapping(retain_local=False, copy_after=copy_after, **profile),
                slack=0.0,
                items_chunk=4,
            )
            for number, db in enumerate(self.dbs)
        ]
        self.points = 0
        self._inside = False
        self.point: Any = lambda number: None
        self.bucket.before = self.bucket.after = self._pass
        self.swift.meanwhile = self._pass

    def _pass(self, what: str, name: str) -> None:
        """Not while something that came in between is still going on."""
        if what == "list" or self._inside:
            return
        self.points += 1
        self._inside = True
        try:
            self.point(self.points)
        finally:
            self._inside = False

    # The client

    def put(self, name: str, data: bytes, /, lives: int | None = None, **user: str) -> None:
        """``lives``: seconds until it expires."""
        self.swift.clock.sleep(1)
        headers = {f"x_object_meta_{key}": value for key, value in user.items()}
        expires = None if lives is None else int(self.swift.clock.now()) + lives
        if expires is not None:
            headers["x_delete_at"] = str(expires)
        self.swift.put(name, data, **headers)
        self.truth[name] = Written(data, user, expires)
        self.deleted.discard(name)
        self.swift.overtaken.discard(name)

    def post(self, name: str, **user: str) -> None:
        """As Swift: only of what is here."""
        if self.swift.content().get(name) is None:
            return
        self.swift.clock.sleep(1)
        self.swift.post(name, **{f"x_object_meta_{key}": value for key, value in user.items()})
        self.truth[name].user = user
        self.truth[name].expires = None

    def delete(self, name: str) -> None:
        self.swift.clock.sleep(1)
        self.swift.delete(name)
        self.truth.pop(name, None)
        self.deleted.add(name)

    def reap(self) -> None:
        """What Swift's expirer does."""
        now = self.swift.clock.now()
        for (name, _), version in list(self.swift.objects.items()):
            if version.data is not None and int(version.headers.get("x-delete-at", 10**11)) <= now:
                self.swift.reap(name)

    # What must hold

    def alive(self) -> dict[str, Written]:
        """What has not expired."""
        now = self.swift.clock.now()
        return {n: each for n, each in self.truth.items() if each.expires is None or each.expires > now}

    def check_bytes(self) -> None:
        """At every moment: what the client wrote last is on one side or the other."""
        here, there = self.swift.content(), self.bucket.content()
        for name, written in self.alive().items():
            assert written.data in (here.get(name), there.get(name)), name

    def check_end(self) -> None:
        """When nothing is left to do: everything was moved, newest metadata and all."""
        self.check_bytes()
        assert self.swift.content().keys() == self.refused
        there = self.bucket.content()
        for name, written in self.alive().items():
            assert there[name] == written.data
            if name not in self.swift.overtaken:
                assert self.bucket.metadata(name) == written.user, name
        if self.propagate:
            assert there.keys() == self.alive().keys()
        for node in self.nodes:
            assert node.unsettled().keys() <= self.refused

    def settle(self) -> None:
        """Until all daemons have nothing left, retries and waits included."""
        for turn in range(10):
            before = self.points
            self.reap()
            for node in self.nodes:
                node.settle()
            waiting = {name for node in self.nodes for name in node.unsettled()}
            if turn > 1 and self.points == before and waiting <= self.refused:
                return
            self.swift.clock.sleep(4000.0 + self.copy_after * 2)
        raise AssertionError("they never settle")
