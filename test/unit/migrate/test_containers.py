"""Local containers of migrations: created once, and then as at the source wherever that is newer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from s3_sync.cluster.client import LocalSwift
from s3_sync.config.settings import Mapping
from s3_sync.errors import AccessDenied, LocalUnavailable, NotFound, ObjectRefused, SyncError
from s3_sync.largeobject.segment_places import may_hold_segments
from s3_sync.migrate.container_migration import of_older_versions
from s3_sync.migrate.containers import Containers, versions_container
from s3_sync.model.migration import (
    CONTAINER_SOURCE,
    CONTAINER_STATE,
    CONTAINER_WRITTEN,
    VERSIONS_LOCATION,
    VERSIONS_MODE,
    ContainerState,
)
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.memory import MemoryProvider
from unit.migrate.fake_local import Container
from unit.migrate.world import World

MIGRATING = {CONTAINER_STATE: "migrating"}


def containers(world: World, **more: Any) -> Containers:
    client = cast(LocalSwift, world.local)
    return Containers(client, more.pop("provider", world.source), world.mapping, world.clock, **more)


def containers_of(world: World, mapping: Mapping) -> Containers:
    return Containers(cast(LocalSwift, world.local), world.source, mapping, world.clock)


def headers(world: World, container: str = "here") -> dict[str, str]:
    """Without the marks of the source and of what was written."""
    stored = world.local.stored[container].headers
    return {
        name: value for name, value in stored.items() if name not in (CONTAINER_SOURCE, CONTAINER_WRITTEN)
    }


def test_missing_container_is_created_as_at_the_source(world: World) -> None:
    given = {"x_container_meta_color": "grün", "x_container_read": ".r:*", "x_container_write": "other:*"}
    world.source.set("there", **given, x_container_sync_key="secret", x_versions_enabled="true")
    assert containers(world).prepare("here") == ""
    assert headers(world) == {
        "x-container-meta-color": "grün",
        "x-container-read": ".r:*",
        "x-container-write": "other:*",
        **MIGRATING,
    }


@pytest.mark.parametrize(
    ("header", "mode"), [("x_versions_location", "stack"), ("x_history_location", "history")]
)
def test_versioning_is_kept_as_the_middleware_keeps_it(world: World, header: str, mode: str) -> None:
    world.source.set("old%20ones", x_container_meta_old="yes")
    world.source.set("old ones", x_container_meta_old="yes")
    world.source.set("there", **{header: "old%20ones"})
    assert containers(world).prepare("here") == "old ones"
    assert headers(world, "old ones") == {"x-container-meta-old": "yes", **MIGRATING}
    assert headers(world) == {VERSIONS_LOCATION: "old%20ones", VERSIONS_MODE: mode, **MIGRATING}
    paths = [path for method, path in world.local.writes()]
    assert paths == ["AUTH_here/old ones", "AUTH_here/here"]  # a PUT over an object needs the first one


def test_versioning_without_a_container_for_the_versions_is_as_useless_as_at_the_source(world: World) -> None:
    world.source.set("there", x_versions_location="nowhere")
    assert containers(world).prepare("here") == ""
    assert list(world.local.stored) == ["here"]


@pytest.mark.parametrize(("location", "expected"), [("a/b", "a"), ("%C3%BC", "ü"), ("", "")])
def test_name_of_the_container_of_versions(location: str, expected: str) -> None:
    assert versions_container({"x-versions-location": location}) == expected


def test_bucket_of_a_store_without_metadata_gives_a_container_without(world: World) -> None:
    provider = MemoryProvider()
    provider.create_bucket("there")
    assert containers(world, provider=provider).prepare("here") == ""
    assert headers(world) == MIGRATING
    world.local.stored["here"].headers["x-container-meta-mine"] = "1"
    world.clock.sleep(10)
    containers(world, provider=provider).prepare("here")
    assert headers(world) == {**MIGRATING, "x-container-meta-mine": "1"}


def test_policy_is_that_of_the_migration_and_its_refusal_says_so(world: World) -> None:
    world.source.set("there")
    world.mapping = replace(world.mapping, profile=replace(world.mapping.profile, storage_policy="silver"))
    world.local.refused["PUT"] = 400
    with pytest.raises(ObjectRefused, match="policy 'silver'") as refusal:
        containers(world).prepare("here")
    assert refusal.value.reason == "storage_policy"
    world.local.refused.clear()
    containers(world).prepare("here")
    assert world.local.sent[-1][2].get("x-storage-policy") == "silver"


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [(400, ObjectRefused, "container_refused"), (503, LocalUnavailable, "local_unavailable")],
)
def test_refused_container_raises_its_reason(
    world: World, status: int, error: type[SyncError], reason: str
) -> None:
    world.source.set("there")
    world.local.refused["PUT"] = status
    with pytest.raises(error) as refusal:
        containers(world).prepare("here")
    assert refusal.value.reason == reason


def test_container_that_does_not_appear_raises_after_a_second(world: World) -> None:
    world.source.set("there")
    world.local.hidden = True
    before = world.clock.now()
    with pytest.raises(LocalUnavailable, match='Timeout while creating container "here"'):
        containers(world).prepare("here")
    assert world.clock.now() - before == pytest.approx(1.0, abs=0.2)


def test_missing_bucket_raises_not_found_and_creates_nothing(world: World) -> None:
    with pytest.raises(NotFound, match='Bucket/container "there" does not exist for mover'):
        containers(world).prepare("here")
    world.source.broken = AccessDenied("no", status=403)
    with pytest.raises(AccessDenied):
        containers(world).prepare("here")
    assert world.local.stored == {}


def prepared(world: World, **given: str) -> Containers:
    """A container that was created ten seconds ago."""
    world.source.set("there", **given)
    world.clock.sleep(10)
    found = containers(world)
    found.prepare("here")
    world.clock.sleep(10)
    world.local.sent.clear()
    world.source.heads.clear()
    return found


def test_nothing_new_costs_one_request_at_the_source_and_no_write(world: World) -> None:
    found = prepared(world, x_container_meta_color="red")
    found.prepare("here")
    assert world.source.heads == ["there"]
    assert world.local.writes() == []


def test_later_changes_at_the_source_are_made_here_and_what_is_gone_is_removed(world: World) -> None:
    old = {"x_container_meta_a": "1", "x_container_meta_b": "1", "x_container_read": ".r:*"}
    world.source.set("old")
    found = prepared(world, **old, x_versions_location="old")
    world.source.set(
        "there",
        x_container_meta_b="2",
        x_container_meta_c="3",
        x_container_read="",
        x_container_meta_a="",
        x_versions_location="",
    )
    found.prepare("here")
    assert headers(world) == {"x-container-meta-b": "2", "x-container-meta-c": "3", **MIGRATING}
    found.prepare("here")
    assert len(world.local.writes()) == 1


def client_posts(world: World, **given: str) -> None:
    sent = {name.replace("_", "-"): value for name, value in given.items()}
    world.local.request("POST", "AUTH_here/here", sent)
    world.local.sent.clear()


def test_later_change_by_a_client_here_stays(world: World) -> None:
    found = prepared(world, x_container_meta_a="1")
    world.source.set("there", x_container_meta_a="2")
    world.clock.sleep(0.1)
    client_posts(world, x_container_meta_a="client's")
    for _ in range(2):
        found.prepare("here")
    assert headers(world)["x-container-meta-a"] == "client's"
    world.clock.sleep(0.1)
    world.source.set("there", x_container_meta_a="3")
    found.prepare("here")
    assert headers(world)["x-container-meta-a"] == "3"


def test_change_at_the_source_during_the_creation_is_not_lost(world: World) -> None:
    world.source.set("there", x_container_meta_a="1")
    world.clock.sleep(10)
    changes = iter(["2"])

    def change(method: str, path: str) -> None:
        if method == "PUT":
            world.source.set("there", x_container_meta_a=next(changes))
            world.clock.sleep(0.1)

    world.local.before = change
    found = containers(world)
    found.prepare("here")
    assert headers(world)["x-container-meta-a"] == "2"


def test_change_at_a_source_whose_clock_is_behind_is_made_here(world: World) -> None:
    prepared(world, x_container_meta_a="1")
    world.local.stored["here"].headers["x-container-meta-b"] = "client's"  # so that times decide
    world.clock.time -= 30
    world.source.set("there", x_container_meta_a="2")
    world.clock.time += 30
    containers(world).prepare("here")
    assert headers(world)["x-container-meta-a"] == "1"
    containers(world, clock_offset=-30.0).prepare("here")
    assert headers(world)["x-container-meta-a"] == "2"


@pytest.mark.parametrize(
    ("modified", "expected"),
    [("Thu, 01 Jan 2015 00:00:01 GMT", "old"), ("Thu, 01 Jan 2015 00:00:02 GMT", "new"), ("", "old")],
)
def test_source_that_tells_whole_seconds_is_newer_in_another_second(
    world: World, modified: str, expected: str
) -> None:
    class Rounding(MemoryProvider):
        def head_bucket(self, name: str) -> dict[str, str]:
            return {"x-container-meta-a": "new", "last-modified": modified}

    world.clock.time = 1420070400.5  # rounded up to the first of the two
    world.local.stored["here"] = Container({"x-container-meta-a": "old"}, world.local._now())
    world.clock.sleep(2)
    containers(world, provider=Rounding()).prepare("here")
    assert headers(world)["x-container-meta-a"] == expected


def test_change_within_the_second_of_the_migration_s_own_is_made_here(world: World) -> None:
    class Rounding(MemoryProvider):
        color = "red"

        def head_bucket(self, name: str) -> dict[str, str]:
            return {"x-container-meta-color": self.color, "last-modified": "Thu, 01 Jan 2015 00:00:01 GMT"}

    world.clock.time = 1420070400.5  # rounded up to that time
    provider = Rounding()
    found = containers(world, provider=provider)
    found.prepare("here")
    provider.color = "blue"
    found.prepare("here")
    assert headers(world)["x-container-meta-color"] == "blue"
    world.local.stored["here"].headers["x-container-meta-color"] = "client's"
    found.prepare("here")
    assert headers(world)["x-container-meta-color"] == "client's"


def test_container_of_a_client_gets_no_state(world: World) -> None:
    world.local.stored["here"] = Container({}, world.local._now())
    world.clock.sleep(10)
    world.source.set("there", x_container_meta_a="1")
    found = containers(world)
    found.prepare("here")
    assert headers(world) == {"x-container-meta-a": "1"}
    assert found.state("here") is None


def test_source_that_is_back_makes_the_container_a_modified_one(world: World) -> None:
    found = prepared(world, x_container_meta_a="1")
    found.set_state("here", ContainerState.SOURCE_DELETED)
    assert found.state("here") is ContainerState.SOURCE_DELETED
    for _ in range(2):
        found.prepare("here")
    assert headers(world) == {"x-container-meta-a": "1", CONTAINER_STATE: "modified"}
    assert found.state("here") is ContainerState.MODIFIED
    assert len([method for method, _ in world.local.writes() if method == "POST"]) == 2


def test_container_of_another_source_has_no_state_for_this_one(world: World) -> None:
    found = prepared(world)
    assert found.state("here") is ContainerState.MIGRATING
    world.mapping = replace(world.mapping, bucket="elsewhere")
    assert containers(world).state("here") is None
    world.source.set("elsewhere")
    containers(world).prepare("here")
    assert containers(world).state("here") is None


def test_header_that_cannot_be_sent_is_left_out(world: World) -> None:
    world.source.set("there", **{"x-container-meta-a b": "1", "x-container-meta-c": "x\ny"})
    containers(world).prepare("here")
    assert headers(world) == MIGRATING


def test_clients_own_container_is_not_taken_over_as_that_of_older_versions(world: World) -> None:
    """Whoever owns the source could otherwise open any container here, and write into it."""
    world.source.set("secret", x_container_read=".r:*")
    world.source.set("there", x_versions_location="secret")
    world.local.stored["secret"] = Container({"x-container-read": "test:me"}, Timestamp(0))
    found = containers(world)
    assert (found.prepare("here"), found.left_alone) == ("", "secret")
    assert headers(world, "secret") == {"x-container-read": "test:me"}
    assert headers(world)[VERSIONS_LOCATION] == "secret"
    world.source.set("archive", x_versions_location="secret")
    older = of_older_versions(world.mapping, "archive")
    assert containers_of(world, older).prepare("archive") == ""
    assert headers(world, "secret") == {"x-container-read": "test:me"}
    world.mapping = replace(world.account_wide.of_container("there"), container="here")
    assert containers(world).prepare("here") == "secret"  # which has a migration of its own


def test_reserved_container_is_none_for_older_versions(world: World) -> None:
    name = "\0versions\0mine"
    world.source.set(name)
    world.source.set("there", x_versions_location="/%00versions%00mine")
    assert containers(world).prepare("here") == ""
    assert list(world.local.stored) == ["here"]
    assert VERSIONS_LOCATION not in headers(world)


def test_older_versions_name_no_segments_and_links_outside_of_their_migration(world: World) -> None:
    """Whoever owns the source could otherwise have objects written into any container here."""
    older = of_older_versions(world.mapping, "archive")
    assert older.control_key == world.mapping.journal_key
    assert not older.covers_account
    assert older.segments is not None
    assert [older.segments.copied(name) for name in ("archive", "secret")] == ["archive", ""]
    allowed = older.profile.segment_containers
    held = [may_hold_segments(name, "archive", allowed) for name in ("archive", "there_segments", "secret")]
    assert held == [True, True, False]
    assert world.account_wide.of_container("c").covers_account
