"""One PUT or POST row, for everything that it may find here and there; and what it costs in requests."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from s3_sync.model.outcomes import PRESENT, Kind, Outcome
from s3_sync.model.timestamps import Timestamp
from s3_sync.sync.rows.remote_state import ListedState, Presumption, RemoteState
from unit.sync.cluster import Version
from unit.sync.one_object_world import NAME, World, reasons

ABSENT, NEW, UNKNOWN = Presumption.ABSENT, Presumption.PROBABLY_ABSENT, Presumption.UNKNOWN


VIEWS = ["absent", "probably_absent", "unknown", "listed"]


class TestRequestCosts:
    """A new object is one read and one PUT; what is there already costs nothing."""

    @pytest.mark.parametrize("view", ["absent", "probably_absent"])
    def test_new_object_costs_one_put(self, view: str) -> None:
        world = World()
        world.swift.put(NAME, b"12345", x_object_meta_colour="blü")
        outcome = world.handle(view=world.view(view))
        assert outcome == Outcome(Kind.COPIED, size=5)
        assert world.costs == {"put": 1}
        assert (world.swift.heads, world.swift.reads) == ([], [NAME])
        assert world.stored == b"12345"
        assert world.bucket.metadata(NAME) == {"colour": "blü"}
        assert sum(world.counted) == 5

    def test_object_missing_in_a_listing_costs_a_put_unless_it_was_deleted(self) -> None:
        """It may have been deleted since its row was written, so all replicas are asked."""
        world = World()
        world.swift.put(NAME)
        assert world.handle(view=ListedState(None)).kind is Kind.COPIED
        assert world.costs == {"put": 1}
        assert world.swift.heads == [NAME]
        world.bucket.inner.delete_object(NAME)
        row = world.swift.row(NAME)
        world.swift.stale[NAME] = world.swift.objects[NAME, 0]
        world.swift.delete(NAME)
        assert reasons(world.handle(row, ListedState(None))) == ("skipped", "superseded")
        assert world.stored is None

    def test_new_object_with_unknown_remote_state_costs_a_head_and_a_put(self) -> None:
        world = World()
        world.swift.put(NAME)
        assert world.handle().kind is Kind.COPIED
        assert world.costs == {"head": 1, "put": 1}

    def test_put_without_conditions_asks_all_replicas_first(self) -> None:
        world = World(conditional=False)
        world.swift.put(NAME)
        assert world.handle(view=NEW).kind is Kind.COPIED
        assert world.costs == {"put": 1}
        assert world.swift.heads == [NAME]

    def test_unchanged_listed_object_costs_nothing(self) -> None:
        world = World()
        world.swift.put(NAME)
        world.later()
        world.handle()
        assert world.handle(view=world.view("listed")) == Outcome(Kind.PRESENT)
        assert (world.costs, world.swift.heads, world.swift.reads) == (Counter(), [], [])

    def test_unchanged_object_with_unknown_remote_state_costs_one_head(self) -> None:
        world = World()
        world.swift.put(NAME)
        world.handle()
        assert world.handle() == Outcome(Kind.PRESENT)
        assert world.costs == {"head": 1}

    def test_posted_metadata_costs_a_head_and_a_post(self) -> None:
        world = World()
        world.swift.put(NAME)
        world.handle()
        world.later()
        world.swift.post(NAME, x_object_meta_colour="red")
        assert world.handle(view=NEW) == Outcome(Kind.UPDATED)
        assert world.costs == {"head": 1, "post": 1}
        assert world.bucket.metadata(NAME) == {"colour": "red"}

    def test_delete_costs_one_request(self) -> None:
        world = World()
        world.swift.put(NAME)
        world.handle()
        world.swift.delete(NAME)
        assert world.handle(view=NEW) == Outcome(Kind.DELETED)
        assert world.costs == {"delete": 1}
        assert world.stored is None

    def test_delete_sent_by_another_daemon_costs_one_head(self) -> None:
        world = World()
        world.swift.put(NAME)
        world.swift.delete(NAME)
        assert world.handle(view=UNKNOWN) == Outcome(Kind.PRESENT)
        assert world.costs == {"head": 1}
        assert world.swift.heads == []

    @pytest.mark.parametrize("view", [ABSENT, ListedState(None)])
    def test_delete_of_an_absent_copy_costs_nothing(self, view: RemoteState) -> None:
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
        # without conditions "absent" is only said where nothing is stored
        if conditional or view != "absent" or remote == "nothing"
    ],
)
def test_put_row_in_every_remote_state_has_the_expected_outcome(
    remote: str, view: str, conditional: bool
) -> None:
    world = World(conditional=conditional)
    prepare(world, remote)
    outcome = world.handle(view=world.view(view))
    blind = not conditional and view == "probably_absent"
    if remote == "newer" and not blind:
        assert reasons(outcome) == ("pending", "local_behind")
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
class TestOutdatedRows:
    def start(self, remote: bool) -> World:
        world = World()
        world.swift.put(NAME, b"one")
        world.later()
        if remote:
            world.handle()
        return world

    def test_row_of_an_overwritten_version_ends_with_the_newer_bytes(self, view: str, remote: bool) -> None:
        world = self.start(remote)
        row = world.swift.row(NAME)
        world.swift.put(NAME, b"two")
        if view == "listed" and remote:
            assert world.handle(row, world.view(view)).kind is Kind.PRESENT
            assert world.handle(view=NEW).kind is Kind.COPIED
        else:
            assert world.handle(row, world.view(view)).kind is Kind.COPIED
        assert world.stored == b"two"

    def test_row_of_a_deleted_version_leaves_the_delete_to_the_tombstone(
        self, view: str, remote: bool
    ) -> None:
        world = self.start(remote)
        row = world.swift.row(NAME)
        world.swift.delete(NAME)
        before = world.stored
        outcome = world.handle(row, world.view(view))
        assert outcome.settled
        assert world.stored == before  # the tombstone's own row deletes
        world.handle(view=NEW)
        assert world.stored is None

    def test_tombstone_of_an_object_put_again_changes_nothing(self, view: str, remote: bool) -> None:
        world = self.start(remote)
        world.swift.delete(NAME)
        tombstone = world.swift.row(NAME)
        world.swift.put(NAME, b"two")
        outcome = world.handle(tombstone, world.view(view))
        assert outcome.kind in (Kind.SKIPPED, Kind.PRESENT)
        assert not world.costs.keys() - {"head"}
        world.handle(view=NEW)
        assert world.stored == b"two"

    def test_row_of_an_object_on_no_server_is_pending_or_present(self, view: str, remote: bool) -> None:
        """Not deleted, as far as anybody remembers: it stays on record, whatever became of it."""
        world = self.start(remote)
        row = world.swift.row(NAME)
        before = world.stored
        world.swift.objects.clear()
        outcome = world.handle(row, world.view(view))
        assert reasons(outcome) in [("pending", "local_missing"), ("present", "")]
        assert world.stored == before

    def test_row_of_an_expired_object_is_skipped_as_vanished(self, view: str, remote: bool) -> None:
        world = self.start(remote)
        before = world.stored
        world.swift.put(NAME, b"two", x_delete_at=str(int(world.swift.clock.now()) + 5))
        row = world.swift.row(NAME)
        world.later(20)
        world.swift.stale[NAME] = Version(None, row.data_timestamp, row.timestamp)
        outcome = world.handle(row, world.view(view))
        assert reasons(outcome) == ("skipped", "vanished")
        assert world.stored == before


class TestAmbiguousListings:
    """A listing proves the version only if nothing about it can be told apart."""

    def start(self) -> World:
        world = World()
        world.swift.put(NAME, b"x", x_object_meta_a="1")
        world.later()
        world.handle()
        return world

    def test_rewrite_with_the_same_bytes_updates_the_metadata(self) -> None:
        world = self.start()
        view = world.view("listed")
        world.later()
        world.swift.put(NAME, b"x", x_object_meta_a="2")
        assert world.handle(view=view) == Outcome(Kind.UPDATED)
        assert world.bucket.metadata(NAME) == {"a": "2"}

    def test_rewrite_despite_a_fast_store_clock_updates_the_metadata(self) -> None:
        """By its date the copy of before is younger than the rewrite."""
        world = self.start()
        view = world.view("listed")
        assert isinstance(view, ListedState)
        assert view.info is not None
        world.later()
        world.swift.put(NAME, b"x", x_object_meta_a="2")
        later = replace(view.info, last_modified=view.info.last_modified + 600.0)
        assert world.handle(view=ListedState(later, clock_offset=601.0)) == Outcome(Kind.UPDATED)
        assert world.bucket.metadata(NAME) == {"a": "2"}

    def test_post_since_the_listing_updates_the_metadata(self) -> None:
        world = self.start()
        world.swift.post(NAME, x_object_meta_a="2")
        assert world.handle(view=world.view("listed")) == Outcome(Kind.UPDATED)

    def test_retry_without_an_etag_costs_a_head(self) -> None:
        world = self.start()
        view = world.view("listed")
        assert isinstance(view, ListedState)
        assert view.info is not None
        nothing_told = ListedState(replace(view.info, etag=""))
        row = replace(world.swift.row(NAME), etag="")
        world.handle(row, nothing_told)
        assert world.costs == {"head": 1}


class TestAgreement:
    """What a listing settles costs neither a request nor a thread."""

    def start(self, **profile: Any) -> World:
        world = World(**profile)
        world.swift.put(NAME, b"x")
        world.later()
        world.store(b"x")
        return world

    def test_agrees_with_listed_copy_is_what_handle_finds(self) -> None:
        world = self.start()
        row, view = world.swift.row(NAME), world.view("listed")
        assert world.handler.agrees(row, view)
        assert world.handle(row, view) == PRESENT
        assert not world.costs

    @pytest.mark.parametrize("view", [ListedState(None), Presumption.UNKNOWN, Presumption.ABSENT])
    def test_agrees_without_listed_copy_is_false(self, view: RemoteState) -> None:
        world = self.start()
        assert not world.handler.agrees(world.swift.row(NAME), view)

    @pytest.mark.parametrize(
        "profile",
        [{"exclude": re.compile("o/")}, {"copy_after": 3600}, {"retain_local": False}],
        ids=["excluded", "not due", "moved"],
    )
    def test_agrees_is_false_where_the_profile_wants_more(self, profile: dict[str, Any]) -> None:
        world = self.start(**profile)
        view = world.view("listed")
        assert not world.handler.agrees(world.swift.row(NAME), view)
        assert world.handle(view=view) != PRESENT or profile.get("retain_local") is False

    def test_agrees_with_a_deleted_row_is_false(self) -> None:
        world = self.start()
        view = world.view("listed")
        world.swift.delete(NAME)
        assert not world.handler.agrees(world.swift.row(NAME), view)

    def test_agrees_is_false_while_another_row_of_the_name_is_in_progress(self) -> None:
        world = self.start()
        row, view = world.swift.row(NAME), world.view("listed")
        with world.handler.names.hold(NAME):
            assert not world.handler.agrees(row, view)
        assert world.handler.names.claim(NAME)
        assert not world.handler.agrees(row, view)
