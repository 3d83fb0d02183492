"""Moving one object: what is done, in which order, and what keeps the local object where it is."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from s3_sync.config.criteria import compile_criteria
from s3_sync.errors import AccessDenied, Archived, NotFound, RemoteUnavailable
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.model.outcomes import Kind, Outcome
from s3_sync.model.rows import Row
from s3_sync.streams.reader import BytesBody
from s3_sync.sync.rows.handler import RowHandler
from s3_sync.sync.rows.remote_state import ListedState, Presumption, RemoteState
from s3_sync.transfer.upload_session import TransferContext
from unit.sync.cluster import Swift, Version, local_objects
from unit.sync.fake_node import NAMER, mapping
from unit.sync.store import WatchedBucket
from unit.transfer.segments import FakeLedger

NAME = "o/ü"
ABSENT, NEW, UNKNOWN = Presumption.ABSENT, Presumption.PROBABLY_ABSENT, Presumption.UNKNOWN


class World:
    """One name in Swift and in the bucket, and a mapping that moves."""

    def __init__(self, conditional: bool = True, **profile: Any) -> None:
        self.swift = Swift()
        self.bucket = WatchedBucket(NAMER, self.swift.clock.now, conditional=conditional)
        self.sent: list[int] = []
        self.handler = RowHandler(
            mapping(retain_local=False, **profile),
            TransferContext(self.bucket, self.sent.append, ledger=FakeLedger()),
            local_objects(self.swift),
            self.swift.clock.now,
        )

    def handle(self, row: Row | None = None, view: RemoteState = UNKNOWN) -> Outcome:
        self.bucket.calls.clear()
        self.sent.clear()
        return self.handler.handle(row or self.swift.row(NAME), view)

    def store(self, data: bytes, **marks: str) -> None:
        meta = ObjectMeta({"content-type": "text/plain"}).marked(**marks)
        self.bucket.inner.put_object(NAME, BytesBody(data), PutOptions(len(data), meta))

    def corrupt(self) -> None:
        """Other bytes than were sent."""
        objects = self.bucket.provider.store("bucket").objects
        [key] = objects
        objects[key] = replace(objects[key], data=b"rot")

    @property
    def costs(self) -> Counter[str]:
        return Counter(method for method, _ in self.bucket.calls)

    @property
    def here(self) -> bytes | None:
        return self.swift.content().get(NAME)

    @property
    def there(self) -> bytes | None:
        return self.bucket.content().get(NAME)


def reasons(outcome: Outcome) -> tuple[str, str]:
    return outcome.kind.value, outcome.reason


class TestMove:
    @pytest.mark.parametrize("conditional", [True, False])
    @pytest.mark.parametrize("view", [ABSENT, NEW, UNKNOWN, ListedState(None)])
    def test_new_object_is_copied_proved_by_head_and_then_released(
        self, view: RemoteState, conditional: bool
    ) -> None:
        world = World(conditional)
        stamp = world.swift.put(NAME, b"12345", x_object_meta_a="b")
        assert world.handle(view=view) == Outcome(Kind.COPIED, size=5)
        assert (world.here, world.there) == (None, b"12345")
        assert world.bucket.metadata(NAME) == {"a": "b"}
        # the copy is proved by a look that is not the answer to the upload
        assert world.bucket.calls[-2:] == [("put", NAME), ("head", NAME)]
        assert world.swift.row(NAME).deleted
        assert world.swift.row(NAME).data_timestamp == stamp.after()

    def test_tombstone_of_a_move_is_skipped_and_keeps_the_copy(self) -> None:
        world = World(propagate_delete=True)
        world.swift.put(NAME, b"x")
        world.handle()
        for view in (ABSENT, NEW, UNKNOWN, ListedState(None)):
            assert world.handle(view=view) == Outcome(Kind.SKIPPED, "own_tombstone")
            assert world.costs == Counter()
        assert world.there == b"x"

    def test_tombstone_of_a_move_after_a_post_is_skipped_and_keeps_the_copy(self) -> None:
        world = World(propagate_delete=True)
        world.swift.put(NAME, b"x")
        world.swift.post(NAME, x_object_meta_a="b")
        world.handle()
        row = world.swift.row(NAME)
        assert row.timestamp.offset == 0  # the POST's, which alone looks like a client's
        assert world.handle(row) == Outcome(Kind.SKIPPED, "own_tombstone")
        assert world.there == b"x"

    @pytest.mark.parametrize("propagate", [True, False])
    def test_client_delete_of_moved_object_deletes_copy_only_if_propagated(self, propagate: bool) -> None:
        world = World(propagate_delete=propagate)
        world.swift.put(NAME, b"x")
        world.handle()
        world.swift.delete(NAME)
        expected = Outcome(Kind.DELETED) if propagate else Outcome(Kind.SKIPPED, "delete_not_propagated")
        assert world.handle() == expected
        assert world.there == (None if propagate else b"x")

    def test_object_with_current_copy_is_released_after_a_single_head(self) -> None:
        world = World()
        world.swift.put(NAME, b"x")
        world.store(b"x", swift_timestamp=world.swift.row(NAME).timestamp.internal)
        assert world.handle() == Outcome(Kind.PRESENT)
        assert world.costs == {"head": 1}
        assert world.here is None

    @pytest.mark.parametrize("conditional", [True, False])
    @pytest.mark.parametrize("view", [ABSENT, NEW, UNKNOWN])
    def test_restored_object_is_moved_again_without_upload(
        self, view: RemoteState, conditional: bool
    ) -> None:
        world = World(conditional)
        world.swift.put(NAME, b"x", x_object_meta_a="b")
        world.handle()
        world.swift.put(NAME, b"x", x_object_meta_a="b")
        assert world.handle(view=view) == Outcome(Kind.UPDATED)
        assert (world.costs, world.sent) == ({"head": 2, "post": 1}, [])
        assert (world.here, world.there) == (None, b"x")

    def test_same_bytes_with_newer_timestamp_update_the_mark_of_the_copy(self) -> None:
        """Nothing else will tell later that a delete of a time before it is an older one."""
        world = World()
        before = world.swift.put(NAME, b"x")
        world.store(b"x", swift_timestamp=before.internal)
        now = world.swift.put(NAME, b"x")
        assert world.handle() == Outcome(Kind.UPDATED)
        meta = world.bucket.inner.head_object(NAME).meta
        assert (world.here, meta.swift_timestamp) == (None, now)

    def test_object_stays_if_the_store_does_not_show_the_new_mark(self) -> None:
        world = World()
        before = world.swift.put(NAME, b"x")
        world.store(b"x", swift_timestamp=before.internal)
        world.swift.put(NAME, b"x")
        world.bucket.post_object = lambda *arguments: None  # type: ignore[method-assign]
        assert reasons(world.handle()) == ("pending", "copy_unproven")
        assert world.here == b"x"

    def test_changed_metadata_is_posted_and_proved_before_the_release(self) -> None:
        world = World()
        world.swift.put(NAME, b"x")
        world.handle()
        world.swift.put(NAME, b"x", x_object_meta_a="b")
        assert world.handle() == Outcome(Kind.UPDATED)
        assert [method for method, _ in world.bucket.calls] == ["head", "post", "head"]
        assert world.bucket.metadata(NAME) == {"a": "b"}
        assert world.here is None

    def test_changed_metadata_of_an_archived_copy_is_sent_with_its_bytes(self) -> None:
        world = World()
        world.swift.put(NAME, b"x")
        world.handle()
        world.bucket.before = lambda method, name: Archived("cold") if method == "post" else None
        world.swift.put(NAME, b"x", x_object_meta_a="b")
        assert world.handle().kind is Kind.COPIED
        assert world.bucket.metadata(NAME) == {"a": "b"}
        assert world.here is None

    def test_moved_object_keeps_its_expiry_as_a_mark_of_the_copy(self) -> None:
        world = World()
        world.swift.put(NAME, b"x", x_delete_at="2000000000")
        world.handle()
        meta = world.bucket.inner.head_object(NAME).meta
        assert meta.marks["x-delete-at"] == "2000000000"
        assert world.here is None


class TestReleaseRefused:
    """Everything for which the local object stays where it is."""

    def test_object_that_is_not_due_stays_until_copy_after_has_passed(self) -> None:
        world = World(copy_after=60)
        world.swift.put(NAME)
        assert world.handle(view=ABSENT) == Outcome(Kind.PENDING, "not_due")
        assert (world.here, world.costs) == (b"data", Counter())
        world.swift.clock.sleep(61)
        assert world.handle(view=ABSENT).kind is Kind.COPIED
        assert world.here is None

    def test_excluded_object_stays(self) -> None:
        world = World(exclude=re.compile("o/"))
        world.swift.put(NAME)
        assert world.handle() == Outcome(Kind.SKIPPED, "excluded")
        assert world.here == b"data"

    @pytest.mark.parametrize("kind", ["plain", "symlink"])
    def test_object_that_fails_the_condition_stays_without_a_copy(self, kind: str) -> None:
        world = World(criteria=compile_criteria({"x-object-meta-move": "yes"}, ""))
        world.swift.put(NAME)
        world.swift.objects[NAME, 0] = replace(world.swift.objects[NAME, 0], kind=kind)
        assert world.handle() == Outcome(Kind.SKIPPED, "condition")
        assert world.here == b"data"
        assert world.there is None

    def test_symlink_fails_and_stays(self) -> None:
        world = World()
        world.swift.put(NAME, b"target")
        plain = world.swift.objects[NAME, 0]

        class Link(Version):
            def info(self, name: str, to_links: bool = False) -> Any:
                return plain.info(name)

        world.swift.objects[NAME, 0] = Link(
            plain.data, plain.data_timestamp, plain.timestamp, plain.headers, "symlink"
        )
        assert reasons(world.handle()) == ("failed", "symlink")
        assert (world.here, world.there) == (b"target", None)

    @pytest.mark.parametrize(
        "header",
        [
            "x-robots-tag",
            "x-object-sysmeta-s3api-acl",
            "x-object-meta-swift-timestamp",
            "x-object-meta-swift=5ftimestamp",
            "x-object-meta-x-delete-at",
        ],
    )
    def test_object_with_metadata_that_no_copy_carries_fails_and_stays(self, header: str) -> None:
        world = World()
        world.swift.put(NAME, b"x", **{header: "noindex"})
        outcome = world.handle()
        assert reasons(outcome) == ("failed", "metadata_not_copied")
        assert header in outcome.detail
        assert (world.here, world.there) == (b"x", None)

    def test_expired_object_is_skipped_and_not_copied(self) -> None:
        world = World()
        world.swift.put(NAME, b"x", x_delete_at="1700000001")
        world.swift.clock.sleep(10)
        assert world.handle() == Outcome(Kind.SKIPPED, "vanished")
        assert (world.here, world.there) == (b"x", None)

    def test_copy_missing_at_the_proof_leaves_the_object_pending(self) -> None:
        world = World()
        world.swift.put(NAME, b"x")
        looks: list[str] = []

        def vanish(method: str, name: str) -> Exception | None:
            looks.append(method)
            return NotFound("gone") if looks[-2:] == ["put", "head"] else None

        world.bucket.before = vanish
        assert reasons(world.handle()) == ("pending", "copy_unproven")
        assert world.here == b"x"

    def test_copy_changed_before_the_proof_leaves_the_object_until_the_retry(self) -> None:
        world = World()
        world.swift.put(NAME, b"x")

        def rot(method: str, name: str) -> None:
            if method == "put":
                world.corrupt()

        world.bucket.after = rot
        assert reasons(world.handle()) == ("pending", "copy_unproven")
        assert world.here == b"x"
        world.bucket.after = lambda method, name: None
        assert world.handle().kind is Kind.COPIED
        assert (world.here, world.there) == (None, b"x")

    def test_store_that_drops_metadata_leaves_the_object_pending(self) -> None:
        """As at a store that does not keep some header: the object is never released there."""
        world = World()
        world.swift.put(NAME, b"x", content_language="de")
        put = world.bucket.inner.put_object

        def forgetful(name: str, body: Any, options: PutOptions) -> Any:
            headers = {key: options.meta.headers[key] for key in ("content-type",)}
            return put(name, body, replace(options, meta=replace(options.meta, headers=headers)))

        world.bucket.inner.put_object = forgetful  # type: ignore[method-assign]
        assert reasons(world.handle()) == ("pending", "copy_unproven")
        assert world.here == b"x"

    def test_store_that_hyphenates_metadata_is_told_by_the_property_to_set(self) -> None:
        world = World()
        world.swift.put(NAME, b"x", **{"x_object_meta_foo=5fbar": "1"})
        put = world.bucket.inner.put_object

        def hyphenating(name: str, body: Any, options: PutOptions) -> Any:
            meta = replace(options.meta, user={"foo-bar": "1"})
            return put(name, body, replace(options, meta=meta))

        world.bucket.inner.put_object = hyphenating  # type: ignore[method-assign]
        outcome = world.handle()
        assert reasons(outcome) == ("pending", "copy_unproven")
        assert "keeps_underscores" in outcome.detail

    @pytest.mark.parametrize("error", [RemoteUnavailable("x"), AccessDenied("x")])
    @pytest.mark.parametrize("call", ["put", "head"])
    def test_failed_put_or_head_leaves_the_object_pending(self, call: str, error: Exception) -> None:
        world = World()
        world.swift.put(NAME, b"x")
        world.bucket.before = lambda method, name: error if method == call else None
        assert world.handle(view=ABSENT).kind is Kind.PENDING
        assert world.here == b"x"

    def test_copy_newer_than_every_replica_is_not_overwritten(self) -> None:
        world = World()
        stamp = world.swift.put(NAME, b"old")
        world.store(b"archived", swift_timestamp=stamp.after().internal)
        for view in (ABSENT, NEW, UNKNOWN):
            assert reasons(world.handle(view=view)) == ("pending", "local_behind")
        assert (world.here, world.there) == (b"old", b"archived")

    def test_unknown_newest_state_sends_no_requests(self) -> None:
        world = World()
        world.swift.put(NAME, b"x")
        world.swift.lost.add(NAME)
        assert reasons(world.handle()) == ("pending", "local_unavailable")
        assert (world.there, world.costs) == (None, Counter())

    def test_newest_state_unknown_after_the_upload_prevents_the_release(self) -> None:
        world = World()
        world.swift.put(NAME, b"x")

        def lose(method: str, name: str) -> None:
            if method == "put":
                world.swift.lost.add(NAME)

        world.bucket.after = lose
        assert reasons(world.handle()) == ("pending", "local_unavailable")
        assert (world.here, world.there) == (b"x", b"x")


class TestOutdatedRows:
    def test_row_of_an_object_moved_meanwhile_is_superseded(self) -> None:
        world = World()
        world.swift.put(NAME, b"x")
        row = world.swift.row(NAME)
        world.handle()
        world.swift.stale[NAME] = Version(b"x", row.data_timestamp, row.timestamp, {})
        for view in (ABSENT, NEW, UNKNOWN):
            assert world.handle(row, view) == Outcome(Kind.SKIPPED, "superseded")
            assert world.costs == Counter()

    @pytest.mark.parametrize("change", ["put", "post"])
    def test_row_of_an_older_version_is_superseded_without_requests(self, change: str) -> None:
        """Another daemon may still be sending the old one, and would be the last to write."""
        world = World()
        world.swift.put(NAME, b"old")
        row = world.swift.row(NAME)
        world.swift.put(NAME, b"new") if change == "put" else world.swift.post(NAME, x_object_meta_a="b")
        assert world.handle(row) == Outcome(Kind.SKIPPED, "superseded")
        assert world.costs == Counter()
        assert world.handle().kind is Kind.COPIED

    @pytest.mark.parametrize("newer", ["present", "deleted", "moved"])
    def test_row_is_superseded_by_a_newer_state_in_another_policy(self, newer: str) -> None:
        """As after a container was made again in another policy while some servers were away."""
        world = World()
        world.swift.put(NAME, b"misplaced")
        row = world.swift.row(NAME)
        world.swift.put(NAME, b"x", policy=1)
        if newer == "deleted":
            world.swift.delete(NAME, policy=1)
        elif newer == "moved":
            world.handle(world.swift.row(NAME, 1))
        before = world.there
        assert world.handle(row) == Outcome(Kind.SKIPPED, "superseded")
        assert world.there == before

    def test_multipart_copy_is_proved_and_released_without_second_upload(self) -> None:
        world = World()
        world.swift.put(NAME, bytes(2500))
        assert world.handle() == Outcome(Kind.COPIED, size=2500)
        assert (world.here, world.there) == (None, bytes(2500))
        world.swift.put(NAME, bytes(2500))
        assert world.handle() == Outcome(Kind.UPDATED)
        assert (world.here, world.sent) == (None, [])
