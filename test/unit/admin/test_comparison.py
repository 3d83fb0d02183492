"""Both sides of a container: a page at a time, in the same order, with as few requests as will do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from s3_sync.admin.comparison import (
    DELETED,
    DIFFERENT,
    EXTRA,
    METADATA,
    MISSING,
    REFUSED,
    UNSURE,
    Comparison,
    Depth,
    Finding,
    Sides,
)
from s3_sync.cluster.newest import LocalState
from s3_sync.config.settings import Profile
from s3_sync.errors import LocalError, LocalUnavailable, StateError
from s3_sync.largeobject.manifest import Manifest
from s3_sync.model.objects import GetOptions, ObjectInfo, ObjectMeta, PutOptions
from s3_sync.providers.base import GetResult
from s3_sync.runtime.concurrency import Item, Result, SerialPool
from s3_sync.streams.reader import BytesBody
from unit.sync.cluster import Swift, local_objects
from unit.sync.fake_node import CONTAINER, NAMER, mapping
from unit.sync.fake_object_server import Version
from unit.sync.store import WatchedBucket

#: of b"123"
ETAG = "202cb962ac59075b964b07152d234b70"


class Listing:
    """``LocalSwift``, as far as listings go."""

    def __init__(self, swift: Swift) -> None:
        self.swift = swift
        self.shuffled = False

    def objects(self, account: str, container: str, prefix: str, after: str = "") -> Iterator[dict[str, Any]]:
        records = [each for each in self.swift.objects_of(CONTAINER, prefix) if each["name"] > after]
        yield from sorted(records, key=lambda each: each["name"], reverse=self.shuffled)


class ReadBucket(WatchedBucket):
    """One that may be read, too."""

    def get_object(self, name: str, options: GetOptions | None = None) -> GetResult:
        result: GetResult = self._call(
            "get", name, lambda: self.inner.get_object(name, options or GetOptions())
        )
        return result


class LosingPool(SerialPool):
    """What raises gives None, as with green threads."""

    def map(
        self, function: Callable[[Item], Result], items: Sequence[Item], timeout: float | None = None
    ) -> list[Result]:
        def run(item: Item) -> Any:
            with suppress(Exception):
                return function(item)

        return [run(item) for item in items]


class Two:
    """A container and a bucket. ``waiting``: what is pending, and ``fails`` why nobody knows; ``deleted``:
    whose delete is on record here."""

    def __init__(self, **profile: Any) -> None:
        self.swift = Swift()
        self.bucket = ReadBucket(NAMER, self.swift.clock.now)
        self.listing = Listing(self.swift)
        self.mapping = replace(mapping(), profile=Profile(**profile))
        self.waiting: dict[str, str] = {}
        self.deleted: set[str] = set()
        self.fails: Exception | None = None

    def copy(self, name: str, body: bytes | None = None) -> None:
        data = self.swift.content()[name] if body is None else body
        self.bucket.inner.put_object(
            name, BytesBody(data), PutOptions(len(data), meta=ObjectMeta({"content-type": "text/plain"}))
        )

    def damage(self, name: str) -> None:
        """Other bytes, under the ETag that they had."""
        objects = self.bucket.provider.store("bucket").objects
        key = NAMER.key(name)
        objects[key] = replace(objects[key], data=bytes(reversed(objects[key].data)))

    def pending(self, name: str, state: LocalState) -> str:
        if self.fails:
            raise self.fails
        return self.waiting.get(name, "")

    def compare(self, **depth: bool) -> Comparison:
        def deleted(names: Sequence[str]) -> set[str]:
            return self.deleted & set(names)

        sides = Sides(
            local_objects(self.swift),
            cast(Any, self.listing),
            cast(Any, self.bucket),
            LosingPool(),
            self.pending,
            deleted,
            self.swift.clock.now,
        )
        return Comparison(self.mapping, sides, Depth(**depth))

    def found(self, **depth: bool) -> dict[str, Finding]:
        return {each.name: each for page in self.compare(**depth).pages() for each in page.findings}

    def asked(self) -> set[str]:
        return {method for method, _ in self.bucket.calls}


@pytest.fixture
def two() -> Two:
    return Two()


def test_equal_sides_are_compared_by_listings_alone(two: Two) -> None:
    for name in ("a", "ü", "a/b", "\U0001f600", "\ufffd"):
        two.swift.put(name, name.encode())
        two.copy(name)
    assert two.found() == {}
    assert two.asked() == {"list"}


def test_differences_are_classified_and_pending_names_marked(two: Two) -> None:
    for name in ("gone", "lost", "other", "waits"):
        two.swift.put(name, b"12345")
    two.copy("other", b"54321")
    two.copy("gone")
    two.copy("nobody's", b"x")
    two.swift.delete("gone")
    two.swift.put("n" * 1100)
    two.waiting["waits"] = "soon"
    found = two.found()
    assert {name: each.what for name, each in found.items()} == {
        "gone": DELETED,
        "lost": MISSING,
        "n" * 1100: REFUSED,
        "nobody's": EXTRA,
        "other": DIFFERENT,
        "waits": MISSING,
    }
    assert {name for name, each in found.items() if each.pending} == {"waits"}
    assert two.bucket.sent == {}


def test_different_metadata_is_found_only_at_metadata_depth(two: Two) -> None:
    two.swift.put("o", b"1", **{"x-object-meta-colour": "red"})
    two.copy("o")
    assert two.found() == {}
    assert {name: each.what for name, each in two.found(metadata=True).items()} == {"o": METADATA}


@pytest.mark.parametrize("retain_local", [True, False])
def test_damaged_bytes_of_a_copy_are_found_only_at_content_depth(retain_local: bool) -> None:
    """Those of a copy that is all there is must be what was moved."""
    two = Two(retain_local=retain_local)
    for name in ("bad", "empty", "good"):
        two.swift.put(name, name.encode() if name != "empty" else b"")
        two.copy(name)
        if not retain_local:
            two.swift.delete(name, offset=1)
    assert two.found(content=True) == {}
    two.damage("bad")
    assert two.found() == two.found(metadata=True) == {}
    found = two.found(content=True)
    assert {name: (each.what, each.pending) for name, each in found.items()} == {"bad": (DIFFERENT, "")}
    assert ("have MD5" if retain_local else "hash to") in found["bad"].detail


def test_damaged_bytes_of_a_large_object_are_found_only_at_content_depth(two: Two) -> None:
    names = [f"/c_segments/{number}" for number in range(3)]
    for name in names:
        two.swift.put(name, name.encode() * 9)
    raw = two.swift.put_slo("slo", names)
    body = two.swift.read("slo") or b""
    marks = {"x-static-large-object": "True", "swift-slo-etag": Manifest.parse(raw).etag}
    meta = ObjectMeta({"content-type": "text/plain"}, marks=marks)
    two.bucket.inner.put_object("slo", BytesBody(body), PutOptions(len(body), meta=meta))
    two.bucket.inner.manifests.put("slo", raw)
    assert two.found(content=True) == {}
    two.damage("slo")
    assert two.found() == {}
    assert {name: each.what for name, each in two.found(content=True).items()} == {"slo": DIFFERENT}


def test_object_that_changes_while_its_copy_is_read_is_unsure(two: Two) -> None:
    two.swift.put("o", b"123")
    two.copy("o")
    two.damage("o")

    def meanwhile(method: str, name: str) -> None:
        if method == "get":
            two.swift.put("o", b"456")

    two.bucket.before = meanwhile
    found = two.found(content=True)["o"]
    assert (found.what, found.pending, found.detail.partition(":")[0]) == (UNSURE, "", "local_changed")


@dataclass(frozen=True)
class Damaged(Version):
    """Other bytes than were written."""

    def info(self, name: str, to_links: bool = False) -> ObjectInfo:
        return replace(super().info(name, to_links), etag=ETAG, md5=ETAG)


def test_damaged_bytes_of_a_replica_differ_from_the_copy(two: Two) -> None:
    two.swift.put("o", b"123")
    two.copy("o")
    version = two.swift.objects["o", 0]
    two.swift.objects["o", 0] = Damaged(b"321", version.data_timestamp, version.timestamp, version.headers)
    found = two.found(content=True)["o"]
    assert (found.what, found.detail.partition(" have MD5")[0]) == (DIFFERENT, "the bytes read from Swift")


def test_copy_of_moved_object_is_reported_only_after_a_client_delete() -> None:
    two = Two(retain_local=False)
    for name in ("deleted", "moved"):
        two.swift.put(name)
        two.copy(name)
    two.swift.delete("moved", offset=1)
    two.swift.delete("deleted")
    two.deleted.add("deleted")
    assert {name: each.what for name, each in two.found().items()} == {"deleted": DELETED}


def test_unreadable_local_state_is_unsure(two: Two) -> None:
    two.swift.put("o")
    two.swift.lost.add("o")
    found = two.found()["o"]
    assert (found.what, found.pending) == (UNSURE, "")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (LocalUnavailable("no answer"), "local_unavailable: no answer"),
        (StateError("no journal"), "state: no journal"),
        (KeyError("x"), "internal_error: KeyError('x')"),
    ],
)
def test_error_of_one_name_is_reported_as_unsure_with_its_reason(
    two: Two, error: Exception, reason: str
) -> None:
    """Else what is missing would be taken for what is right."""
    for name in ("fine", "lost"):
        two.swift.put(name, b"123")
    two.copy("fine")
    two.fails = error
    found = two.found(metadata=True)
    assert {name: (each.what, each.detail) for name, each in found.items()} == {"lost": (UNSURE, reason)}


def test_excluded_names_are_not_reported() -> None:
    two = Two(exclude=re.compile("tmp/"))
    two.swift.put("tmp/a")
    two.copy("tmp/b", b"x")
    assert two.found() == {}


def test_local_listing_out_of_order_raises_local_error(two: Two) -> None:
    for name in "ab":
        two.swift.put(name)
    two.listing.shuffled = True
    with pytest.raises(LocalError):
        two.found()


def test_comparison_resumes_after_the_last_name_of_a_page(two: Two) -> None:
    for number in range(2500):
        two.swift.put(f"{number:04}", b"x")
    pages = two.compare().pages()
    first = next(pages)
    assert (first.last, first.names, len(first.findings)) == ("0999", 1000, 1000)
    rest = list(two.compare().pages(first.last))
    assert [(page.last, page.names) for page in rest] == [("1999", 1000), ("2499", 500)]
