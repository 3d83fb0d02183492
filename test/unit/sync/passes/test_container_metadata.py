"""The metadata of the remote container follows that of the local one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s3_sync.config.settings import Profile
from s3_sync.errors import InvalidRequest, RemoteUnavailable
from s3_sync.state.journal_view import JournalView
from unit.sync.fake_node import RETRY_PAUSE, Node, mapping
from unit.sync.worlds import Three, World

COLOUR, READ, WRITE = "x-container-meta-colour", "x-container-read", "x-container-write"
PUBLIC, PRIVATE = ".r:*", "AUTH_a:reader"


def started(tmp_path: Path, acl: bool = True, **headers: str) -> World:
    wanted = mapping(sync_container_metadata=True, sync_container_acl=acl)
    world = World(tmp_path, like_swift=True, mapping=wanted)
    set_headers(world, **headers)
    return world


def set_headers(world: World, **headers: str) -> None:
    world.db.headers |= {name.replace("_", "-"): value for name, value in headers.items()}


def remote(world: World | Three) -> dict[str, str]:
    return world.bucket.provider.store("bucket").metadata


def posts(world: World | Three) -> int:
    return world.bucket.counts()["post_container"]


def failing(node: Node) -> tuple[int, str]:
    record = JournalView(str(node.directory / "journal")).container(node.crawl.key)
    return record.attempts, record.reason


def test_metadata_is_sent_before_the_first_object_and_once(tmp_path: Path) -> None:
    world = started(tmp_path, x_container_meta_colour="grün", x_container_read=PRIVATE)
    world.fill(3)
    world.node.settle()
    assert remote(world) == {COLOUR: "grün", READ: PRIVATE}
    writes = [method for method, _ in world.bucket.calls if method in ("post_container", "put")]
    assert writes == ["post_container", "put", "put", "put"]
    world.bucket.counts()
    world.fill(1, start=3)
    world.node.settle()
    world.node.restart()
    world.node.settle()
    assert posts(world) == 0


def test_change_and_removal_are_each_one_request(tmp_path: Path) -> None:
    world = started(tmp_path, x_container_meta_colour="red", x_container_read=PRIVATE)
    world.node.settle()
    posts(world)
    set_headers(world, x_container_meta_colour="blue", x_container_read="")
    world.node.settle()
    assert (remote(world), posts(world)) == ({COLOUR: "blue"}, 1)
    # Swift has forgotten that there was one, as after its reclaim_age
    del world.db.headers[COLOUR]
    world.node.settle()
    assert (remote(world), posts(world)) == ({}, 1)


def test_header_that_cannot_be_sent_does_not_hold_back_others_or_objects(tmp_path: Path) -> None:
    """Swift takes such names and values from clients."""
    world = started(tmp_path, x_container_meta_colour="red", x_container_read=PUBLIC)
    world.db.headers |= {"x-container-meta-a b": "v", "x-container-meta-a\x1b": "v", COLOUR: "a\0b"}
    world.fill(1)
    world.node.settle()
    assert remote(world) == {READ: PUBLIC}
    assert world.bucket.counts()["put"] == 1


def test_container_without_metadata_costs_no_request(tmp_path: Path) -> None:
    world = started(tmp_path)
    world.fill(1)
    world.node.settle()
    assert posts(world) == 0


def test_what_gives_rights_at_the_remote_is_not_sent(tmp_path: Path) -> None:
    headers: dict[str, Any] = {
        "x_container_meta_temp_url_key": "k", "x_container_meta_temp_url_key_2": "k",
        "x_container_meta_quota_bytes": "1", "x_container_sync_key": "k", "x_container_sync_to": "//r/c/x/y",
        "x_versions_location": "v", "x_container_sysmeta_s3api_acl": "{}",
        "x_container_meta_access_control_allow_origin": "*", "x_container_meta_web_index": "i.html",
    }  # fmt: skip
    access = {"x_container_meta_web_listings": "true", "x_container_read": PUBLIC, "x_container_write": "b"}
    world = started(tmp_path, acl=False, **headers, **access)
    world.node.settle()
    harmless = {"x-container-meta-access-control-allow-origin": "*", "x-container-meta-web-index": "i.html"}
    assert remote(world) == harmless
    world.node.edit(sync_container_metadata=True, sync_container_acl=True)
    world.node.settle()
    assert remote(world) == harmless | {"x-container-meta-web-listings": "true", READ: PUBLIC, WRITE: "b"}


def test_acl_stays_at_the_remote_when_its_option_is_switched_off(tmp_path: Path) -> None:
    world = started(tmp_path, x_container_read=PUBLIC)
    world.node.settle()
    world.node.edit(sync_container_metadata=True)
    world.node.settle()
    assert remote(world) == {READ: PUBLIC}


def test_refused_metadata_is_on_record_and_retried_while_objects_arrive(tmp_path: Path) -> None:
    world = started(tmp_path, x_container_meta_colour="red")
    world.fail(InvalidRequest("too long", status=400), "post_container")
    world.fill(3)
    world.node.settle()
    assert world.converged()
    assert failing(world.node) == (1, "remote_refused")
    assert world.node.crawl.outstanding.retrying == 1
    assert posts(world) == 1
    world.node.later(RETRY_PAUSE - 1.0)
    assert posts(world) == 0
    world.node.later(2.0)
    assert (posts(world), failing(world.node)[0]) == (1, 2)
    world.fail(None)
    world.node.later(2 * RETRY_PAUSE)
    assert (remote(world), failing(world.node)) == ({COLOUR: "red"}, (0, ""))
    assert world.node.crawl.outstanding.retrying == 0


def test_failure_is_dropped_with_the_option(tmp_path: Path) -> None:
    world = started(tmp_path, x_container_meta_colour="red")
    world.fail(InvalidRequest("too long", status=400), "post_container")
    world.node.settle()
    world.node.edit()
    world.node.settle()
    assert failing(world.node)[0] == 0


def test_no_object_is_sent_while_the_remote_still_lets_former_readers_read(tmp_path: Path) -> None:
    world = started(tmp_path, x_container_read=PUBLIC)
    world.node.settle()
    set_headers(world, x_container_read="")
    world.fail(RemoteUnavailable("down"), "post_container")
    secret = world.fill(1)
    world.node.settle()
    assert (remote(world), world.bucket.content()) == ({READ: PUBLIC}, {})
    world.fail(None)
    world.node.later(RETRY_PAUSE + 1.0)
    assert remote(world) == {}
    assert list(world.bucket.content()) == secret


def test_objects_are_sent_while_an_acl_that_is_new_cannot_be_set(tmp_path: Path) -> None:
    world = started(tmp_path, x_container_read=PRIVATE)
    world.fail(InvalidRequest("no such project", status=400), "post_container")
    world.fill(1)
    world.node.settle()
    assert world.converged()


@pytest.mark.parametrize("prefix", ["", "a/"])
def test_reset_of_the_whole_mapping_sends_the_metadata_again(tmp_path: Path, prefix: str) -> None:
    world = started(tmp_path, x_container_meta_colour="red")
    world.node.settle()
    remote(world).clear()
    world.node.context.controls.reset(world.node.mapping, prefix)
    world.node.settle()
    assert remote(world) == ({} if prefix else {COLOUR: "red"})


def test_shard_and_handoff_send_nothing(tmp_path: Path) -> None:
    world = started(tmp_path, x_container_meta_colour="red")
    world.db.container = "c-shard"
    world.node.settle()
    world.db.container = "c"
    world.node.replicas_here[0].ordinal = None
    world.node.restart()
    world.node.settle()
    assert posts(world) == 0


def three(tmp_path: Path) -> Three:
    wanted = mapping(sync_container_metadata=True, sync_container_acl=True)
    return Three(tmp_path, like_swift=True, mapping=wanted)


def test_replica_that_was_down_does_not_put_older_metadata_back(tmp_path: Path) -> None:
    world = three(tmp_path)
    old, *others = world.swift.dbs
    for db in world.swift.dbs:
        db.headers = {READ: PUBLIC}
    for node in world.nodes:
        node.settle()
    for db in others:
        db.headers = {READ: ""}
    world.swift.silent = {old.id}
    for node in world.nodes[1:]:
        node.settle()
    assert remote(world) == {}
    # it comes back, without its journal, or reset; it is not replicated yet
    world.swift.silent = set()
    world.nodes[0].context.controls.reset(world.nodes[0].mapping)
    posts(world)
    world.nodes[0].later(30.0)
    assert (remote(world), posts(world)) == ({}, 0)
    assert failing(world.nodes[0])[1] == "local_unavailable"
    old.headers = {READ: ""}
    world.nodes[0].later(30.0)
    assert remote(world) == {}
    assert failing(world.nodes[0])[0] == 0


def test_node_that_reaches_no_other_replica_sends_nothing(tmp_path: Path) -> None:
    world = three(tmp_path)
    for db in world.swift.dbs:
        db.headers = {COLOUR: "red"}
    world.swift.silent = {db.id for db in world.swift.dbs[1:]}
    world.nodes[0].settle()
    assert posts(world) == 0
    world.swift.silent = set()
    world.nodes[0].later(30.0)
    assert remote(world) == {COLOUR: "red"}


def test_mapping_without_the_option_sends_nothing(tmp_path: Path) -> None:
    world = started(tmp_path, x_container_meta_colour="red")
    world.node.restart(mapping=replace(world.node.mapping, profile=Profile()))
    world.node.settle()
    assert posts(world) == 0
