"""Copies of moved objects are deleted when they expire: that very version, and only with the option."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s3_sync.errors import AccessDenied, RemoteUnavailable
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.streams.reader import BytesBody
from s3_sync.sync.passes.expiry import REAP_GRACE
from unit.sync.cluster import START, Swift, Version
from unit.sync.fake_node import MAX_PAUSE, NAMER, RETRY_PAUSE, Node, mapping
from unit.sync.store import WatchedBucket

NAME = "o/ü"
DUE = 5000
DELETE_AT = str(int(START) + DUE)
OPTIONS: dict[str, Any] = {"retain_local": False, "propagate_delete": False, "propagate_expiration": True}


class Crash(BaseException):
    """The daemon ends here."""


class World:
    """A mapping that moves, and one object that expires."""

    def __init__(self, directory: Path, **profile: Any) -> None:
        self.swift = Swift()
        self.bucket = WatchedBucket(NAMER, self.swift.clock.now)
        self.profile = {**OPTIONS, **profile}
        self.node = Node(self.swift, self.bucket, directory, mapping=mapping(**self.profile))

    def move(self, data: bytes = b"data", **headers: str) -> None:
        self.swift.put(NAME, data, x_delete_at=DELETE_AT, **headers)
        self.node.settle()
        assert (self.swift.content(), self.there) == ({}, {NAME: data})
        self.bucket.counts()

    def at(self, seconds: float) -> Counter[str]:
        """What it costs to be so many seconds after the start."""
        self.swift.clock.time = START + seconds
        self.node.settle()
        return self.bucket.counts()

    def store(self, data: bytes, **marks: str) -> None:
        meta = ObjectMeta({"content-type": "text/plain"}).marked(**marks)
        self.bucket.inner.put_object(NAME, BytesBody(data), PutOptions(len(data), meta))

    @property
    def there(self) -> dict[str, bytes]:
        return self.bucket.content()

    @property
    def noted(self) -> list[str]:
        return [each.expiry.name for each in self.node.journal.expiries.entries(self.node.crawl.key)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class TestExpiredCopies:
    def test_copy_is_deleted_when_its_expiry_is_due(self, world: World) -> None:
        world.move()
        assert (world.at(DUE - 1), world.there) == (Counter(), {NAME: b"data"})
        assert (world.at(DUE), world.there) == ({"head": 1, "delete": 1}, {})
        assert world.node.tally()["deleted"] == 1
        assert (world.noted, world.at(10 * DUE)) == ([], Counter())

    def test_expiration_offset_delays_the_delete(self, tmp_path: Path) -> None:
        world = World(tmp_path, propagate_expiration_offset=100)
        world.move()
        assert world.at(DUE + 99) == Counter()
        assert world.at(DUE + 100) == {"head": 1, "delete": 1}

    def test_copy_is_deleted_after_a_restart_and_without_the_tombstone(self, world: World) -> None:
        world.move()
        world.node.restart()
        world.swift.objects.clear()
        world.at(DUE)
        assert world.there == {}

    def test_copy_is_deleted_after_a_reset_of_the_journal(self, world: World) -> None:
        world.move()
        world.node.journal.reset(world.node.crawl.key)
        world.at(DUE)
        assert world.there == {}

    def test_copy_of_an_object_moved_twice_is_deleted(self, world: World) -> None:
        """The copy has an older mark than what was moved."""
        world.move()
        world.move()
        world.at(DUE)
        assert world.there == {}

    def test_copy_stored_without_an_expiry_mark_is_deleted(self, world: World) -> None:
        """It is not said there that it expires: that is mended first."""
        world.store(b"data")
        world.move()
        world.at(DUE)
        assert world.there == {}

    def test_several_copies_are_deleted_each_at_its_own_time(self, world: World) -> None:
        for number in range(25):
            world.swift.put(f"o{number}", x_delete_at=str(int(DELETE_AT) + number))
        world.node.settle()
        assert len(world.there) == 25
        world.at(DUE + 19)
        assert sorted(world.there) == ["o20", "o21", "o22", "o23", "o24"]
        world.at(DUE + 24)
        assert world.there == {}

    def test_copy_of_restored_object_is_kept_until_the_expirer_has_run(self, world: World) -> None:
        world.move()
        world.node.edit(**world.profile, copy_after=10**6)
        world.swift.put(NAME, b"data", x_delete_at=DELETE_AT)
        world.at(DUE)
        assert world.there == {NAME: b"data"}
        assert world.node.crawl.outstanding.retrying == 0
        world.swift.reap(NAME)
        world.at(DUE + REAP_GRACE)
        assert world.there == {}


class TestStoreClock:
    """What time it is in the store counts, too."""

    def test_slow_store_clock_keeps_the_copy_until_it_reaches_the_expiry(self, tmp_path: Path) -> None:
        world = World(tmp_path, propagate_expiration_offset=100)
        world.move()
        world.bucket.clock_offset = -2000.0
        assert (world.at(DUE + 100), world.there) == ({"head": 1}, {NAME: b"data"})
        assert (world.at(DUE + 101), world.noted) == (Counter(), [NAME])
        assert world.node.crawl.outstanding.retrying == 0
        assert (world.at(DUE + 2099), world.there) == ({"head": 1}, {NAME: b"data"})
        assert (world.at(DUE + 2100 + REAP_GRACE), world.there) == ({"head": 1, "delete": 1}, {})

    def test_corrected_store_clock_allows_the_delete_at_the_next_retry(self, world: World) -> None:
        world.move()
        world.bucket.clock_offset = -2000.0
        world.at(DUE)
        world.bucket.clock_offset = 0.0
        assert (world.at(DUE + REAP_GRACE), world.there) == ({"head": 1, "delete": 1}, {})

    def test_fast_store_clock_does_not_delete_early(self, world: World) -> None:
        world.move()
        world.bucket.clock_offset = 2000.0
        assert (world.at(DUE - 1), world.there) == (Counter(), {NAME: b"data"})
        assert (world.at(DUE), world.there) == ({"head": 1, "delete": 1}, {})


class TestKeptCopies:
    def test_without_propagate_expiration_the_copy_is_kept(self, tmp_path: Path) -> None:
        world = World(tmp_path, propagate_expiration=False)
        world.move()
        assert world.noted == []
        world.node.edit(**OPTIONS)
        assert (world.at(DUE), world.there) == (Counter(), {NAME: b"data"})

    def test_remote_delete_after_replaces_the_expiry_pass(self, tmp_path: Path) -> None:
        world = World(tmp_path, remote_delete_after=86400)
        world.move()
        assert world.noted == []
        assert set(world.at(DUE)) <= {"set_expiry_rule"}  # the bucket's own rule is looked at, nothing else

    def test_removed_option_keeps_the_copy_until_it_is_set_again(self, world: World) -> None:
        world.move()
        world.node.edit(**{**OPTIONS, "propagate_expiration": False})
        assert (world.at(DUE), world.there) == (Counter(), {NAME: b"data"})
        world.node.edit(**OPTIONS)
        world.at(DUE + 1)
        assert world.there == {}

    def test_object_without_expiry_is_not_noted(self, world: World) -> None:
        world.swift.put(NAME)
        world.node.settle()
        assert world.noted == []

    @pytest.mark.parametrize("delete_at", [DELETE_AT, str(int(DELETE_AT) + 1), None])
    def test_copy_of_another_version_is_kept(self, world: World, delete_at: str | None) -> None:
        world.move()
        marks = {} if delete_at is None else {"x_delete_at": delete_at}
        world.store(b"newer", swift_timestamp=world.swift.put("other").internal, **marks)
        world.node.settle()
        world.bucket.counts()
        assert (world.at(DUE), world.noted) == ({"head": 1}, [])
        assert world.there[NAME] == b"newer"

    def test_copy_with_a_later_expiry_mark_is_kept(self, world: World) -> None:
        world.move()
        info = world.bucket.inner.head_object(NAME)
        world.bucket.inner.post_object(NAME, info.meta.marked(x_delete_at="2000000000"))
        assert (world.at(DUE), world.noted) == ({"head": 1}, [])

    @pytest.mark.parametrize("propagate", [True, False])
    def test_client_delete_before_expiry_follows_propagate_delete(
        self, tmp_path: Path, propagate: bool
    ) -> None:
        """Before it expired: then it is for `propagate_delete`."""
        world = World(tmp_path, propagate_delete=propagate)
        world.move()
        world.swift.clock.sleep(5)
        world.swift.delete(NAME)
        world.at(DUE)
        assert world.there == ({} if propagate else {NAME: b"data"})
        assert world.noted == []

    @pytest.mark.parametrize("headers", [{}, {"x_delete_at": str(int(DELETE_AT) + 9)}])
    def test_copy_of_object_that_is_present_again_is_kept(
        self, world: World, headers: dict[str, str]
    ) -> None:
        world.move()
        world.node.edit(**OPTIONS, copy_after=10**6)
        world.swift.put(NAME, b"data", **headers)
        assert (world.at(DUE), world.noted) == ({"head": 1}, [])
        assert world.there == {NAME: b"data"}

    def test_copy_is_kept_while_the_newest_state_is_unknown(self, world: World) -> None:
        world.move()
        world.swift.lost.add(NAME)
        assert "delete" not in world.at(DUE)
        assert world.there == {NAME: b"data"}
        assert world.node.crawl.outstanding.retrying == 1
        world.swift.lost.clear()
        world.at(DUE + RETRY_PAUSE)
        assert (world.there, world.node.crawl.outstanding.retrying) == ({}, 0)

    def test_copy_of_a_name_excluded_meanwhile_is_kept(self, world: World) -> None:
        world.move()
        world.node.edit(**OPTIONS, exclude=re.compile("o/"))
        assert (world.at(DUE), world.noted) == (Counter(), [])
        assert world.there == {NAME: b"data"}

    def test_missing_copy_ends_the_expiry_after_one_head(self, world: World) -> None:
        world.move()
        world.bucket.inner.delete_object(NAME)
        assert (world.at(DUE), world.noted) == ({"head": 1}, [])


@pytest.mark.parametrize("error", [RemoteUnavailable("down"), AccessDenied("no")])
@pytest.mark.parametrize("call", ["head", "delete"])
def test_failed_head_or_delete_is_retried_after_a_restart(world: World, call: str, error: Exception) -> None:
    world.move()
    world.bucket.before = lambda method, name: error if method == call and name == NAME else None
    world.swift.clock.time = START + DUE
    world.node.step()
    assert world.there == {NAME: b"data"}
    (entry,) = world.node.journal.expiries.entries(world.node.crawl.key)
    assert (entry.attempts, entry.detail) == (1, str(error))
    assert world.node.crawl.outstanding.retrying == 1
    world.node.restart()
    world.bucket.before = lambda method, name: None
    assert world.node.later(RETRY_PAUSE)
    assert (world.there, world.node.crawl.outstanding.retrying) == ({}, 0)


def test_outage_stops_the_expiry_pass_after_a_few_requests(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(50):
        world.swift.put(f"o{number}", x_delete_at=DELETE_AT)
    world.node.settle()
    world.node.restart(items_chunk=100)
    world.bucket.counts()
    world.bucket.before = lambda method, name: RemoteUnavailable("down")
    world.swift.clock.time = START + DUE
    with caplog.at_level(logging.ERROR):
        step = world.node.step()
        # two for each worker, and one that finds out whether the store answers at all
        assert world.bucket.counts()["head"] == 4 + 1
        assert (step.has_more, step.delay > 0) == (False, True)
        world.swift.clock.sleep(MAX_PAUSE)
        world.node.step()
    assert len([each for each in caplog.messages if "which has expired" in each]) <= 6
    world.bucket.before = lambda method, name: None
    world.node.later(MAX_PAUSE)
    assert (world.there, world.node.crawl.outstanding.retrying) == ({}, 0)


def test_single_run_retries_a_failed_expiry_once(world: World) -> None:
    world.move()
    world.bucket.before = lambda method, name: AccessDenied("no") if method == "delete" else None
    world.swift.clock.time = START + DUE
    world.node.step()
    world.node.restart(once=True)
    world.bucket.counts()
    world.node.step()
    world.node.step()
    assert world.bucket.counts()["delete"] == 1
    world.bucket.before = lambda method, name: None
    world.node.restart()
    world.node.step()
    assert world.there == {}


@pytest.mark.parametrize("moment", ["deletes", "deleted"])
@pytest.mark.parametrize("back", [False, True])
def test_crash_at_the_local_delete_still_deletes_the_copy_in_the_end(
    world: World, moment: str, back: bool
) -> None:
    """``back``: in time to go on with the move; else the object has expired meanwhile."""

    def crash(what: str, name: str) -> None:
        if what == moment:
            raise Crash

    world.swift.put(NAME, x_delete_at=DELETE_AT)
    world.swift.meanwhile = crash
    with pytest.raises(Crash):
        world.node.settle()
    world.swift.meanwhile = lambda what, name: None
    world.node.restart()
    if back:
        world.node.settle()
        assert world.swift.content() == {}
    world.at(DUE)
    if NAME in world.swift.content():
        assert world.there == {NAME: b"data"}
        world.swift.reap(NAME)
        world.at(DUE + REAP_GRACE)
    assert (world.there, world.noted) == ({}, [])


def test_object_returned_by_a_stale_replica_keeps_the_copy_until_reaped(world: World) -> None:
    """The version that was moved is offered again after all tombstones are forgotten: it expires, too."""
    world.swift.put(NAME, x_delete_at=DELETE_AT)
    old = world.swift.objects[NAME, 0]
    world.node.settle()
    world.swift.objects[NAME, 0] = Version(old.data, old.data_timestamp, old.timestamp, old.headers)
    world.at(DUE)
    assert world.there == {NAME: b"data"}
    world.swift.reap(NAME)
    world.at(DUE + REAP_GRACE)
    assert world.there == {}


def test_expiry_is_noted_before_the_local_delete(world: World) -> None:
    seen: list[tuple[str, list[str]]] = []
    look: Callable[[str, str], None] = lambda what, name: seen.append((what, world.noted))  # noqa: E731
    world.swift.meanwhile = look
    world.swift.put(NAME, x_delete_at=DELETE_AT)
    world.node.settle()
    assert ("deletes", [NAME]) in seen
