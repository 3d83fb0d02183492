"""Whatever clients do and whatever breaks, in any order: in the end the bucket holds what Swift holds.

A dictionary of what clients wrote is the oracle; it is asked when everything is quiet again.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from s3_sync.errors import (
    AccessDenied,
    BadDigest,
    InvalidRequest,
    LocalUnavailable,
    RemoteError,
    RemoteUnavailable,
    Throttled,
)
from s3_sync.model.timestamps import Timestamp
from unit.sync.cluster import FakeDb, FakeReplica, Swift, Version
from unit.sync.fake_node import MAX_PAUSE, NAMER, SLACK, Node, mapping
from unit.sync.hypothesis_profiles import stories
from unit.sync.store import WatchedBucket

NAMES = [f"o{number}" for number in range(12)]
names = st.sampled_from(NAMES)
contents = st.sampled_from([b"", b"x", b"data", b"other data", bytes(1500)])
values = st.sampled_from(["", "1", "zwei", "drei drei", "vi\u00e9r"])
errors = st.sampled_from(
    [RemoteUnavailable("x"), Throttled("x"), AccessDenied("x"), BadDigest("x"), InvalidRequest("x")]
)
METHODS = ["put", "post", "delete", "head", "list", "create", "part", "complete"]


class Crash(BaseException):
    """The process ends here."""


class Story(RuleBasedStateMachine):
    """What clients and faults can do. ``written``: what a client would read, name -> (bytes, metadata)."""

    nodes_count = 1

    def __init__(self) -> None:
        super().__init__()
        logging.disable(logging.CRITICAL)
        self.folder = tempfile.TemporaryDirectory(prefix="story-")
        self.written: dict[str, tuple[bytes, dict[str, str]]] = {}
        self.deleted: set[str] = set()
        self.marks: dict[str, Timestamp] = {}

    @initialize(
        conditional=st.booleans(),
        copy_after=st.sampled_from([0, 0, 100]),
        chunk=st.sampled_from([2, 5, 100]),
        before=st.lists(names, max_size=12, unique=True),
    )
    def begin(self, conditional: bool, copy_after: int, chunk: int, before: list[str]) -> None:
        self.swift = Swift()
        self.bucket = WatchedBucket(NAMER, self.swift.clock.now, conditional=conditional, page=5)
        self.swift.dbs += [FakeDb(f"db{number}") for number in range(self.nodes_count)]
        for name in before:
            self.client_puts(name, b"from before", "")
        self.nodes = [
            Node(
                self.swift,
                self.bucket,
                Path(self.folder.name) / str(number),
                [FakeReplica(db, number, self.nodes_count)],
                items_chunk=chunk,
                mapping=mapping(copy_after=copy_after),
            )
            for number, db in enumerate(self.swift.dbs)
        ]

    # Clients

    @rule(name=names, data=contents, value=values)
    def client_puts(self, name: str, data: bytes, value: str) -> None:
        headers = {"x_object_meta_colour": value} if value else {}
        self.swift.put(name, data, **headers)
        self.written[name] = (data, {"colour": value} if value else {})

    @precondition(lambda self: self.written)
    @rule(data=st.data(), value=values)
    def client_posts(self, data: st.DataObject, value: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.written)))
        self.swift.post(name, **({"x_object_meta_colour": value} if value else {}))
        self.written[name] = (self.written[name][0], {"colour": value} if value else {})

    @precondition(lambda self: self.written)
    @rule(data=st.data())
    def client_deletes(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.written)))
        self.swift.delete(name)
        del self.written[name]
        self.deleted.add(name)

    # Time and the daemon

    @rule(seconds=st.sampled_from([0.0, 0.5, 5.0, 60.0, 130.0, 700.0, SLACK, MAX_PAUSE]))
    def time_passes(self, seconds: float) -> None:
        self.swift.clock.sleep(seconds)

    @rule(data=st.data(), turns=st.integers(1, 4))
    def daemon_works(self, data: st.DataObject, turns: int) -> None:
        node = data.draw(st.sampled_from(self.nodes))
        for _ in range(turns):
            try:
                node.step()
            except Crash:
                self._heal()
                node.restart()

    @rule(data=st.data())
    def daemon_restarts(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.nodes)).restart()

    # Faults

    @rule(method=st.sampled_from(METHODS), after=st.booleans(), calls=st.integers(1, 6))
    def crash_soon(self, method: str, after: bool, calls: int) -> None:
        left = [calls]

        def fault(called: str, name: str) -> BaseException | None:
            left[0] -= called == method
            return Crash() if called == method and left[0] == 0 else None

        setattr(self.bucket, "after" if after else "before", fault)

    @rule(data=st.data(), note=st.sampled_from(["settle", "open_window", "save"]), after=st.booleans())
    def crash_at_the_next_note(self, data: st.DataObject, note: str, after: bool) -> None:
        node = data.draw(st.sampled_from(self.nodes))
        holder: Any = node.context.statuses if note == "save" else node.journal
        real = getattr(holder, note)

        def crash(*arguments: Any, **named: Any) -> None:
            if after:
                real(*arguments, **named)
            raise Crash

        setattr(holder, note, crash)

    @rule(error=errors, methods=st.sets(st.sampled_from(METHODS), min_size=1), after=st.booleans())
    def remote_fails(self, error: RemoteError, methods: set[str], after: bool) -> None:
        def fault(method: str, name: str) -> BaseException | None:
            return error if method in methods else None

        setattr(self.bucket, "after" if after else "before", fault)

    @rule(error=errors, bad=st.sets(names, min_size=1, max_size=3))
    def remote_refuses_names(self, error: RemoteError, bad: set[str]) -> None:
        self.bucket.before = lambda method, name: error if method != "list" and name in bad else None

    @rule()
    def remote_heals(self) -> None:
        self._heal()

    @rule(lost=st.sets(names, max_size=3))
    def object_servers_fall_silent(self, lost: set[str]) -> None:
        self.swift.lost = lost

    @rule(data=st.data(), broken=st.booleans())
    def database_is_locked(self, data: st.DataObject, broken: bool) -> None:
        node = data.draw(st.sampled_from(self.nodes))
        node.replicas_here[0].broken = LocalUnavailable("locked") if broken else None

    def _heal(self) -> None:
        self.bucket.before = self.bucket.after = lambda method, name: None

    # What always holds

    @invariant()
    def nothing_leaves_the_bucket_without_a_clients_delete(self) -> None:
        if not hasattr(self, "nodes"):
            return
        stored = self.bucket.content()
        assert self.marks.keys() - stored.keys() <= self.deleted
        self.marks = {name: self._mark(name) for name in stored}

    @invariant()
    def counters_add_up(self) -> None:
        for node in getattr(self, "nodes", []):
            node.tally()

    def _mark(self, name: str) -> Timestamp:
        meta = self.bucket.inner.head_object(name).meta
        assert meta.swift_timestamp is not None
        return meta.swift_timestamp

    # The end

    def teardown(self) -> None:
        try:
            if hasattr(self, "nodes"):
                self._quieten()
        finally:
            for node in getattr(self, "nodes", []):
                node.journal.close()
            self.folder.cleanup()
            logging.disable(logging.NOTSET)

    def _quieten(self) -> None:
        self._heal()
        self.swift.lost = set()
        self.swift.stale = {}
        for db in self.swift.dbs:
            db.catch_up()
        for node in self.nodes:
            node.replicas_here[0].broken = None
            node.restart()
        for _ in range(4):
            self.swift.clock.sleep(2 * MAX_PAUSE)
            for node in self.nodes:
                node.settle()
        stored = {name: (data, self.bucket.metadata(name)) for name, data in self.bucket.content().items()}
        assert stored == self.written
        for node in self.nodes:
            assert node.unsettled() == {}
            assert not node.crawl.is_failing
        self.bucket.counts()
        for node in self.nodes:
            node.later(5.0)
        assert self.bucket.counts() == {}


class OneNode(Story):
    """A single replica that hears of everything at once: what is stored never gets older."""

    @invariant()
    def no_older_version_replaces_a_newer_one(self) -> None:
        newest: dict[str, Timestamp] = getattr(self, "newest", {})
        for name, mark in self.marks.items():
            assert name not in newest or newest[name] <= mark
        self.newest = dict(self.marks)


class ThreeNodes(Story):
    """Each has its own database, which may be behind, and single object servers show old versions."""

    nodes_count = 3

    @rule(data=st.data())
    def a_database_falls_behind(self, data: st.DataObject) -> None:
        db = data.draw(st.sampled_from(self.swift.dbs))
        db.waiting = db.waiting or []

    @rule(data=st.data())
    def a_database_catches_up(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.swift.dbs)).catch_up()

    @precondition(lambda self: self.written)
    @rule(data=st.data())
    def an_object_server_falls_behind(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.written)))
        version: Version = self.swift.objects[name, 0]
        self.swift.stale[name] = version


TestOneNode = OneNode.TestCase
TestOneNode.settings = stories(40, 40)
TestThreeNodes = ThreeNodes.TestCase
TestThreeNodes.settings = stories(40, 40)
