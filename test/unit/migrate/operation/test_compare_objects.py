"""In what one object differs from its source."""

from __future__ import annotations

from typing import Any

import pytest

from s3_sync.largeobject.manifest import multipart_etag
from s3_sync.migrate.compare.local_objects import LocalObject
from s3_sync.migrate.compare.objects import differences
from s3_sync.model.objects import Link, ObjectInfo, ObjectMeta
from s3_sync.model.timestamps import Timestamp

VERSION = Timestamp.from_seconds(1000.0)
ONE, TWO = "a" * 32, "b" * 32
TYPE = {"content-type": "text/plain"}
SLO = {"x-static-large-object": "True"}


def source(**changed: Any) -> ObjectInfo:
    marks = changed.pop("marks", {})
    meta = changed.pop("meta", ObjectMeta(TYPE, {"color": "blue"}, marks))
    given: dict[str, Any] = {"size": 5, "etag": ONE, "md5": ONE, "meta": meta, **changed}
    return ObjectInfo("name", **given)


def local(**changed: Any) -> LocalObject:
    given: dict[str, Any] = {
        "size": 5, "etag": ONE, "timestamp": VERSION, "meta": ObjectMeta(TYPE, {"color": "blue"}),
        "is_owned": True, **changed,
    }  # fmt: skip
    return LocalObject(**given)


def kinds(here: LocalObject, there: ObjectInfo) -> list[str]:
    return [what for what, _ in differences(here, there, VERSION)]


def test_same_object_has_no_differences() -> None:
    assert kinds(local(), source()) == []


@pytest.mark.parametrize(
    ("here", "there", "found"),
    [
        ({}, {"size": 6}, ["size"]),
        ({}, {"etag": TWO, "md5": TWO}, ["digest"]),
        ({}, {"meta": ObjectMeta(TYPE, {"color": "red"})}, ["metadata"]),
        ({}, {"meta": ObjectMeta(TYPE, {})}, ["metadata"]),
        ({}, {"meta": ObjectMeta({"content-type": "a/b"}, {"color": "blue"})}, ["metadata"]),
        ({}, {"expires": 9}, ["metadata"]),
        ({}, {"marks": {"x-delete-at": "9"}}, ["metadata"]),
        ({"etag": TWO}, {"size": 6, "expires": 9}, ["size", "metadata"]),
    ],
)
def test_plain_object_differs(here: dict[str, Any], there: dict[str, Any], found: list[str]) -> None:
    assert kinds(local(**here), source(**there)) == found


def test_same_expiry_is_no_difference() -> None:
    expiring = local(meta=ObjectMeta(TYPE, {"color": "blue"}, {"x-delete-at": "9"}))
    assert kinds(expiring, source(expires=9)) == []
    assert kinds(expiring, source(marks={"x-delete-at": "9"})) == []


def test_size_that_swift_adds_to_the_type_is_no_difference() -> None:
    meta = ObjectMeta({"content-type": "text/plain;swift_bytes=5"}, {"color": "blue"})
    assert kinds(local(meta=meta), source()) == []


def test_type_that_the_source_does_not_have_is_no_difference() -> None:
    assert kinds(local(), source(meta=ObjectMeta({}, {"color": "blue"}))) == []


def test_object_in_parts_is_compared_by_the_mark_or_by_its_segments() -> None:
    etag = multipart_etag([ONE, TWO])
    there = source(etag=etag, md5=None)
    slo = {"kind": "slo", "etag": "c" * 32, "parts": (ONE, TWO)}
    assert kinds(local(**slo), there) == []
    assert kinds(local(**{**slo, "parts": (TWO, TWO)}, source_etag=etag), there) == []
    assert kinds(local(**slo, source_etag="other-2"), there) == ["digest"]
    unmarked = local(**{**slo, "parts": (TWO, TWO)}, is_owned=False)
    assert kinds(unmarked, there) == ["unsure"]


def test_object_without_a_digest_is_proved_by_its_version() -> None:
    there = source(etag="opaque", md5=None)
    assert kinds(local(), there) == []
    assert kinds(local(timestamp=Timestamp.from_seconds(999.0)), there) == ["unsure"]


def test_slo_of_another_swift_is_compared_by_its_etag() -> None:
    there = source(etag=TWO, md5=None, marks=SLO, x_timestamp=VERSION)
    assert kinds(local(kind="slo", etag=TWO), there) == []
    assert kinds(local(kind="slo", etag=ONE), there) == ["digest"]
    assert kinds(local(kind="plain", etag=TWO), there) == ["digest"]


def test_dlo_of_another_swift_is_compared_by_manifest_and_segments() -> None:
    there = source(etag=TWO, md5=None, marks={"x-object-manifest": "c/p"}, x_timestamp=VERSION)
    assert kinds(local(kind="dlo", target="c/p", etag=TWO), there) == []
    assert kinds(local(kind="dlo", target="c/q", etag=TWO), there) == ["digest"]
    assert kinds(local(kind="dlo", target="c/p", etag=ONE), there) == ["digest"]
    assert kinds(local(kind="slo", etag=TWO), there) == ["digest"]


def test_symlink_is_compared_by_its_target() -> None:
    meta = ObjectMeta(TYPE, {"color": "blue"}, link=Link("c", "n m"))
    there = source(size=0, md5=None, meta=meta, x_timestamp=VERSION)
    assert kinds(local(kind="link", target="c/n%20m", size=0), there) == []
    assert kinds(local(kind="link", target="c/other", size=0), there) == ["digest"]
    assert kinds(local(), there) == ["digest"]
