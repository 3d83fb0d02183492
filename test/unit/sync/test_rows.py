"""One row, for everything that it may find here and there; and what it costs in requests."""

from __future__ import annotations

import logging
import re
import threading
from collections import Counter
from dataclasses import replace
from typing import Any, cast

import pytest

from s3_sync.config.criteria import compile_criteria
from s3_sync.errors import (
    AccessDenied,
    Archived,
    BadDigest,
    InvalidRequest,
    LocalChanged,
    LocalMissing,
    LocalUnavailable,
    NotFound,
    NotSupported,
    ObjectRefused,
    PreconditionFailed,
    RemoteUnavailable,
    StateError,
    SyncError,
    Throttled,
)
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.model.outcomes import Kind, Outcome
from s3_sync.model.rows import Row
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import ListQuery
from s3_sync.streams.reader import BytesBody
from s3_sync.sync.local import LocalSide
from s3_sync.sync.rows import RowHandler, outcome_of
from s3_sync.sync.views import Before, Listed, View
from s3_sync.transfer.sending import Sending
from unit.sync.cluster import START, Swift, Version
from unit.sync.node import NAMER, mapping
from unit.sync.store import WatchedBucket

NAME = "o/ü"
FRESH, NEW, UNKNOWN = Before.FRESH, Before.NEW, Before.UNKNOWN
VIEWS = ["fresh", "new", "unknown", "listed"]


class World:
    """One name in Swift and in the bucket."""

    def __init__(self, conditional: bool = True, **profile: Any) -> None:
        self.swift = Swift()
        self.bucket = WatchedBucket(NAMER, self.swift.clock.now, conditional=conditional)
        self.counted: list[int] = []
        swift = cast(Any, self.swift)
        self.handler = RowHandler(
            mapping(**profile),
            Sending(self.bucket, self.counted.append),
            LocalSide(swift, swift, swift),
            self.swift.clock.now,
        )

    def later(self, seconds: float = 10.0) -> None:
        self.swift.clock.sleep(seconds)

    def view(self, kind: str) -> View:
        """``listed`` is what a listing shows now; the rest is what the caller believes."""
        if kind == "listed":
            page = self.bucket.inner.list_objects(ListQuery())
            return Listed(next((info for info in page.objects if info.name == NAME), None))
        return Before(kind)

    def handle(self, row: Row | None = None, view: View = UNKNOWN) -> Outcome:
        self.bucket.calls.clear()
        self.swift.heads.clear()
        self.swift.reads.clear()
        return self.handler.handle(row or self.swift.row(NAME), view)

    def store(self, data: bytes, **marks: str) -> None:
        """Something is in the bucket already, written by whom it may concern."""
        meta = ObjectMeta({"content-type": "text/plain"}).marked(**marks)
        self.bucket.inner.put_object(NAME, BytesBody(data), PutOptions(len(data), meta))

    @property
    def costs(self) -> Counter[str]:
        return Counter(method for method, _ in self.bucket.calls)

    @property
    def stored(self) -> bytes | None:
        return self.bucket.content().get(NAME)


def reasons(outcome: Outcome) -> tuple[str, str]:
    return outcome.kind.value, outcome.reason


class TestCosts:
    """A new object is one read and one PUT; what is there already costs nothing."""

    @pytest.mark.parametrize("view", ["fresh", "new", "listed"])
    def test_a_new_object(self, view: str) -> None:
        world = World()
        world.swift.put(NAME, b"12345", x_object_meta_colour="blü")
        outcome = world.handle(view=world.view(view))
        assert outcome == Outcome(Kind.COPIED, size=5)
        assert world.costs == {"put": 1}
        assert (world.swift.heads, world.swift.reads) == ([], [NAME])
        assert world.stored == b"12345"
        assert world.bucket.metadata(NAME) == {"colour": "blü"}
        assert sum(world.counted) == 5

    def test_a_new_object_of_which_nothing_is_known(self) -> None:
        world = World()
        world.swift.put(NAME)
        assert world.handle().kind is Kind.COPIED
        assert world.costs == {"head": 1, "put": 1}

    def test_where_writes_have_no_conditions_all_replicas_are_asked(self) -> None:
        world = World(conditional=False)
        world.swift.put(NAME)
        assert world.handle(view=NEW).kind is Kind.COPIED
        assert world.costs == {"put": 1}
        assert world.swift.heads == [NAME]

    def test_an_unchanged_listed_object_is_nothing(self) -> None:
        world = World()
        world.swift.put(NAME)
        world.later()
        world.handle()
        assert world.handle(view=world.view("listed")) == Outcome(Kind.PRESENT)
        assert (world.costs, world.swift.heads, world.swift.reads) == (Counter(), [], [])

    def test_an_unchanged_object_that_is_not_listed_is_one_head(self) -> None:
        world = World()
        world.swift.put(NAME)
        world.handle()
        assert world.handle() == Outcome(Kind.PRESENT)
        assert world.costs == {"head": 1}

    def test_a_post_is_a_head_and_a_post(self) -> None:
        world = World()
        world.swift.put(NAME)
        world.handle()
        world.later()
        world.swift.post(NAME, x_object_meta_colour="red")
        assert world.handle(view=NEW) == Outcome(Kind.UPDATED)
        assert world.costs == {"head": 1, "post": 1}
        assert world.bucket.metadata(NAME) == {"colour": "red"}

    def test_a_delete_is_one_request(self) -> None:
        world = World()
        world.swift.put(NAME)
        world.handle()
        world.swift.delete(NAME)
        assert world.handle(view=NEW) == Outcome(Kind.DELETED)
        assert world.costs == {"delete": 1}
        assert world.stored is None

    @pytest.mark.parametrize("view", [FRESH, Listed(None)])
    def test_a_delete_of_what_was_never_there_is_nothing(self, view: View) -> None:
        world = World()
        world.swift.delete(NAME)
        assert world.handle(view=view) == Outcome(Kind.PRESENT)
        assert (world.costs, world.swift.heads) == (Counter(), [])


REMOTES = ["nothing", "same", "older", "foreign", "newer", "meta"]


def prepare(world: World, remote: str) -> None:
    """The object at its third version, and something in the bucket."""
    first = world.swift.put(NAME, b"first", x_object_meta_a="1")
    world.later()
    if remote in ("older", "meta"):
        world.handle()
    world.swift.put(NAME, b"first" if remote == "meta" else b"second", x_object_meta_a="2")
    world.later()
    if remote == "same":
        world.handle()
    elif remote == "foreign":
        world.store(b"somebody else's")
    elif remote == "newer":
        world.store(b"third", swift_timestamp=Timestamp(first.raw * 2).internal)


@pytest.mark.parametrize(
    ("remote", "view", "conditional"),
    [
        (remote, view, conditional)
        for remote in REMOTES
        for view in VIEWS
        for conditional in (True, False)
        # without conditions "fresh" is only said where nothing is stored
        if conditional or view != "fresh" or remote == "nothing"
    ],
)
def test_a_put_row_against_every_remote(remote: str, view: str, conditional: bool) -> None:
    world = World(conditional=conditional)
    prepare(world, remote)
    outcome = world.handle(view=world.view(view))
    blind = not conditional and view == "new"
    if remote == "newer" and not blind:
        assert reasons(outcome) == ("pending", "local_unavailable")
        assert world.stored == b"third"
        return
    expected = {
        "nothing": Kind.COPIED,
        "same": Kind.COPIED if blind else Kind.PRESENT,
        "older": Kind.COPIED,
        "foreign": Kind.COPIED,
        "newer": Kind.COPIED,
        "meta": Kind.COPIED if blind else Kind.UPDATED,
    }
    assert outcome.kind is expected[remote]
    assert world.stored == (b"first" if remote == "meta" else b"second")
    assert world.bucket.metadata(NAME) == {"a": "2"}
    world.handle()
    assert not world.costs.keys() - {"head"}  # once more changes nothing


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("remote", [True, False], ids=["stored", "absent"])
class TestRowsThatAreNotTheLastWord:
    def start(self, remote: bool) -> World:
        world = World()
        world.swift.put(NAME, b"one")
        world.later()
        if remote:
            world.handle()
        return world

    def test_overwritten_since(self, view: str, remote: bool) -> None:
        world = self.start(remote)
        row = world.swift.row(NAME)
        world.swift.put(NAME, b"two")
        if view == "listed" and remote:
            assert world.handle(row, world.view(view)).kind is Kind.PRESENT
            assert world.handle(view=NEW).kind is Kind.COPIED
        else:
            assert world.handle(row, world.view(view)).kind is Kind.COPIED
        assert world.stored == b"two"

    def test_deleted_since(self, view: str, remote: bool) -> None:
        world = self.start(remote)
        row = world.swift.row(NAME)
        world.swift.delete(NAME)
        before = world.stored
        outcome = world.handle(row, world.view(view))
        assert outcome.settled
        assert world.stored == before  # the tombstone's own row deletes
        world.handle(view=NEW)
        assert world.stored is None

    def test_put_again_after_the_delete(self, view: str, remote: bool) -> None:
        world = self.start(remote)
        world.swift.delete(NAME)
        tombstone = world.swift.row(NAME)
        world.swift.put(NAME, b"two")
        outcome = world.handle(tombstone, world.view(view))
        assert outcome.kind in (Kind.SKIPPED, Kind.PRESENT)
        assert not world.costs.keys() - {"head"}
        world.handle(view=NEW)
        assert world.stored == b"two"

    def test_vanished(self, view: str, remote: bool) -> None:
        world = self.start(remote)
        row = world.swift.row(NAME)
        before = world.stored
        world.swift.objects.clear()
        outcome = world.handle(row, world.view(view))
        assert reasons(outcome) in [("skipped", "vanished"), ("present", "")]
        assert world.stored == before

    def test_expired_but_not_reaped(self, view: str, remote: bool) -> None:
        world = self.start(remote)
        before = world.stored
        world.swift.put(NAME, b"two", x_delete_at=str(int(world.swift.clock.now()) + 5))
        row = world.swift.row(NAME)
        world.later(20)
        world.swift.stale[NAME] = Version(None, row.data_timestamp, row.timestamp)
        outcome = world.handle(row, world.view(view))
        assert reasons(outcome) == ("skipped", "vanished")
        assert world.stored == before


class TestDeletes:
    """Nothing leaves the bucket without proof."""

    def start(self, **profile: Any) -> World:
        world = World(**profile)
        world.swift.put(NAME)
        world.later()
        world.handle()
        assert world.stored == b"data"
        return world

    def refused(self, world: World, row: Row, kind: Kind, reason: str, view: View = UNKNOWN) -> None:
        outcome = world.handle(row, view)
        assert (outcome.kind, outcome.reason) == (kind, reason)
        assert "delete" not in world.costs
        assert world.stored == b"data"

    @pytest.mark.parametrize("view", ["new", "unknown", "listed"])
    def test_proved(self, view: str) -> None:
        world = self.start()
        world.swift.delete(NAME)
        assert world.handle(view=world.view(view)) == Outcome(Kind.DELETED)
        assert world.stored is None

    def test_a_row_with_an_offset(self) -> None:
        world = self.start()
        world.swift.delete(NAME, offset=2)
        self.refused(world, world.swift.row(NAME), Kind.SKIPPED, "own_tombstone")
        assert world.swift.heads == []

    def test_a_tombstone_with_an_offset_behind_a_row_without(self) -> None:
        world = self.start()
        world.swift.delete(NAME)
        row = world.swift.row(NAME)
        world.swift.delete(NAME, offset=1)
        self.refused(world, row, Kind.SKIPPED, "own_tombstone")

    def test_not_propagated(self) -> None:
        world = self.start(propagate_delete=False)
        world.swift.delete(NAME)
        self.refused(world, world.swift.row(NAME), Kind.SKIPPED, "delete_not_propagated")

    def test_a_newer_object_in_another_policy(self) -> None:
        world = self.start()
        world.swift.delete(NAME)
        row = world.swift.row(NAME)
        world.swift.put(NAME, policy=1)
        self.refused(world, row, Kind.SKIPPED, "superseded")

    def test_an_older_object_in_another_policy(self) -> None:
        world = self.start()
        world.swift.put(NAME, policy=1)
        world.swift.delete(NAME)
        assert world.handle() == Outcome(Kind.DELETED)

    def test_the_object_servers_know_only_something_older(self) -> None:
        world = self.start()
        before = dict(world.swift.objects)
        world.swift.delete(NAME)
        row = world.swift.row(NAME)
        world.swift.objects = before
        self.refused(world, row, Kind.PENDING, "local_unavailable")

    def test_too_few_servers_answer(self) -> None:
        world = self.start()
        world.swift.delete(NAME)
        world.swift.lost.add(NAME)
        self.refused(world, world.swift.row(NAME), Kind.PENDING, "local_unavailable")

    def test_nobody_remembers(self) -> None:
        world = self.start()
        world.swift.delete(NAME)
        row = world.swift.row(NAME)
        world.swift.objects.clear()
        self.refused(world, row, Kind.FAILED, "delete_unproven")

    def test_nobody_remembers_and_nothing_is_stored(self) -> None:
        world = World()
        world.swift.delete(NAME)
        row = world.swift.row(NAME)
        world.swift.objects.clear()
        assert world.handle(row) == Outcome(Kind.PRESENT)

    def test_stored_manifest_goes_with_it(self) -> None:
        world = self.start()
        key = NAMER.manifest_key(NAME)
        objects = world.bucket.provider.store("bucket").objects
        objects[key] = next(iter(objects.values()))
        world.swift.delete(NAME)
        world.handle()
        assert objects == {}


class TestPolicy:
    def test_excluded_rows_and_deletes(self) -> None:
        world = World(exclude=re.compile("^o"))
        world.swift.put(NAME)
        assert world.handle(view=FRESH) == Outcome(Kind.SKIPPED, "excluded")
        world.store(b"x")
        world.swift.delete(NAME)
        assert world.handle() == Outcome(Kind.SKIPPED, "excluded")
        assert (world.costs, world.stored) == (Counter(), b"x")

    def test_exclusion_is_anchored_at_the_start_only(self) -> None:
        world = World(exclude=re.compile("ü"))
        world.swift.put(NAME)
        assert world.handle(view=FRESH).kind is Kind.COPIED

    @pytest.mark.parametrize("view", ["fresh", "new", "unknown", "listed"])
    def test_condition(self, view: str) -> None:
        criteria = compile_criteria({"x-object-meta-keep": "YES"}, "")
        world = World(criteria=criteria)
        world.swift.put(NAME, x_object_meta_keep="no")
        assert world.handle(view=world.view(view)) == Outcome(Kind.SKIPPED, "condition")
        assert world.stored is None
        world.swift.post(NAME, x_object_meta_keep="yes")
        assert world.handle(view=NEW).kind is Kind.COPIED

    def test_copy_after(self) -> None:
        world = World(copy_after=60)
        world.swift.put(NAME)
        row = world.swift.row(NAME)
        for seconds in (0.0, 59.0, 1.0):
            world.later(seconds)
            assert world.handle(row, FRESH) == Outcome(Kind.PENDING, "not_due")
        world.later(0.001)
        assert world.handle(row, FRESH).kind is Kind.COPIED
        assert world.handler.due(row) == START + 60

    def test_copy_after_counts_from_the_last_post(self) -> None:
        world = World(copy_after=60)
        world.swift.put(NAME)
        world.later(50)
        world.swift.post(NAME)
        world.later(59)
        assert world.handle().reason == "not_due"

    def test_deletes_do_not_wait(self) -> None:
        world = World(copy_after=60)
        world.store(b"x")
        world.swift.delete(NAME)
        assert world.handle() == Outcome(Kind.DELETED)

    def test_a_due_row_does_not_send_a_version_that_is_not(self) -> None:
        """As when an object failed, and was overwritten before it was tried again."""
        world = World(copy_after=60)
        world.swift.put(NAME, b"old")
        row = world.swift.row(NAME)
        world.later(100)
        world.swift.put(NAME, b"new")
        assert world.handle(row) == Outcome(Kind.SKIPPED, "superseded")
        assert world.stored is None
        world.later(61)
        assert world.handle().kind is Kind.COPIED

    def test_a_clock_that_is_ahead_elsewhere_delays_nothing(self) -> None:
        world = World()
        world.later(1200)
        world.swift.put(NAME)
        world.later(-1200)
        assert world.handle(view=FRESH).kind is Kind.COPIED


class TestReplicas:
    def test_a_stale_replica_is_not_copied_over_an_existing_object(self) -> None:
        world = World()
        world.swift.put(NAME, b"old")
        row = world.swift.row(NAME)
        world.swift.stale[NAME] = world.swift.objects[NAME, 0]
        world.later()
        world.swift.put(NAME, b"new")
        world.handle()
        assert world.stored == b"new"
        world.handle(row, NEW)  # the row of a database that was away
        assert world.stored == b"new"
        world.handle(row, FRESH)
        assert world.stored == b"new"

    def test_a_replica_with_older_metadata_than_the_row(self) -> None:
        world = World()
        world.swift.put(NAME, b"x", x_object_meta_a="1")
        old = world.swift.objects[NAME, 0]
        world.swift.post(NAME, x_object_meta_a="2")
        row = world.swift.row(NAME)
        world.swift.objects[NAME, 0] = old
        assert reasons(world.handle(row, FRESH)) == ("pending", "local_unavailable")
        assert world.stored is None

    def test_changed_between_looking_and_reading(self) -> None:
        world = World()
        world.swift.put(NAME, b"x")
        row = world.swift.row(NAME)
        head = world.bucket.inner.head_object

        def post_meanwhile(method: str, name: str) -> None:
            if method == "head":
                world.swift.post(NAME, x_object_meta_a="new")

        world.bucket.before = post_meanwhile
        outcome = world.handle(row)
        assert reasons(outcome) == ("pending", "local_changed")
        assert world.stored is None
        world.bucket.before = lambda method, name: None
        assert world.handle().kind is Kind.COPIED
        assert head(NAME).meta is not None

    def test_the_remote_is_newer_than_every_replica(self) -> None:
        world = World()
        stamp = world.swift.put(NAME, b"x")
        world.store(b"y", swift_timestamp=stamp.after().internal)
        assert reasons(world.handle()) == ("pending", "local_unavailable")
        assert world.stored == b"y"


class TestRaces:
    def test_somebody_writes_between_our_look_and_our_put(self) -> None:
        world = World()
        world.swift.put(NAME, b"ours")
        meddled = []

        def meddle(method: str, name: str) -> None:
            if method == "put" and not meddled:
                meddled.append(1)
                world.store(b"theirs")

        world.bucket.before = meddle
        assert world.handle().kind is Kind.COPIED
        assert world.costs == {"head": 2, "put": 2}
        assert world.stored == b"ours"

    def test_somebody_always_writes_in_between(self) -> None:
        world = World()
        world.swift.put(NAME, b"ours")
        writes: list[int] = []

        def meddle(method: str, name: str) -> None:
            if method == "put":
                writes.append(1)
                world.store(b"theirs %d" % len(writes))

        world.bucket.before = meddle
        assert reasons(world.handle()) == ("pending", "remote_precondition")
        assert world.costs["put"] <= 3

    def test_another_node_was_faster(self) -> None:
        world = World()
        world.swift.put(NAME, b"ours")

        def other_node(method: str, name: str) -> None:
            if method == "put":
                world.bucket.before = lambda method, name: None
                world.handler.handle(world.swift.row("o2"), NEW)
                meta = ObjectMeta({"content-type": "text/plain"})
                stamp = world.swift.row(NAME).timestamp.internal
                world.bucket.inner.put_object(
                    NAME, BytesBody(b"ours"), PutOptions(4, meta.marked(swift_timestamp=stamp))
                )

        world.swift.put("o2")
        world.bucket.before = other_node
        assert world.handle(view=NEW) == Outcome(Kind.PRESENT)

    def test_deleted_remotely_before_the_post(self) -> None:
        world = World()
        world.swift.put(NAME, b"x")
        world.handle()
        world.swift.post(NAME, x_object_meta_a="b")

        def remove(method: str, name: str) -> None:
            if method == "post":
                world.bucket.inner.delete_object(NAME)

        world.bucket.before = remove
        assert not world.handle().settled
        world.bucket.before = lambda method, name: None
        assert world.handle().kind is Kind.COPIED

    def test_one_name_at_a_time(self) -> None:
        """A delete that waits for its answer does not overtake, or get overtaken by, a put."""
        world = World()
        world.swift.put(NAME)
        world.handle()
        world.swift.delete(NAME)
        tombstone = world.swift.row(NAME)
        inside, go_on = threading.Event(), threading.Event()

        def wait(method: str, name: str) -> None:
            if method == "delete":
                inside.set()
                assert go_on.wait(10)

        world.bucket.before = wait
        first = threading.Thread(target=world.handler.handle, args=(tombstone, NEW))
        first.start()
        assert inside.wait(10)
        world.swift.put(NAME, b"again")
        second = threading.Thread(target=world.handler.handle, args=(world.swift.row(NAME), NEW))
        second.start()
        second.join(0.1)
        assert second.is_alive()
        go_on.set()
        first.join(10)
        second.join(10)
        assert world.stored == b"again"


class TestWhatTheStoreCannotDo:
    def test_a_name_that_is_too_long_is_quarantined_without_a_request(self) -> None:
        world = World()
        name = "n" * 1020
        world.swift.put(name)
        for view in (FRESH, NEW, UNKNOWN):
            outcome = world.handle(world.swift.row(name), view)
            assert reasons(outcome) == ("failed", "name_too_long")
            assert world.costs == Counter()
        world.swift.delete(name)
        assert world.handle(world.swift.row(name)) == Outcome(Kind.PRESENT)
        assert world.costs == Counter()

    def test_too_large(self) -> None:
        world = World()
        world.bucket.limits = replace(world.bucket.limits, max_put=5, max_part=5, min_part=1, max_parts=2)
        world.swift.put(NAME, bytes(11))
        assert reasons(world.handle(view=NEW)) == ("failed", "too_large")
        assert world.costs == Counter()

    @pytest.mark.parametrize("error", [Archived("cold"), NotSupported("no copies")])
    def test_metadata_that_cannot_be_sent_alone_goes_with_the_bytes(self, error: SyncError) -> None:
        world = World()
        world.swift.put(NAME)
        world.handle()
        world.swift.post(NAME, x_object_meta_a="b")
        world.bucket.before = lambda method, name: error if method == "post" else None
        assert world.handle(view=NEW).kind is Kind.COPIED
        assert world.bucket.metadata(NAME) == {"a": "b"}

    def test_metadata_of_what_is_too_large_to_copy(self) -> None:
        world = World()
        world.bucket.limits = replace(world.bucket.limits, max_copy=3)
        world.swift.put(NAME, b"four")
        world.handle()
        world.swift.post(NAME, x_object_meta_a="b")
        assert world.handle(view=NEW).kind is Kind.COPIED
        assert "post" not in world.costs

    @pytest.mark.parametrize("kind", ["slo", "dlo"])
    @pytest.mark.parametrize("view", [FRESH, NEW, UNKNOWN])
    def test_large_objects_wait_for_a_version_that_knows_them(self, kind: str, view: View) -> None:
        world = World()
        world.swift.put(NAME, b"[]")
        world.swift.objects[NAME, 0] = replace(world.swift.objects[NAME, 0], kind=kind)
        assert reasons(world.handle(view=view)) == ("failed", "large_object")
        assert world.stored is None

    def test_parts(self) -> None:
        world = World()
        world.swift.put(NAME, bytes(2500))
        assert world.handle(view=NEW) == Outcome(Kind.COPIED, size=2500)
        assert world.costs == {"create": 1, "part": 3, "complete": 1}
        assert world.stored == bytes(2500)
        assert world.handle() == Outcome(Kind.PRESENT)

    def test_parts_do_not_overwrite_what_a_single_replica_knows_nothing_of(self) -> None:
        world = World()
        old = world.swift.put(NAME, bytes(2500))
        row = world.swift.row(NAME)
        world.swift.stale[NAME] = world.swift.objects[NAME, 0]
        world.swift.put(NAME, b"new")
        world.handle()
        world.handle(row, NEW)
        assert world.stored == b"new"
        assert world.bucket.unfinished() == 0
        assert old < world.swift.row(NAME).timestamp


class TestListedAlike:
    """A listing proves the version only if nothing about it can be told apart."""

    def start(self) -> World:
        world = World()
        world.swift.put(NAME, b"x", x_object_meta_a="1")
        world.later()
        world.handle()
        return world

    def test_a_rewrite_with_the_same_bytes_is_noticed(self) -> None:
        world = self.start()
        view = world.view("listed")
        world.later()
        world.swift.put(NAME, b"x", x_object_meta_a="2")
        assert world.handle(view=view) == Outcome(Kind.UPDATED)
        assert world.bucket.metadata(NAME) == {"a": "2"}

    def test_a_post_is_noticed(self) -> None:
        world = self.start()
        world.swift.post(NAME, x_object_meta_a="2")
        assert world.handle(view=world.view("listed")) == Outcome(Kind.UPDATED)

    def test_a_retry_that_knows_no_etag_asks(self) -> None:
        world = self.start()
        view = world.view("listed")
        assert isinstance(view, Listed)
        assert view.info is not None
        nothing_told = Listed(replace(view.info, etag=""))
        row = replace(world.swift.row(NAME), etag="")
        world.handle(row, nothing_told)
        assert world.costs == {"head": 1}


OUTCOMES: list[tuple[SyncError, Kind, str]] = [
    (ObjectRefused("name_too_long", "x"), Kind.FAILED, "name_too_long"),
    (ObjectRefused("encrypted_no_key", "x"), Kind.FAILED, "encrypted_no_key"),
    (LocalMissing("x"), Kind.SKIPPED, "vanished"),
    (LocalChanged("x"), Kind.PENDING, "local_changed"),
    (LocalUnavailable("x"), Kind.PENDING, "local_unavailable"),
    (NotFound("x"), Kind.PENDING, "remote_not_found"),
    (AccessDenied("x"), Kind.PENDING, "remote_denied"),
    (PreconditionFailed("x"), Kind.PENDING, "remote_precondition"),
    (BadDigest("x"), Kind.PENDING, "bad_digest"),
    (Throttled("x"), Kind.PENDING, "remote_throttled"),
    (RemoteUnavailable("x"), Kind.PENDING, "remote_unavailable"),
    (NotSupported("x"), Kind.PENDING, "remote_not_supported"),
    (Archived("x"), Kind.PENDING, "remote_archived"),
    (InvalidRequest("x"), Kind.PENDING, "remote_refused"),
    (StateError("x"), Kind.PENDING, "state"),
]


@pytest.mark.parametrize(("error", "kind", "reason"), OUTCOMES)
def test_outcome_of_every_error(error: SyncError, kind: Kind, reason: str) -> None:
    assert reasons(outcome_of(error)) == (kind.value, reason)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", ["head", "put", "post", "delete", "create", "part", "complete"])
@pytest.mark.parametrize(
    "error",
    [
        RemoteUnavailable("x"),
        Throttled("x"),
        AccessDenied("x"),
        InvalidRequest("x"),
        BadDigest("x"),
        ValueError("a bug"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_error_at_every_call_is_told_and_healed(call: str, error: Exception, when: str) -> None:
    """Also when the store has acted and only its answer is lost."""
    world = World()
    if call in ("post", "delete"):
        world.swift.put(NAME)
        world.handle()
    if call == "post":
        world.swift.post(NAME, x_object_meta_a="b")
    elif call == "delete":
        world.swift.delete(NAME)
    else:
        world.swift.put(NAME, bytes(2500) if call in ("create", "part", "complete") else b"x")

    def fail(method: str, name: str) -> Exception | None:
        return error if method == call else None

    setattr(world.bucket, when, fail)
    logging.disable(logging.CRITICAL)
    outcome = world.handle()
    logging.disable(logging.NOTSET)
    assert outcome.kind is Kind.PENDING
    assert outcome.reason == (error.reason if isinstance(error, SyncError) else "internal_error")
    setattr(world.bucket, when, lambda method, name: None)
    assert world.handle().settled
    assert world.bucket.content() == world.swift.content()
    if when == "before" or call != "create":  # a lost upload id can be found by a listing only
        assert world.bucket.unfinished() == 0
