"""Open uploads over crashes: ours are ended, those of others are not touched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from s3_sync.errors import AccessDenied, RemoteUnavailable
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectMeta
from s3_sync.providers.base import OpenUpload
from s3_sync.providers.memory import MemoryBucket, MemoryProvider, MemoryUpload
from s3_sync.runtime.log_once import LogOnce
from s3_sync.state.journal import Journal
from s3_sync.sync.rows.upload_ledger import (
    BEGIN_TIME_TOLERANCE,
    LIST_INTERVAL,
    MAX_CONSECUTIVE_FAILURES,
    OPENING_TIMEOUT,
    ORPHAN_MIN_AGE,
    UploadLedger,
    abort_orphaned_uploads,
)
from unit.sync.cluster import FakeClock


class World:
    """A journal that outlives the ledgers over it, and a bucket."""

    def __init__(self, directory: Path, namer: KeyNamer) -> None:
        self.clock = FakeClock()
        self._path = str(directory / "journal")
        self.journal = Journal(self._path, lambda attempts: 1.0)
        self.provider = MemoryProvider(clock=self.clock.now)
        self.provider.create_bucket("b")
        self.bucket: MemoryBucket = self.provider.bucket("b", namer)
        self.opened = 0
        self.ledger = UploadLedger(self.journal, "m", self.clock.now)
        self.log_once = LogOnce()

    def restart(self) -> None:
        """Another process."""
        self.journal.close()
        self.journal = Journal(self._path, lambda attempts: 1.0)
        self.ledger = UploadLedger(self.journal, "m", self.clock.now)

    def begin(self, name: str = "o") -> str:
        begin = self.ledger.starting(name)
        upload_id = self.bucket.create_upload(name, ObjectMeta()).upload_id
        self.ledger.started(begin, name, upload_id)
        return upload_id

    def reap(self) -> None:
        abort_orphaned_uploads("label", self.ledger, self._open, self.log_once)

    def _open(self) -> MemoryBucket:
        self.opened += 1
        return self.bucket

    @property
    def uploads(self) -> set[str]:
        return {upload.upload_id for upload in self.bucket.list_uploads()}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, KeyNamer.literal("p/"))
    yield world
    world.journal.close()


def test_upload_left_by_a_crash_is_aborted_and_one_in_flight_is_not(world: World) -> None:
    world.begin("lost")
    world.restart()
    current = world.begin("current")
    world.reap()
    assert world.uploads == {current}
    world.ledger.finished(current)
    world.restart()
    assert world.ledger.orphans() == []


def test_second_ledger_of_the_same_process_aborts_nothing_in_flight(world: World) -> None:
    world.begin()
    world.ledger.starting("p")
    UploadLedger(world.journal, "m", world.clock.now).abort_orphans(world.bucket)
    assert len(world.uploads) == 1
    assert len(world.journal.uploads.beginning("m")) == 1


def test_empty_ledger_opens_no_bucket(world: World) -> None:
    world.reap()
    world.restart()
    world.reap()
    assert world.opened == 0


def test_unrecorded_upload_is_aborted_when_it_is_old_enough(world: World) -> None:
    world.reap()
    world.bucket.create_upload("forgotten", ObjectMeta())
    foreign = world.provider.bucket("b", KeyNamer.literal("q/")).create_upload("o", ObjectMeta())
    world.clock.sleep(ORPHAN_MIN_AGE)
    world.reap()
    assert len(world.uploads) == 1
    world.clock.sleep(LIST_INTERVAL - 1)
    world.reap()
    assert len(world.uploads) == 1
    world.clock.sleep(1)
    mine = world.begin()
    world.reap()
    assert world.uploads == {mine}
    assert foreign.upload_id in world.provider.store("b").uploads


def test_failed_daily_listing_is_logged_once_and_repeated(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world.reap()
    world.bucket.create_upload("forgotten", ObjectMeta())
    world.clock.sleep(ORPHAN_MIN_AGE + 1)

    def listing(name: str | None = None) -> Iterator[OpenUpload]:
        raise RemoteUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(world.bucket, "list_uploads", listing)
        world.reap()
        world.reap()
    assert [record.levelname for record in caplog.records] == ["WARNING"], "said once"
    world.reap()
    assert world.uploads == set()
    world.opened = 0
    world.reap()
    assert world.opened == 0


def test_without_a_prefix_only_recorded_uploads_are_aborted(tmp_path: Path) -> None:
    world = World(tmp_path, KeyNamer.literal(""))
    world.reap()
    world.bucket.create_upload("somebody's", ObjectMeta())
    world.begin("ours")
    world.restart()
    world.clock.sleep(2 * ORPHAN_MIN_AGE)
    world.reap()
    assert [upload.name for upload in world.bucket.list_uploads()] == ["somebody's"]
    world.journal.close()


def test_failed_abort_is_retried(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.begin()
    world.restart()

    def abort(upload: MemoryUpload) -> None:
        raise RemoteUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(MemoryUpload, "abort", abort)
        world.reap()
    assert len(world.uploads) == 1
    world.reap()
    assert world.uploads == set()


def test_failed_abort_does_not_prevent_other_aborts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.reap()
    bad = world.begin("bad")
    for number in range(10):
        world.begin(f"o{number}")
    world.ledger.starting("unknown")
    for name in ("unknown", "forgotten"):
        world.bucket.create_upload(name, ObjectMeta())
    world.restart()
    world.clock.sleep(ORPHAN_MIN_AGE + 1)
    abort, listing = MemoryUpload.abort, world.bucket.list_uploads

    def refuse(upload: MemoryUpload) -> None:
        if upload.upload_id == bad:
            raise AccessDenied("not this one")
        abort(upload)

    def unknown(name: str | None = None) -> Iterator[OpenUpload]:
        if name == "unknown":
            raise RemoteUnavailable("not a listing")
        return listing(name)

    with monkeypatch.context() as patched:
        patched.setattr(MemoryUpload, "abort", refuse)
        patched.setattr(world.bucket, "list_uploads", unknown)
        world.reap()
        assert world.uploads == {bad}
    world.reap()
    assert world.uploads == set()
    assert not world.ledger.has_work()


def test_aborts_stop_after_several_consecutive_failures(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        world.begin(f"o{number}")
    world.restart()
    asked: list[str] = []

    def away(upload: MemoryUpload) -> None:
        asked.append(upload.name)
        raise RemoteUnavailable("away")

    monkeypatch.setattr(MemoryUpload, "abort", away)
    world.reap()
    assert len(asked) == MAX_CONSECUTIVE_FAILURES


@pytest.mark.parametrize("killed", [True, False])
def test_upload_that_may_be_completing_is_aborted_only_after_an_hour(world: World, killed: bool) -> None:
    upload_id = world.begin("o")
    world.ledger.completing(upload_id)
    if killed:
        world.restart()
    else:
        world.ledger.outcome_unknown(upload_id)
    world.ledger.starting("o")  # and the next try, of which nothing more is known
    lost = world.begin("lost")
    world.ledger.outcome_unknown(lost)
    world.reap()
    assert world.uploads == {upload_id}
    world.clock.sleep(BEGIN_TIME_TOLERANCE + 1)
    world.reap()
    assert world.uploads == set()
    assert not world.ledger.has_work()


class TestUploadsWithoutAnId:
    """A crash, or a lost answer, between the request for an upload and the note of its id."""

    def test_upload_begun_at_the_recorded_time_is_aborted(self, world: World) -> None:
        before = world.bucket.create_upload("o", ObjectMeta()).upload_id
        world.clock.sleep(BEGIN_TIME_TOLERANCE + 1)
        world.ledger.starting("o")
        world.clock.sleep(5)
        world.bucket.create_upload("o", ObjectMeta())
        other = world.bucket.create_upload("o/2", ObjectMeta()).upload_id
        world.restart()
        world.reap()
        assert world.uploads == {before, other}
        assert not world.ledger.has_work()

    def test_upload_with_a_known_id_is_left_alone(self, world: World) -> None:
        current = world.begin("o")
        assert not world.journal.uploads.beginning("m")
        world.ledger.start_failed(world.ledger.starting("p"))
        world.ledger.starting("q")
        world.reap()
        assert world.uploads == {current}

    def test_lost_upload_is_aborted_though_its_name_has_a_newer_one(self, world: World) -> None:
        world.ledger.starting("o")
        world.bucket.create_upload("o", ObjectMeta())
        current = world.begin("o")
        world.ledger.finished(world.begin("o/2"))
        world.clock.sleep(OPENING_TIMEOUT)
        world.reap()
        assert current in world.uploads
        assert len(world.uploads) == 2  # o/2 is open as far as the store knows
        assert not world.journal.uploads.beginning("m")

    def test_without_a_prefix_the_lost_upload_is_aborted(self, tmp_path: Path) -> None:
        world = World(tmp_path, KeyNamer.literal(""))
        world.ledger.starting("o")
        world.bucket.create_upload("o", ObjectMeta())
        somebodys = world.bucket.create_upload("p", ObjectMeta()).upload_id
        world.restart()
        world.reap()
        assert world.uploads == {somebodys}
        world.journal.close()

    def test_upload_that_is_just_beginning_is_aborted_only_after_the_timeout(self, world: World) -> None:
        """Large objects have a lane of their own: some are begun while leftovers are looked for."""
        begin = world.ledger.starting("o")
        upload_id = world.bucket.create_upload("o", ObjectMeta()).upload_id
        world.reap()
        assert world.uploads == {upload_id}
        assert [number for number, _, _ in world.journal.uploads.beginning("m")] == [begin]
        world.clock.sleep(OPENING_TIMEOUT)
        world.reap()
        assert world.uploads == set()

    def test_failed_listing_of_a_lost_upload_is_retried(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.ledger.starting("o")
        world.bucket.create_upload("o", ObjectMeta())
        world.clock.sleep(OPENING_TIMEOUT)

        def listing(name: str | None = None) -> Iterator[OpenUpload]:
            raise RemoteUnavailable("away")

        with monkeypatch.context() as patched:
            patched.setattr(world.bucket, "list_uploads", listing)
            world.reap()
        assert len(world.uploads) == 1
        world.reap()
        assert world.uploads == set()

    def test_uploads_that_hide_one_another_are_all_aborted(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As those with odd names do in Swift's S3 API: only the first of them can be listed."""
        for name in [f"o\x07{number}" for number in reversed(range(MAX_CONSECUTIVE_FAILURES + 2))]:
            world.ledger.starting(name)
            world.bucket.create_upload(name, ObjectMeta())
        world.clock.sleep(OPENING_TIMEOUT)
        every = world.bucket.list_uploads

        def listing(name: str | None = None) -> Iterator[OpenUpload]:
            if name and name > min(upload.name for upload in every()):
                raise RemoteUnavailable("hidden", status=500)
            return every(name)

        monkeypatch.setattr(world.bucket, "list_uploads", listing)
        world.reap()
        assert list(every()) == []


def test_written_manifest_is_remembered_after_a_restart(world: World) -> None:
    assert not world.ledger.may_hold_manifests()
    world.ledger.manifest_written()
    world.restart()
    assert world.ledger.may_hold_manifests()
    assert not UploadLedger(world.journal, "another", world.clock.now).may_hold_manifests()
