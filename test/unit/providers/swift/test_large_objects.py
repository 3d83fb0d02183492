"""What another Swift tells about its large objects: only what is proved counts."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest

from s3_sync.errors import ListingUnusable, NotFound, UnexpectedAnswer
from s3_sync.largeobject.manifest import joined_etag
from s3_sync.largeobject.naming import Named
from s3_sync.model.keys import KeyNamer
from s3_sync.model.segment_names import SegmentNamer
from s3_sync.providers.base import WriteOptions
from s3_sync.providers.large_objects import name_and_version
from s3_sync.providers.swift.bucket import SwiftBucket
from s3_sync.providers.swift.large_objects import SwiftLargeObjects
from s3_sync.streams.hashing import md5_hex
from unit.providers.swift.test_listing import Answer, row

MD5 = "a" * 32
MANIFEST = json.dumps([{"name": "/c_segments/1", "bytes": 3, "hash": MD5}]).encode()


def bucket_of(transport: Any) -> SwiftBucket:
    return SwiftBucket(transport, "c", KeyNamer.plain(), WriteOptions(segments=SegmentNamer("c", "c")))


class Told:
    """A transport to a Swift that tells what the test says."""

    clock: Any = None

    def __init__(self, answer: Callable[[str, dict[str, str]], Answer], info: Any = None) -> None:
        self._answer = answer
        self._info = info
        self.headers: list[tuple[str, str]] = []

    def request(self, method: str, path: str, *, query: str = "", headers: Any = ()) -> Answer:
        self.headers = list(headers)
        return self._answer(path, {name: values[0] for name, values in parse_qs(query).items()})

    def info(self) -> Any:
        return self._info

    @property
    def large(self) -> SwiftLargeObjects:
        transport: Any = self
        return bucket_of(transport).large_objects


def slo(body: bytes, etag: str) -> Told:
    return Told(lambda path, query: Answer(body, ETag=f'"{etag}"', X_Static_Large_Object="True"))


class TestManifest:
    @pytest.mark.parametrize("etag", [md5_hex(MANIFEST), joined_etag([MD5])])
    def test_manifest_with_its_etag_names_its_segments(self, etag: str) -> None:
        told = slo(MANIFEST, etag)
        assert told.large.named_by("c", "o") == Named(frozenset({("c_segments", "1")}))
        assert ("X-Newest", "true") in told.headers
        assert [each.name for each in told.large.manifest("o").segments] == ["1"]

    @pytest.mark.parametrize("body", [MANIFEST[:-1], b"[]", b"", b"<html>", b"[" * 20_000])
    def test_manifest_that_is_another_one_names_nothing_that_counts(self, body: bytes) -> None:
        large = slo(body, md5_hex(MANIFEST)).large
        for ask in (lambda: large.named_by("c", "o"), lambda: large.manifest("o")):
            with pytest.raises(UnexpectedAnswer, match="do not have its ETag"):
                ask()

    def test_object_that_is_gone_names_nothing(self) -> None:
        def missing(path: str, query: dict[str, str]) -> Answer:
            raise NotFound("404", status=404)

        assert Told(missing).large.named_by("c", "o") == Named()


class TestListing:
    def test_listing_that_ignores_the_marker_is_refused(self) -> None:
        same = json.dumps([row("a"), row("b")]).encode()
        large = Told(lambda path, query: Answer(same)).large
        assert large.list_manifests("c", "").next_after == "b"
        with pytest.raises(ListingUnusable, match="after the marker"):
            large.list_manifests("c", "b")
        dlo = Told(
            lambda path, query: Answer(same if query.get("limit") else b"", X_Object_Manifest="c_segments/a")
        )
        with pytest.raises(ListingUnusable, match=r"does not begin with|after the marker"):
            dlo.large.manifest("o")

    def test_listing_tells_how_much_there_should_be(self) -> None:
        large = Told(lambda path, query: Answer(b"[]", X_Container_Object_Count="7")).large
        page = large.list_manifests("c", "")
        assert (page.listed, page.total) == (0, 7)

    @pytest.mark.parametrize("written", ["True", "False"])
    def test_older_versions_are_listed_and_read_too(self, written: str) -> None:
        """Also where no more are made."""
        versions = [row("a", version_id=each, bytes=0) for each in ("null", "17.0", "16.0")]
        versions.append(row("b", version_id="9.0", slo_etag="x"))
        asked: list[dict[str, str]] = []

        def told(path: str, query: dict[str, str]) -> Answer:
            asked.append(query)
            if path == "/c/a":
                return Answer(b"", X_Object_Manifest=f"s/{query['version-id']}")
            if "versions" not in query:
                return Answer(json.dumps([row("a")]).encode(), X_Versions_Enabled=written)
            first = [each["version_id"] for each in versions].index(query.get("version_marker", "null"))
            rows = versions[first + bool(query.get("version_marker")) :][:2]
            return Answer(json.dumps(rows).encode(), X_Container_Object_Count="2")

        large, after, found = Told(told).large, "", list[str]()
        while (page := large.list_manifests("c", after)).next_after:
            found += [name for name, _ in page.objects]
            after = page.next_after
        assert [name_and_version(each) for each in found] == [
            ("a", "null"), ("a", "17.0"), ("a", "16.0"), ("b", "9.0"),
        ]  # fmt: skip
        assert asked[-1]["marker"] == "b"
        assert large.named_by("c", found[1]) == Named(below=("s", "17.0"))
        same = json.dumps(versions).encode()
        with pytest.raises(ListingUnusable, match="out of order"):
            Told(lambda path, query: Answer(same, X_Versions_Enabled="True")).large.list_manifests("c", after)

    def test_missing_container_is_not_an_empty_one(self) -> None:
        def missing(path: str, query: dict[str, str]) -> Answer:
            raise NotFound("404", status=404)

        with pytest.raises(NotFound):
            Told(missing).large.list_manifests("c", "")

    def test_account_that_lists_fewer_containers_than_it_has_is_refused(self) -> None:
        rows = {"": b'[{"name": "a"}]', "a": b""}

        def account(path: str, query: dict[str, str]) -> Answer:
            return Answer(rows[query.get("marker", "")], X_Account_Container_Count=count)

        count = "1"
        assert Told(account).large.containers() == ["a"]
        count = "2"
        with pytest.raises(UnexpectedAnswer, match="lists 1 of 2 containers"):
            Told(account).large.containers()
        with pytest.raises(UnexpectedAnswer, match="lists 0 of an unknown number of containers"):
            Told(lambda path, query: Answer(b"")).large.containers()


@pytest.mark.parametrize(
    "slo",
    [
        None, [], "x", {}, {"min_segment_size": 0, "max_manifest_segments": 0},
        {"min_segment_size": -1, "max_manifest_segments": "7"},
        {"min_segment_size": float("inf"), "max_manifest_segments": float("nan")},
        {"min_segment_size": 10**30, "max_manifest_segments": True},
    ],
)  # fmt: skip
def test_limits_that_make_no_sense_are_those_of_slo(slo: Any) -> None:
    limits = Told(lambda path, query: Answer(b""), {"slo": slo}).large.limits
    assert (limits.min_part, limits.max_parts) == (1, 1000)


def test_limits_are_those_that_the_cluster_tells() -> None:
    told = {"slo": {"min_segment_size": 1048576, "max_manifest_segments": 7}}
    limits = Told(lambda path, query: Answer(b""), told).large.limits
    assert (limits.min_part, limits.max_parts) == (1048576, 7)


def test_dlo_without_size_and_etag_has_those_of_its_segments() -> None:
    """As Swift describes one of 10,000 segments or more."""
    rows = {"": [row("p/1"), row("p/2")], "p/2": []}

    def told(path: str, query: dict[str, str]) -> Answer:
        if path == "/c_segments":
            return Answer(json.dumps(rows[query.get("marker", "")]).encode())
        date = "Mon, 30 Nov 2026 17:00:00 GMT"
        return Answer(b"", X_Object_Manifest="c%5Fsegments/p/", ETag=md5_hex(b""), Last_Modified=date)

    transport: Any = Told(told)
    found = bucket_of(transport).head_object("o")
    assert (found.size, found.etag, found.md5) == (6, joined_etag([MD5, MD5]), None)
    assert found.meta.marks["swift-source-dlo-etag"] == found.etag
