"""How the headers and listings of another Swift name the targets of symlinks, and what that means here."""

from __future__ import annotations

from typing import Any

import pytest

from s3_sync.errors import NotSupported, PreconditionFailed, RemoteError
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import Link, ObjectInfo, ObjectMeta, PutOptions, PutResult
from s3_sync.model.segment_names import SegmentNamer
from s3_sync.providers.swift.link_writes import LinkWriter
from s3_sync.providers.swift.links import Links, version_of

ONE = Links(SegmentNamer("c", "copies"), KeyNamer.literal(""))
#: of container c in a mapping of the account
ALL = Links(SegmentNamer("c", "dr-c", "dr-"), KeyNamer.literal(""))
OUTSIDE = Link("", "")


@pytest.mark.parametrize(
    ("links", "link", "target"),
    [
        (ONE, Link("c", "a/ü %"), "copies/a/%C3%BC%20%25"),
        (ALL, Link("c", "o"), "dr-c/o"),
        (ALL, Link("d \u00e4", "o"), "dr-d%20%C3%A4/o"),
    ],
)
def test_link_leads_to_the_copies_and_back(links: Links, link: Link, target: str) -> None:
    assert links.headers(link, "") == [("X-Symlink-Target", target)]
    assert links.of_answer({"x-symlink-target": target}) == link
    assert links.of_row({"symlink_path": f"/v1/AUTH_r/{target}"}, "AUTH_r") == link


@pytest.mark.parametrize(
    ("links", "headers"),
    [
        (ONE, {"x-symlink-target": "other/o"}),
        (ONE, {"x-symlink-target": "copies/o", "x-symlink-target-account": "AUTH_x"}),
        (ONE, {"x-symlink-target": "copies_segments/o"}),
        (ALL, {"x-symlink-target": "other/o"}),
        (ALL, {"x-symlink-target": "dr-/o"}),
        (ONE, {"x-symlink-target": "copies/"}),
        (ONE, {"x-symlink-target": "%"}),
    ],
)
def test_link_to_what_the_mapping_does_not_copy_leads_outside(links: Links, headers: dict[str, str]) -> None:
    assert links.of_answer(headers) == OUTSIDE
    account = headers.get("x-symlink-target-account", "AUTH_r")
    assert links.of_row({"symlink_path": f"/v1/{account}/{headers['x-symlink-target']}"}, "AUTH_r") == OUTSIDE


def test_static_link_has_the_etag_of_its_original() -> None:
    static = Link("c", "o", "local")
    assert ONE.headers(static, "remote")[1:] == [("X-Symlink-Target-Etag", "remote")]
    answer = {"x-symlink-target": "copies/o", "x-symlink-target-etag": '"remote"'}
    assert ONE.of_answer(answer) == Link("c", "o", "remote")
    mark = {"x-object-meta-swift-link-etag": "local"}
    assert ONE.of_answer(answer | mark) == static
    # a client has made another link of it
    assert ONE.of_answer({"x-symlink-target": "copies/o", **mark}) == Link("c", "o")


def test_other_objects_are_no_links() -> None:
    assert ONE.of_answer({"etag": "x", "x-symlink-target": ""}) is None
    assert ONE.of_row({"name": "o"}, "AUTH_r") is None
    assert ONE.of_row({"symlink_path": 1}, "AUTH_r") is None
    assert ONE.of_row({"symlink_path": "/v1/AUTH_r/copies/o?version-id=1"}, "AUTH_r") is None


def test_version_of_tells_links_to_versions_from_those_of_clients() -> None:
    version = version_of({"x-symlink-target": "copies/o?version-id=123.456"})
    assert version == "symlink=get&version-id=123.456"
    for target in ("copies/o", "copies/o%3Fversion-id=1", "", "copies/o?x=y"):
        assert version_of({"x-symlink-target": target}) is None


class Silent:
    """A Swift that tells nothing about itself, and what it shows of whatever is written."""

    def __init__(self, shown: ObjectInfo) -> None:
        self.shown = shown
        self.deleted: list[str] = []

    def info(self) -> dict[str, Any]:
        return {}

    def put(self, key: str, *_: object) -> PutResult:
        return PutResult("etag")

    def head(self, name: str, key: str) -> ObjectInfo:
        return self.shown

    def delete(self, key: str, deleted_at: object) -> bool:
        self.deleted.append(key)
        return True


@pytest.mark.parametrize(
    ("size", "version", "error", "deleted"),
    [
        (0, "1400000000.00000", NotSupported, ["link"]),
        (7, "1400000000.00000", PreconditionFailed, []),
        (0, "1500000000.00000", PreconditionFailed, []),
    ],
)
def test_only_the_empty_object_that_was_to_be_a_link_is_deleted(
    size: int, version: str, error: type[RemoteError], deleted: list[str]
) -> None:
    """A server without symlinks stores an empty object; another client may have been faster."""
    meta = ObjectMeta(link=Link("c", "o")).marked(swift_timestamp="1400000000.00000")
    silent: Any = Silent(ObjectInfo("link", size, meta=ObjectMeta().marked(swift_timestamp=version)))
    links = Links(SegmentNamer("c", "b"), KeyNamer.plain())
    with pytest.raises(error):
        LinkWriter(silent, silent, silent, links).put("link", Link("c", "o"), PutOptions(0, meta))
    assert silent.deleted == deleted
