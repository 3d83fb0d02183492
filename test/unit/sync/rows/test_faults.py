"""Races, what a store cannot do, and every error at every call."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import replace

import pytest

from s3_sync.errors import (
    AccessDenied,
    Archived,
    BadDigest,
    InvalidRequest,
    LocalBehind,
    LocalChanged,
    LocalMissing,
    LocalUnavailable,
    NotFound,
    NotSupported,
    ObjectLocked,
    ObjectRefused,
    PreconditionFailed,
    RemoteUnavailable,
    StateError,
    SyncError,
    Throttled,
)
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.model.outcomes import Kind, Outcome
from s3_sync.streams.reader import BytesBody
from s3_sync.sync.rows.handler import outcome_of
from s3_sync.sync.rows.remote_state import Presumption
from unit.sync.one_object_world import NAME, World, reasons

ABSENT, NEW, UNKNOWN = Presumption.ABSENT, Presumption.PROBABLY_ABSENT, Presumption.UNKNOWN


class TestRaces:
    def test_foreign_write_between_head_and_put_is_overwritten(self) -> None:
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

    def test_foreign_write_before_every_put_leaves_the_row_pending(self) -> None:
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

    def test_copy_written_meanwhile_by_another_node_is_present(self) -> None:
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

    def test_lock_that_a_store_looks_at_before_the_condition_hides_no_equal_copy(self) -> None:
        """As R2's: what another node has just sent is locked for this one."""
        world = World()
        world.swift.put(NAME, b"ours")
        assert world.handle(view=NEW).kind is Kind.COPIED
        locked = ObjectLocked("locked by the bucket's policy")
        world.bucket.before = lambda method, name: locked if method == "put" else None
        assert world.handle(view=NEW) == Outcome(Kind.PRESENT)
        world.swift.put(NAME, b"another")
        assert reasons(world.handle(view=NEW)) == ("pending", "object_locked")
        assert world.stored == b"ours"

    def test_copy_deleted_before_the_post_is_copied_by_the_next_try(self) -> None:
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

    def test_put_waits_for_the_delete_of_the_same_name(self) -> None:
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


class TestLimitsOfTheStore:
    def test_name_that_is_too_long_fails_without_a_request(self) -> None:
        world = World()
        name = "n" * 1020
        world.swift.put(name)
        for view in (ABSENT, NEW, UNKNOWN):
            outcome = world.handle(world.swift.row(name), view)
            assert reasons(outcome) == ("failed", "name_too_long")
            assert world.costs == Counter()
        world.swift.delete(name)
        assert world.handle(world.swift.row(name)) == Outcome(Kind.PRESENT)
        assert world.costs == Counter()

    def test_object_that_is_too_large_fails_without_a_request(self) -> None:
        world = World()
        world.bucket.limits = replace(world.bucket.limits, max_put=5, max_part=5, min_part=1, max_parts=2)
        world.swift.put(NAME, bytes(11))
        assert reasons(world.handle(view=NEW)) == ("failed", "too_large")
        assert world.costs == Counter()

    @pytest.mark.parametrize("error", [Archived("cold"), NotSupported("no copies")])
    def test_refused_post_sends_the_metadata_with_the_bytes(self, error: SyncError) -> None:
        world = World()
        world.swift.put(NAME)
        world.handle()
        world.swift.post(NAME, x_object_meta_a="b")
        world.bucket.before = lambda method, name: error if method == "post" else None
        assert world.handle(view=NEW).kind is Kind.COPIED
        assert world.bucket.metadata(NAME) == {"a": "b"}

    def test_metadata_of_a_large_copy_is_updated_by_copying_parts(self) -> None:
        world = World()
        world.bucket.limits = replace(world.bucket.limits, max_copy=3)
        world.swift.put(NAME, b"four")
        world.handle()
        world.swift.post(NAME, x_object_meta_a="b")
        assert world.handle(view=NEW).kind is Kind.UPDATED
        assert world.costs == {"head": 1, "create": 1, "copy_part": 1, "complete": 1}
        assert world.bucket.metadata(NAME) == {"a": "b"}
        # its ETag is not the MD5 any more, and nothing is sent again for that
        assert world.handle(view=UNKNOWN) == Outcome(Kind.PRESENT)

    def test_metadata_is_sent_with_the_bytes_if_parts_cannot_be_copied(self) -> None:
        world = World()
        world.bucket.limits = replace(world.bucket.limits, max_copy=3)
        world.swift.put(NAME, b"four")
        world.handle()
        world.swift.post(NAME, x_object_meta_a="b")
        world.bucket.before = lambda method, name: NotSupported("no") if method == "copy_part" else None
        assert world.handle(view=NEW).kind is Kind.COPIED
        assert world.bucket.metadata(NAME) == {"a": "b"}
        assert world.bucket.unfinished() == 0

    def test_object_larger_than_one_put_is_sent_in_parts(self) -> None:
        world = World()
        world.swift.put(NAME, bytes(2500))
        assert world.handle(view=NEW) == Outcome(Kind.COPIED, size=2500)
        assert world.costs == {"create": 1, "part": 3, "complete": 1}
        assert world.stored == bytes(2500)
        assert world.handle() == Outcome(Kind.PRESENT)

    def test_multipart_upload_of_a_stale_replica_keeps_the_newer_copy(self) -> None:
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


OUTCOMES: list[tuple[SyncError, Kind, str]] = [
    (ObjectRefused("name_too_long", "x"), Kind.FAILED, "name_too_long"),
    (ObjectRefused("encrypted_no_key", "x"), Kind.FAILED, "encrypted_no_key"),
    (LocalMissing("x"), Kind.PENDING, "local_missing"),
    (LocalChanged("x"), Kind.PENDING, "local_changed"),
    (LocalUnavailable("x"), Kind.PENDING, "local_unavailable"),
    (LocalBehind("x"), Kind.PENDING, "local_behind"),
    (NotFound("x"), Kind.PENDING, "remote_not_found"),
    (AccessDenied("x"), Kind.PENDING, "remote_denied"),
    (PreconditionFailed("x"), Kind.PENDING, "remote_precondition"),
    (BadDigest("x"), Kind.PENDING, "bad_digest"),
    (Throttled("x"), Kind.PENDING, "remote_throttled"),
    (RemoteUnavailable("x"), Kind.PENDING, "remote_unavailable"),
    (NotSupported("x"), Kind.PENDING, "remote_not_supported"),
    (Archived("x"), Kind.PENDING, "remote_archived"),
    (ObjectLocked("x"), Kind.PENDING, "object_locked"),
    (InvalidRequest("x"), Kind.PENDING, "remote_refused"),
    (StateError("x"), Kind.PENDING, "state"),
]


@pytest.mark.parametrize(("error", "kind", "reason"), OUTCOMES)
def test_outcome_of_every_error_has_its_kind_and_reason(error: SyncError, kind: Kind, reason: str) -> None:
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
def test_error_at_any_call_is_pending_and_the_next_try_settles_it(
    call: str, error: Exception, when: str
) -> None:
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
    unsure = call == "complete" and isinstance(error, RemoteUnavailable | Throttled)
    assert len(world.ledger.doubtful) == unsure
    # a lost upload id can be found by a listing only
    if (when == "before" and not unsure) or call not in ("create", "complete"):
        assert world.bucket.unfinished() == 0
