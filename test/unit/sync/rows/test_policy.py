"""Deletes need proof; conditions, delays and stale replicas."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from s3_sync.config.criteria import compile_criteria
from s3_sync.model.outcomes import Kind, Outcome
from s3_sync.model.rows import Row
from s3_sync.model.timestamps import Timestamp
from s3_sync.sync.rows.remote_state import Presumption, RemoteState
from unit.sync.cluster import START
from unit.sync.fake_node import NAMER
from unit.sync.one_object_world import NAME, World, reasons

ABSENT, NEW, UNKNOWN = Presumption.ABSENT, Presumption.PROBABLY_ABSENT, Presumption.UNKNOWN


class TestDeletes:
    """Nothing leaves the bucket without proof."""

    def start(self, **profile: Any) -> World:
        world = World(**profile)
        world.swift.put(NAME)
        world.later()
        world.handle()
        assert world.stored == b"data"
        return world

    def refused(self, world: World, row: Row, kind: Kind, reason: str, view: RemoteState = UNKNOWN) -> None:
        outcome = world.handle(row, view)
        assert (outcome.kind, outcome.reason) == (kind, reason)
        assert "delete" not in world.costs
        assert world.stored == b"data"

    @pytest.mark.parametrize("view", ["probably_absent", "unknown", "listed"])
    def test_proven_delete_deletes_the_copy(self, view: str) -> None:
        world = self.start()
        world.swift.delete(NAME)
        assert world.handle(view=world.view(view)) == Outcome(Kind.DELETED)
        assert world.stored is None

    def test_delete_row_with_an_offset_keeps_the_copy(self) -> None:
        world = self.start()
        world.swift.delete(NAME, offset=2)
        self.refused(world, world.swift.row(NAME), Kind.SKIPPED, "own_tombstone")
        assert world.swift.heads == []

    def test_tombstone_with_an_offset_behind_a_plain_row_keeps_the_copy(self) -> None:
        world = self.start()
        world.swift.delete(NAME)
        row = world.swift.row(NAME)
        world.swift.delete(NAME, offset=1)
        self.refused(world, row, Kind.SKIPPED, "own_tombstone")

    def test_delete_without_propagate_delete_keeps_the_copy(self) -> None:
        world = self.start(propagate_delete=False)
        world.swift.delete(NAME)
        self.refused(world, world.swift.row(NAME), Kind.SKIPPED, "delete_not_propagated")

    def test_delete_with_a_newer_object_in_another_policy_keeps_the_copy(self) -> None:
        world = self.start()
        world.swift.delete(NAME)
        row = world.swift.row(NAME)
        world.swift.put(NAME, policy=1)
        self.refused(world, row, Kind.SKIPPED, "superseded")

    def test_delete_with_an_older_object_in_another_policy_is_propagated(self) -> None:
        world = self.start()
        world.swift.put(NAME, policy=1)
        world.swift.delete(NAME)
        assert world.handle() == Outcome(Kind.DELETED)

    def test_delete_unknown_to_the_object_servers_is_pending(self) -> None:
        world = self.start()
        before = dict(world.swift.objects)
        world.swift.delete(NAME)
        row = world.swift.row(NAME)
        world.swift.objects = before
        self.refused(world, row, Kind.PENDING, "local_unavailable")

    def test_delete_with_too_few_answers_is_pending(self) -> None:
        world = self.start()
        world.swift.delete(NAME)
        world.swift.lost.add(NAME)
        self.refused(world, world.swift.row(NAME), Kind.PENDING, "local_unavailable")

    def test_delete_older_than_the_copy_is_pending_as_local_behind(self) -> None:
        """As after the replicas that knew of it have been lost: what is left is the delete before it."""
        world = self.start()
        world.swift.delete(NAME)
        row = world.swift.row(NAME)
        world.store(b"data", swift_timestamp=row.timestamp.after().internal)
        self.refused(world, row, Kind.PENDING, "local_behind")
        # a POST came before it, by a server whose clock was ahead
        later = replace(row, timestamp=row.timestamp.after())
        assert world.handle(later) == Outcome(Kind.DELETED)

    @pytest.mark.parametrize("moves", [True, False])
    def test_delete_older_than_the_listed_copy_is_pending_as_local_behind(self, moves: bool) -> None:
        """A node comes back after the others have forgotten what came after this delete."""
        world = World(retain_local=not moves)
        world.swift.delete(NAME)
        row = world.swift.row(NAME)
        world.later()
        world.store(b"data", swift_timestamp=Timestamp.from_seconds(world.swift.clock.now()).internal)
        self.refused(world, row, Kind.PENDING, "local_behind", world.view("listed"))

    def test_delete_newer_than_the_listed_copy_costs_one_request(self) -> None:
        world = self.start()
        world.later()
        world.swift.delete(NAME)
        assert world.handle(view=world.view("listed")) == Outcome(Kind.DELETED)
        assert world.costs == {"delete": 1}

    def test_delete_without_any_tombstone_fails_as_unproven(self) -> None:
        world = self.start()
        world.swift.delete(NAME)
        row = world.swift.row(NAME)
        world.swift.objects.clear()
        self.refused(world, row, Kind.FAILED, "delete_unproven")

    def test_delete_without_tombstone_or_copy_is_present(self) -> None:
        world = World()
        world.swift.delete(NAME)
        row = world.swift.row(NAME)
        world.swift.objects.clear()
        assert world.handle(row) == Outcome(Kind.PRESENT)

    def test_delete_of_a_copy_deletes_its_stored_manifest(self) -> None:
        world = self.start()
        key = NAMER.manifest_key(NAME)
        objects = world.bucket.provider.store("bucket").objects
        objects[key] = next(iter(objects.values()))
        world.swift.delete(NAME)
        world.handle()
        assert objects == {}


class TestPolicy:
    def test_excluded_puts_and_deletes_are_skipped(self) -> None:
        world = World(exclude=re.compile("^o"))
        world.swift.put(NAME)
        assert world.handle(view=ABSENT) == Outcome(Kind.SKIPPED, "excluded")
        world.store(b"x")
        world.swift.delete(NAME)
        assert world.handle() == Outcome(Kind.SKIPPED, "excluded")
        assert (world.costs, world.stored) == (Counter(), b"x")

    def test_exclude_is_matched_at_the_start_of_the_name_only(self) -> None:
        world = World(exclude=re.compile("ü"))
        world.swift.put(NAME)
        assert world.handle(view=ABSENT).kind is Kind.COPIED

    @pytest.mark.parametrize("view", ["absent", "probably_absent", "unknown", "listed"])
    def test_object_is_copied_only_while_it_meets_the_condition(self, view: str) -> None:
        criteria = compile_criteria({"x-object-meta-keep": "YES"}, "")
        world = World(criteria=criteria)
        world.swift.put(NAME, x_object_meta_keep="no")
        assert world.handle(view=world.view(view)) == Outcome(Kind.SKIPPED, "condition")
        assert world.stored is None
        world.swift.post(NAME, x_object_meta_keep="yes")
        assert world.handle(view=NEW).kind is Kind.COPIED

    def test_object_is_not_due_before_copy_after_has_passed(self) -> None:
        world = World(copy_after=60)
        world.swift.put(NAME)
        row = world.swift.row(NAME)
        for seconds in (0.0, 59.0, 1.0):
            world.later(seconds)
            assert world.handle(row, ABSENT) == Outcome(Kind.PENDING, "not_due")
        world.later(0.001)
        assert world.handle(row, ABSENT).kind is Kind.COPIED
        assert world.handler.next_due(row) == START + 60

    def test_copy_after_counts_from_the_last_post(self) -> None:
        world = World(copy_after=60)
        world.swift.put(NAME)
        world.later(50)
        world.swift.post(NAME)
        world.later(59)
        assert world.handle().reason == "not_due"

    def test_delete_does_not_wait_for_copy_after(self) -> None:
        world = World(copy_after=60)
        world.store(b"x")
        world.swift.delete(NAME)
        assert world.handle() == Outcome(Kind.DELETED)

    def test_due_row_of_a_version_overwritten_since_is_superseded(self) -> None:
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

    def test_object_with_a_timestamp_in_the_future_is_copied_at_once(self) -> None:
        world = World()
        world.later(1200)
        world.swift.put(NAME)
        world.later(-1200)
        assert world.handle(view=ABSENT).kind is Kind.COPIED


class TestStaleReplicas:
    def test_stale_replica_is_not_copied_over_a_newer_copy(self) -> None:
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
        world.handle(row, ABSENT)
        assert world.stored == b"new"

    def test_replica_with_older_metadata_than_the_row_is_not_copied(self) -> None:
        world = World()
        world.swift.put(NAME, b"x", x_object_meta_a="1")
        old = world.swift.objects[NAME, 0]
        world.swift.post(NAME, x_object_meta_a="2")
        row = world.swift.row(NAME)
        world.swift.objects[NAME, 0] = old
        assert reasons(world.handle(row, ABSENT)) == ("pending", "local_unavailable")
        assert world.stored is None

    def test_post_between_head_and_read_leaves_the_row_pending(self) -> None:
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
        assert head(NAME).meta.swift_timestamp is not None

    def test_copy_newer_than_every_replica_is_not_overwritten(self) -> None:
        world = World()
        stamp = world.swift.put(NAME, b"x")
        world.store(b"y", swift_timestamp=stamp.after().internal)
        assert reasons(world.handle()) == ("pending", "local_behind")
        assert world.stored == b"y"
