"""What is deleted because it was deleted at the source, and above all what is not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from s3_sync.cluster.newest import Deleted, Present
from s3_sync.config.settings import Mapping, MigrationOptions
from s3_sync.errors import AccessDenied, NotFound, RemoteUnavailable
from s3_sync.migrate.deletes import Deletes
from s3_sync.model.migration import SOURCE
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import ListPage, ListQuery
from s3_sync.state.held_deletes import DELETE_BUDGET, SOURCE_EMPTY, HeldDeletes
from unit.migrate.world import World

AT = "1500000000.00000"
LATER = "1500000005.00000"


@dataclass(frozen=True)
class Entry:
    name: str
    last_modified: float = 1.5e9


def run(deletes: Deletes, *names: str) -> int:
    """One pass in which the source has not listed these names."""
    deletes.begin_pass()
    deleted = deletes.reconcile("here", [Entry(name) for name in names])
    deletes.end_pass()
    return deleted


def migrated(world: World, *names: str, at: str = AT) -> None:
    """Local objects as a migration writes them, and a source that lists another one."""
    world.source.put("there", "another")
    for name in names:
        world.local.put("here", name, at, owner=at)


def with_options(world: World, **options: Any) -> Mapping:
    return replace(world.mapping, migration=MigrationOptions(**options))


@pytest.mark.parametrize(
    ("at", "sent"),
    [
        ("1500000002.00000_0000000000000001", "1500000002.00000_0000000000000002"),
        ("1500000000.00000", "1500000000.00000_0000000000000001"),
    ],
)
def test_object_that_is_gone_at_the_source_is_deleted_right_after_its_own_time(
    world: World, at: str, sent: str
) -> None:
    migrated(world, "gone", at=at)
    assert run(world.new_deletes(), "gone") == 1
    assert world.local.stored["here"].objects["gone"] == Deleted(Timestamp.parse(sent))
    assert world.local.writes() == [("DELETE", "AUTH_here/here/gone")]


def test_metadata_that_the_migration_has_updated_does_not_make_the_object_a_clients(world: World) -> None:
    migrated(world)
    world.local.put("here", "updated", AT, owner=LATER, posted=LATER)
    assert run(world.new_deletes(), "updated") == 1
    assert world.local.stored["here"].objects["updated"] == Deleted(Timestamp.parse(f"{AT}_1"))


@pytest.mark.parametrize(
    ("owner", "posted", "expired"),
    [
        (None, AT, False),  # written by a client
        (None, LATER, False),  # changed by a client
        (AT, LATER, False),  # a mark that a client's copy has inherited
        (LATER, AT, False),
        ("nonsense", AT, False),
        (AT, AT, True),  # Swift itself is about to remove it
    ],
)
def test_object_of_a_client_stays_and_the_source_is_not_asked(
    world: World, owner: str | None, posted: str, expired: bool
) -> None:
    migrated(world)
    world.local.put("here", "name", AT, owner=owner, posted=posted, expired=expired)
    assert run(world.new_deletes(), "name") == 0
    assert world.local.writes() == []
    assert world.source.heads == []


def test_object_of_a_client_is_not_looked_at_again_while_its_time_stays(world: World) -> None:
    migrated(world)
    world.local.put("here", "name", AT)
    deletes = world.new_deletes()
    for _ in range(3):
        run(deletes, "name")
    assert world.local.asked == ["name"]
    migrated(world, "name")
    deletes.begin_pass()
    assert deletes.reconcile("here", [Entry("name", 1.6e9)]) == 1


def test_object_of_another_source_stays(world: World) -> None:
    migrated(world)
    digest = world.mapping.source_digest
    for name, source in (("ours", digest), ("theirs", "0" * 16)):
        world.local.put("here", name, AT, owner=AT, headers={SOURCE: source})
    assert run(world.new_deletes(), "ours", "theirs") == 1
    assert world.local.stored["here"].names == ["theirs"]
    other = replace(world.mapping, bucket="elsewhere")
    assert (other.source_digest != digest, with_options(world, prefix="p").source_digest == digest) == (
        True,
        True,
    )


def test_object_that_the_source_has_but_did_not_list_stays(world: World) -> None:
    migrated(world, "name")
    world.source.put("there", "name")
    assert run(world.new_deletes(), "name") == 0
    assert world.local.writes() == []


def test_object_that_is_deleted_locally_is_nothing_to_do(world: World) -> None:
    migrated(world)
    assert run(world.new_deletes(), "name") == 0
    assert world.local.writes() == []


def test_nothing_is_deleted_while_the_source_lists_nothing(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    migrated(world, "a", "b")
    world.source.bucket("there", world.mapping.namer).delete_object("another")
    deletes = world.new_deletes()
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            assert run(deletes, "a", "b") == 0
    assert world.local.writes() == []
    assert deletes.held == 2
    held = world.held.get(world.mapping.journal_key)
    assert held == HeldDeletes(SOURCE_EMPTY, 2, world.clock.now())
    assert [record.message.split(": ")[-1] for record in caplog.records] == ["the source lists nothing"]


def test_only_names_with_the_prefix_show_that_the_source_is_in_order(world: World) -> None:
    migrated(world, "p/gone")
    deletes = world.new_deletes(with_options(world, prefix="p/"))
    assert run(deletes, "p/gone") == 0
    world.source.put("there", "p/there")
    assert run(deletes, "p/gone") == 1


@pytest.mark.parametrize("error", [NotFound("no bucket", status=404), AccessDenied("", status=403)])
def test_nothing_is_deleted_if_the_bucket_is_not_found_or_rights_are_lost(
    world: World, error: Exception
) -> None:
    migrated(world, "name")
    world.source.broken = error
    with pytest.raises(type(error)):
        run(world.new_deletes(), "name")
    assert world.local.writes() == []


def test_nothing_is_deleted_if_listing_the_source_fails(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrated(world, "name")
    deletes = world.new_deletes()

    def fail(query: object) -> None:
        raise RemoteUnavailable("no", status=503)

    monkeypatch.setattr(deletes._source._bucket, "list_objects", fail)  # type: ignore[attr-defined]
    with pytest.raises(RemoteUnavailable):
        run(deletes, "name")
    assert world.local.writes() == []


def test_object_that_fails_is_recorded_and_the_others_are_deleted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrated(world, "a", "b", "c")
    world.local.unavailable.add("a")
    deletes = world.new_deletes()
    head = deletes._source._bucket.head_object  # type: ignore[attr-defined]

    def fail(name: str) -> object:
        if name == "b":
            raise AccessDenied("no", status=403)
        return head(name)

    monkeypatch.setattr(deletes._source._bucket, "head_object", fail)  # type: ignore[attr-defined]
    assert run(deletes, "a", "b", "c") == 1
    assert deletes.failed == 2
    found = world.failures.page(world.mapping.journal_key)
    assert [(each.name, each.reason) for each in found] == [
        ("a", "local_unavailable"),
        ("b", "remote_denied"),
    ]
    monkeypatch.undo()
    world.local.unavailable.clear()
    assert run(deletes, "a", "b") == 2
    assert world.failures.names(world.mapping.journal_key) == frozenset()


@pytest.mark.parametrize("change", ["put", "post"])
def test_write_of_a_client_between_the_two_looks_survives(world: World, change: str) -> None:
    migrated(world, "name")

    def write(method: str, path: str) -> None:
        raise AssertionError("a DELETE was sent")

    def client_writes(name: str) -> object:
        if change == "put":
            world.local.put("here", "name", LATER)
        else:
            world.local.put("here", "name", AT, posted=LATER)
        raise NotFound("gone", status=404)

    deletes = world.new_deletes()
    deletes._source._bucket.head_object = client_writes  # type: ignore[attr-defined]
    world.local.before = write
    assert run(deletes, "name") == 0
    assert world.failures.names(world.mapping.journal_key) == frozenset()


def test_refusal_of_a_delete_because_something_is_newer_is_no_failure(world: World) -> None:
    migrated(world, "name")
    world.local.refused["DELETE"] = 409
    deletes = world.new_deletes()
    assert (run(deletes, "name"), deletes.failed) == (0, 0)


def test_nothing_is_deleted_after_a_stop_or_in_a_dry_run(world: World) -> None:
    migrated(world, "name")
    world.stop.set()
    assert run(world.new_deletes(), "name") == 0
    world.stop.clear()
    world.dry_run = True
    assert run(world.new_deletes(), "name") == 1
    assert world.local.writes() == []


def names(count: int) -> list[str]:
    return [f"name {number:03}" for number in range(count)]


@pytest.mark.parametrize(
    ("options", "deleted"),
    [
        ({"max_deletes": 3}, 3),
        ({"max_deletes": 0}, 0),
        ({"max_deletes_percent": 25.0}, 50),
        ({"max_deletes_percent": 0.1}, 1),
        ({"max_deletes": 7, "max_deletes_percent": 50.0}, 7),
        ({"max_deletes": 70, "max_deletes_percent": 1.0}, 2),
        ({}, 200),
    ],
)
def test_pass_deletes_no_more_than_it_may(world: World, options: dict[str, Any], deleted: int) -> None:
    migrated(world, *names(200))
    deletes = world.new_deletes(with_options(world, **options))
    assert run(deletes, *names(200)) == deleted
    assert len(world.local.stored["here"].names) == 200 - deleted
    assert (deletes.deleted, deletes.held) == (deleted, 200 - deleted)


def test_nodes_that_share_a_container_share_what_a_pass_may_delete(world: World) -> None:
    migrated(world, *names(20))
    deletes = world.new_deletes(with_options(world, max_deletes=10))
    deletes.nodes = 3
    assert run(deletes, *names(20)) == 4


def test_page_without_names_is_no_end_of_the_source(world: World) -> None:
    migrated(world, "gone")
    deletes = world.new_deletes()
    bucket = deletes._source._bucket  # type: ignore[attr-defined]
    pages = iter([ListPage((), (), "m"), bucket.list_objects(ListQuery())])
    bucket.list_objects = lambda query: next(pages)
    assert run(deletes, "gone") == 1


def held_by(world: World) -> HeldDeletes | None:
    return world.held.get(world.mapping.journal_key)


def test_next_pass_has_a_budget_of_its_own(world: World) -> None:
    migrated(world, *names(5))
    deletes = world.new_deletes(with_options(world, max_deletes=3))
    assert run(deletes, *names(5)) == 3
    assert held_by(world) == HeldDeletes(DELETE_BUDGET, 2, world.clock.now())
    assert run(deletes, *names(5)) == 2
    assert held_by(world) is None


def allow(world: World, deletes: Callable[[], Deletes], count: int) -> tuple[int, HeldDeletes | None]:
    """A pass with ``count`` names of the source gone, after an operator's permission."""
    world.clock.sleep(10)
    world.controls.allow_deletes(world.mapping)
    world.clock.sleep(10)
    return run(deletes(), *names(count)), held_by(world)


def test_operator_allows_what_was_held_even_to_the_next_process(world: World) -> None:
    migrated(world, *names(8))
    mapping = with_options(world, max_deletes=0)
    assert run(world.new_deletes(mapping), *names(5)) == 0
    assert allow(world, lambda: world.new_deletes(mapping), 5) == (5, None)


def test_permission_covers_no_more_than_was_held_when_it_was_given(world: World) -> None:
    migrated(world, *names(8))
    deletes = world.new_deletes(with_options(world, max_deletes=0))
    assert run(deletes, *names(5)) == 0
    done = allow(world, lambda: deletes, 8)
    assert done == (5, HeldDeletes(DELETE_BUDGET, 3, world.clock.now()))
    assert run(deletes, *names(8)) == 0  # the permission is used up
    assert allow(world, lambda: deletes, 8) == (3, None)


def test_permission_from_before_deletes_were_held_allows_nothing(world: World) -> None:
    migrated(world, *names(5))
    world.controls.allow_deletes(world.mapping)
    world.clock.sleep(10)
    deletes = world.new_deletes(with_options(world, max_deletes=0))
    for _ in range(2):
        assert run(deletes, *names(5)) == 0


def test_permission_by_a_clock_that_was_ahead_allows_nothing(world: World) -> None:
    migrated(world, *names(5))
    deletes = world.new_deletes(with_options(world, max_deletes=0))
    run(deletes, *names(5))
    world.clock.time += 4000
    world.controls.allow_deletes(world.mapping)
    world.clock.time -= 2000
    assert run(deletes, *names(5)) == 0


def test_permission_during_a_pass_holds_for_the_next_one(world: World) -> None:
    migrated(world, *names(8))
    deletes = world.new_deletes(with_options(world, max_deletes=0))
    run(deletes, *names(5))
    world.clock.sleep(10)
    deletes.begin_pass()
    deletes.reconcile("here", [Entry(name) for name in names(8)])
    world.controls.allow_deletes(world.mapping)
    world.clock.sleep(10)
    assert deletes.end_pass() == HeldDeletes(DELETE_BUDGET, 5, world.clock.now() - 20)
    assert run(deletes, *names(8)) == 5


def test_number_that_grows_needs_a_new_permission(world: World) -> None:
    migrated(world, *names(8))
    deletes = world.new_deletes(with_options(world, max_deletes=0))
    run(deletes, *names(5))
    world.clock.sleep(10)
    run(deletes, *names(3))
    assert held_by(world) == HeldDeletes(DELETE_BUDGET, 3, world.clock.now() - 10)
    run(deletes, *names(8))
    assert held_by(world) == HeldDeletes(DELETE_BUDGET, 8, world.clock.now())


def test_source_that_was_emptied_on_purpose_is_followed_once_allowed(world: World) -> None:
    migrated(world, *names(3))
    world.source.bucket("there", world.mapping.namer).delete_object("another")
    deletes = world.new_deletes()
    assert run(deletes, *names(3)) == 0
    assert allow(world, lambda: deletes, 3) == (3, None)
    assert not any(isinstance(each, Present) for each in world.local.stored["here"].objects.values())


def test_held_deletes_of_another_migration_are_its_own(world: World, tmp_path: Path) -> None:
    world.held.put("other", HeldDeletes(SOURCE_EMPTY, 1, 5.0))
    world.held.remove(world.mapping.journal_key)
    assert world.held.get("other") == HeldDeletes(SOURCE_EMPTY, 1, 5.0)
