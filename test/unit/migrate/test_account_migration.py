"""Migrations of whole accounts: their containers, and those that are gone at the source."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest

from s3_sync.cluster.newest import Deleted
from s3_sync.config.coverage import Coverage
from s3_sync.config.settings import MigrationOptions
from s3_sync.errors import NotFound, RemoteUnavailable
from s3_sync.migrate.account_migration import GONE_TIME_FOR_OTHERS, LIST_INTERVAL, AccountMigration
from s3_sync.migrate.division import Share
from s3_sync.model.migration import CONTAINER_SOURCE, CONTAINER_STATE
from s3_sync.state.held_deletes import DELETE_BUDGET
from unit.migrate.fake_local import Container
from unit.migrate.test_deletes import AT
from unit.migrate.world import World


def new_job(world: World, **options: Any) -> AccountMigration:
    mapping = replace(world.account_wide, migration=MigrationOptions(**options))
    return AccountMigration(world.context, mapping, Coverage([mapping]))


def run(job: AccountMigration) -> AccountMigration:
    while job.step().has_more:
        pass
    return job


def again(world: World, job: AccountMigration) -> AccountMigration:
    world.clock.sleep(LIST_INTERVAL)
    return run(job)


def children(job: AccountMigration) -> list[str]:
    return sorted(job.children or ())


def gone(world: World, state: str | None = "migrating", *owned: str) -> dict[str, str]:
    """A local container whose bucket is gone, and a source that lists another one."""
    world.source.create_bucket("another")
    headers = {} if state is None else {CONTAINER_STATE: state}
    world.local.stored["gone"] = Container(headers, world.local._now())
    for name in owned:
        world.local.put("gone", name, AT, owner=AT)
    return headers


def test_each_bucket_is_a_child_with_its_own_name(world: World) -> None:
    for name in ("b", "a_segments", "ü"):
        world.source.create_bucket(name)
    job = new_job(world)
    assert job.children is None
    run(job)
    assert job.children is not None
    assert children(job) == ["a_segments", "b", "ü"]
    for name, child in job.children.items():
        assert (child.container, child.bucket, child.parent_key) == (name, name, job.mapping.journal_key)
    assert [child.container for child in job.children_of(job.mapping)] == list(job.children)
    assert not job.is_failing


def test_containers_of_other_nodes_and_other_migrations_are_left_to_them(world: World) -> None:
    for name in ("a", "b", "c"):
        world.source.create_bucket(name)
    gone(world, "migrating", "x")
    world.shares = dict.fromkeys(("c", "another", "gone"))
    job = new_job(world)
    own = replace(world.mapping, container="b", bucket="elsewhere")
    job.update_coverage(Coverage([job.mapping, own]))
    assert children(run(job)) == ["a"]
    assert world.local.stored["gone"].names == ["x"]
    job.update_coverage(Coverage([job.mapping]))
    assert children(run(job)) == ["a", "b"]


def test_container_gone_at_the_source_is_left_to_the_first_node_for_a_while(world: World) -> None:
    gone(world, "migrating", "x")
    world.shares = {"gone": Share(1, 3)}
    job = run(new_job(world))
    world.clock.sleep(GONE_TIME_FOR_OTHERS - 1.0)
    assert "gone" in world.local.stored
    run(job)
    assert "gone" in world.local.stored
    again(world, job)
    assert "gone" not in world.local.stored


def test_names_that_cannot_be_containers_are_left_out_with_a_warning(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a", "b/c", "n" * 257, "\0hidden"):
        world.source.create_bucket(name)
    job = run(new_job(world))
    assert children(again(world, job)) == ["a"]
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert all("cannot be the name of a container" in message for message in warnings)


def test_account_is_listed_at_its_interval_and_the_children_stay_the_same_object(world: World) -> None:
    world.source.create_bucket("a")
    job = run(new_job(world))
    before = job.children
    world.source.create_bucket("b")
    assert run(job).children is before
    world.source.delete_bucket("b")
    assert again(world, job).children is before
    world.source.create_bucket("b")
    assert children(again(world, job)) == ["a", "b"]
    world.clock.time -= 10 * 86400
    world.source.create_bucket("c")
    assert children(run(job)) == ["a", "b", "c"]


@pytest.mark.parametrize("failure", ["error", "nothing"])
def test_listing_that_fails_or_is_empty_changes_nothing(
    world: World, failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone(world, "migrating", "x")
    world.source.create_bucket("gone")
    job = run(new_job(world))
    listed = children(job)
    assert listed == ["another", "gone"]
    world.source.delete_bucket("gone")
    if failure == "error":
        world.source.broken = RemoteUnavailable("down", status=503)
    else:
        monkeypatch.setattr(world.source, "list_buckets", lambda: iter(()))
    again(world, job)
    assert (children(job), job.is_failing) == (listed, failure == "error")
    assert world.local.stored["gone"].names == ["x"]
    assert world.local.writes() == []


def test_listing_that_fails_is_on_record_until_one_succeeds(world: World) -> None:
    world.source.set("there")
    job = run(new_job(world))
    world.source.broken = RemoteUnavailable("down", status=503)
    again(world, job)
    (entry,) = world.failures.page(job.mapping.journal_key)
    assert (entry.name, entry.reason) == ("", "remote_unavailable")
    world.source.broken = None
    again(world, job)
    assert world.failures.page(job.mapping.journal_key) == []


def test_container_that_the_migration_has_made_goes_with_its_bucket(world: World) -> None:
    gone(world, "migrating", "a", "b")
    job = run(new_job(world))
    assert sorted(world.local.stored) == []
    assert world.local.writes()[-1] == ("DELETE", "AUTH_here/gone")
    assert not job.has_leftovers


def test_container_that_a_migration_of_another_source_has_made_stays(world: World) -> None:
    headers = gone(world, "migrating", "x")
    headers[CONTAINER_SOURCE] = replace(world.mapping, bucket="renamed").source_digest
    run(new_job(world))
    assert world.local.stored["gone"].names == ["x"]
    headers[CONTAINER_SOURCE] = replace(world.mapping, bucket="gone").source_digest
    again(world, new_job(world))
    assert "gone" not in world.local.stored


def test_container_that_holds_objects_of_clients_stays_with_those(world: World) -> None:
    gone(world, "migrating", "ours")
    world.local.put("gone", "theirs", AT)
    job = run(new_job(world))
    place = world.local.stored["gone"]
    assert (place.names, place.headers) == (["theirs"], {CONTAINER_STATE: "src_deleted"})
    assert isinstance(place.objects["ours"], Deleted)
    world.local.sent.clear()
    world.local.asked.clear()
    again(world, job)
    assert (world.local.writes(), world.local.asked) == ([], [])


def test_container_that_a_client_has_changed_is_never_deleted(world: World) -> None:
    gone(world, "modified", "ours")
    run(new_job(world))
    place = world.local.stored["gone"]
    assert (place.names, place.headers) == ([], {CONTAINER_STATE: "src_deleted"})


def test_container_that_a_client_changes_meanwhile_is_not_deleted(world: World) -> None:
    gone(world, "migrating", "ours")

    def change(method: str, path: str) -> None:
        if method == "DELETE":
            world.local.stored["gone"].headers[CONTAINER_STATE] = "modified"

    world.local.before = change
    run(new_job(world))
    assert world.local.stored["gone"].headers == {CONTAINER_STATE: "src_deleted"}


@pytest.mark.parametrize("state", [None, "src_deleted", "of a later version"])
def test_container_of_clients_or_one_that_is_done_stays_as_it_is(world: World, state: str | None) -> None:
    headers = gone(world, state, "x")
    run(new_job(world))
    assert (world.local.stored["gone"].names, world.local.stored["gone"].headers) == (["x"], headers)
    assert world.local.writes() == []


def test_bucket_that_is_there_although_it_was_not_listed_keeps_its_container(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone(world, "migrating", "x")
    world.source.create_bucket("gone")
    listing = list(world.source.list_buckets())
    monkeypatch.setattr(world.source, "list_buckets", lambda: iter(listing[:1]))
    run(new_job(world))
    assert world.local.stored["gone"].names == ["x"]


def test_bucket_that_is_not_found_but_still_listed_keeps_its_container(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone(world, "migrating", "x")
    calls = iter(range(9))
    listing = list(world.source.list_buckets())
    both = [*listing, replace(listing[0], name="gone")]
    monkeypatch.setattr(world.source, "list_buckets", lambda: iter(both if next(calls) else listing))
    run(new_job(world))
    assert world.local.stored["gone"].names == ["x"]


def test_bucket_that_comes_back_meanwhile_keeps_its_container(world: World) -> None:
    gone(world, "migrating", "x")

    def come_back(method: str, path: str) -> None:
        if method == "DELETE":
            world.source.create_bucket("gone")

    world.local.before = come_back
    run(new_job(world))
    assert world.local.stored["gone"].headers == {CONTAINER_STATE: "migrating"}


def test_source_that_fails_is_reported_and_the_next_container_is_handled(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gone(world, "migrating", "x")
    world.local.stored["other"] = Container({CONTAINER_STATE: "migrating"}, world.local._now())
    head = world.source.head_bucket

    def fail(name: str) -> Any:
        if name == "gone":
            raise RemoteUnavailable("down", status=503)
        return head(name)

    monkeypatch.setattr(world.source, "head_bucket", fail)
    job = run(new_job(world))
    assert list(world.local.stored) == ["gone"]
    assert (job.is_failing, job.has_leftovers) == (True, True)
    again(world, job)
    assert [record.levelno for record in caplog.records].count(logging.ERROR) == 1
    monkeypatch.undo()
    again(world, job)
    assert (job.is_failing, job.has_leftovers) == (False, False)


def test_budget_holds_for_containers_whose_bucket_is_gone(world: World) -> None:
    gone(world, "migrating", "a", "b", "c")
    job = run(new_job(world, max_deletes=1))
    assert len(world.local.stored["gone"].names) == 2
    assert (job.held["gone"].reason, job.held["gone"].count, job.has_leftovers) == (DELETE_BUDGET, 2, True)
    world.controls.allow_deletes(job.mapping)
    again(world, job)
    assert (list(world.local.stored), job.held) == ([], {})


def test_only_names_with_the_prefix_are_deleted(world: World) -> None:
    gone(world, "migrating", "p/a", "other")
    run(new_job(world, prefix="p/"))
    assert world.local.stored["gone"].names == ["other"]


def test_account_metadata_that_is_refused_does_not_stop_the_objects(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.source.create_bucket("a")
    world.source.metadata["x-account-meta-a"] = "1"
    world.local.refused["POST"] = 400
    job = run(new_job(world, propagate_account_metadata=True))
    assert (children(job), job.is_failing) == (["a"], True)
    world.local.refused.clear()
    again(world, job)
    assert (world.local.account, job.is_failing) == ({"x-account-meta-a": "1"}, False)


def test_dry_run_writes_nothing(world: World) -> None:
    gone(world, "migrating", "x")
    world.source.metadata["x-account-meta-a"] = "1"
    world.dry_run = True
    assert children(run(new_job(world, propagate_account_metadata=True))) == ["another"]
    assert world.local.writes() == []


def test_paused_migration_lists_nothing(world: World) -> None:
    world.source.broken = NotFound("it must not be asked", status=404)
    world.stop.set()
    job = run(new_job(world))
    assert (job.children, job.is_failing) == (None, False)
