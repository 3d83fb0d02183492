"""Symlinks are followed only to objects that their writer could read."""

from __future__ import annotations

import pytest

from s3_sync.cluster.symlinks import (
    Follow,
    LinkTarget,
    Within,
    check_followed,
    check_kept,
    is_link,
    link_target,
    visible_container,
)
from s3_sync.errors import ObjectRefused

RAW = "x-object-sysmeta-symlink-target"
SHOWN = "x-symlink-target"
OWN, VERSION = LinkTarget("AUTH_a", "c", "o"), LinkTarget("AUTH_a", "\0versions\0c", "o")
NEIGHBOUR, STRANGER = LinkTarget("AUTH_a", "d", "o"), LinkTarget("AUTH_b", "c", "o")
OTHER_VERSION, FOREIGN_VERSION = (
    LinkTarget("AUTH_a", "\0versions\0d", "o"),
    LinkTarget("AUTH_b", "\0versions\0c", "o"),
)


@pytest.mark.parametrize(
    ("follow", "followed"),
    [
        ("container", {OWN, VERSION}),
        ("account", {OWN, VERSION, NEIGHBOUR, OTHER_VERSION}),
        ("never", {VERSION}),
    ],
)
@pytest.mark.parametrize("target", [OWN, VERSION, NEIGHBOUR, STRANGER, OTHER_VERSION, FOREIGN_VERSION])
def test_check_followed_refuses_targets_that_the_writer_may_not_read(
    follow: Follow, followed: set[LinkTarget], target: LinkTarget
) -> None:
    if target in followed:
        check_followed(follow, "AUTH_a", "c", target)
        return
    with pytest.raises(ObjectRefused) as caught:
        check_followed(follow, "AUTH_a", "c", target)
    assert caught.value.reason == "symlink_elsewhere"


@pytest.mark.parametrize(("within", "kept"), [("container", {OWN}), ("account", {OWN, NEIGHBOUR})])
@pytest.mark.parametrize("target", [OWN, VERSION, NEIGHBOUR, STRANGER, OTHER_VERSION, FOREIGN_VERSION])
def test_check_kept_refuses_targets_that_the_mapping_does_not_copy(
    within: Within, kept: set[LinkTarget], target: LinkTarget
) -> None:
    if target in kept:
        check_kept(within, "AUTH_a", "c", target)
        return
    with pytest.raises(ObjectRefused) as caught:
        check_kept(within, "AUTH_a", "c", target)
    assert caught.value.reason == "symlink_elsewhere"


@pytest.mark.parametrize("prefix", [RAW, SHOWN])
def test_link_target_reads_both_forms_of_the_headers(prefix: str) -> None:
    headers = [(prefix, "c%C3%BC/a%2Fb/d"), ("content-type", "x/y")]
    assert is_link(headers)
    assert link_target(headers, "AUTH_own") == LinkTarget("AUTH_own", "cü", "a/b/d")
    headers += [(f"{prefix}-account", "AUTH_%C3%BC"), (f"{prefix}-etag", '"abc"')]
    assert link_target(headers, "AUTH_own") == LinkTarget("AUTH_ü", "cü", "a/b/d", "abc")


@pytest.mark.parametrize("value", ["c", "c/", "/", "%2F"])
def test_link_target_without_an_object_raises_symlink_broken(value: str) -> None:
    with pytest.raises(ObjectRefused) as caught:
        link_target([(RAW, value)], "AUTH_a")
    assert caught.value.reason == "symlink_broken"


def test_is_link_is_false_for_other_objects() -> None:
    assert not is_link([("content-type", "x/y"), (RAW, ""), (f"{RAW}-etag", "abc")])


def test_visible_container_of_a_versions_container_is_the_plain_one() -> None:
    assert (visible_container("c"), visible_container("\0versions\0c")) == ("c", "c")
