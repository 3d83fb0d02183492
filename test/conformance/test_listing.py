"""Listings: order, pages, prefixes, what is hidden."""

from __future__ import annotations

import itertools
import time

import pytest

from conformance.names import NAMES
from conformance.samples import everything, md5, names, put
from conformance.targets import ONE_WAY, Target
from s3_sync.errors import InvalidRequest
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ListedObject
from s3_sync.providers.base import Bucket, ListPage, ListQuery, Provider

pytestmark = pytest.mark.parametrize("target", ONE_WAY, indirect=True)

TREE = sorted(
    [
        *("a", "a!", "a-b", "a/1", "a/2", "a/b/1", "a/b/2", "a/b/3", "aa"),
        *("b", "b/1", "b/2/x", "b/2/y", "c", "d/e/f/g", "d/e/h", "e+f", "e f"),
        *("z\u00fc", "z\u00fc/1", "z\uffef", "z\U0001f600", "z\U0001f600/1"),
    ]
)


@pytest.fixture(scope="module")
def tree(provider: Provider, target: Target) -> Bucket:
    """A bucket that holds TREE, as far as the store can hold a name below another name."""
    bucket = provider.bucket("conformance", KeyNamer.literal("tree of this suite/"))
    for name in stored(target):
        put(bucket, name, name.encode())
    return bucket


def stored(target: Target) -> list[str]:
    """A file system has no name that is another one's directory."""
    if not target.quirks.names_below_names:
        return [name for name in TREE if not any(other.startswith(f"{name}/") for other in TREE)]
    if target.quirks.sorts_utf16:
        return [name for name in TREE if name != "z\uffef"]
    return TREE


def expected(present: list[str], query: ListQuery) -> list[str]:
    """What a listing must hold: the same rules, written down once more over a sorted list."""
    found: list[str] = []
    for name in sorted(present, key=lambda name: name.encode()):
        if not name.startswith(query.prefix) or name.encode() <= query.start_after.encode():
            continue
        rest = name[len(query.prefix) :]
        if query.delimiter and query.delimiter in rest:
            group = query.prefix + rest.split(query.delimiter)[0] + query.delimiter
            if group != query.start_after and group not in found:
                found.append(group)
        else:
            found.append(name)
    return found


@pytest.mark.parametrize("delimiter", ["", "/", "b"])
@pytest.mark.parametrize("prefix", ["", "a", "a/", "a/b/", "d/e/f", "z", "none"])
def test_listing_by_prefix_and_delimiter_is_the_same_in_any_pages(
    tree: Bucket, target: Target, prefix: str, delimiter: str
) -> None:
    wanted = expected(stored(target), ListQuery(prefix, "", delimiter))
    below = [name for name in stored(target) if name.startswith(prefix) and "/" in name[len(prefix) :]]
    for limit in (1, 2, 3, 1000):
        query = ListQuery(prefix, "", delimiter, limit)
        if delimiter == "b" and target.quirks.only_slashes_delimit and below:
            with pytest.raises(InvalidRequest):
                names(tree, query)
        else:
            assert names(tree, query) == wanted


@pytest.mark.parametrize("delimiter", ["", "/"])
@pytest.mark.parametrize("start", ["a", "a/", "a/1", "a/b", "b/2/", "zz", "z\u00fc", "A", "d/e/f/g"])
def test_listing_starts_after_the_given_name(
    tree: Bucket, target: Target, start: str, delimiter: str
) -> None:
    query = ListQuery("", start, delimiter, 4)
    wanted = expected(stored(target), query)
    if target.quirks.forgets_group_of_start and delimiter:
        wanted = [name for name in wanted if name > start]
    assert names(tree, query) == wanted


def test_listing_with_prefix_starts_after_the_given_name(tree: Bucket, target: Target) -> None:
    for prefix, start, delimiter in itertools.product(
        ["a/", "z"], ["a", "a/1", "a/b/", "z\u00fc"], ["", "/"]
    ):
        query = ListQuery(prefix, start, delimiter, 2)
        assert names(tree, query) == expected(stored(target), query), query


def test_listed_objects_have_name_size_and_etag(bucket: Bucket) -> None:
    put(bucket, "one", b"12345")
    put(bucket, "two/three", b"")
    (page_info,) = bucket.list_objects(ListQuery(delimiter="/")).objects
    assert (page_info.name, page_info.size, page_info.etag) == ("one", 5, md5(b"12345"))
    assert isinstance(page_info, ListedObject)
    assert abs(page_info.last_modified - time.time()) < 60
    page = bucket.list_objects(ListQuery())
    assert [(info.name, info.size) for info in page.objects] == [("one", 5), ("two/three", 0)]
    # a Swift's page is the last one if it is empty
    last = page if page.next_after is None else bucket.list_objects(ListQuery(start_after=page.next_after))
    assert last.next_after is None
    assert last is page or last == ListPage(())


def test_hostile_names_are_listed_in_order_in_any_pages(bucket: Bucket, target: Target) -> None:
    quirks = target.quirks
    avoided = quirks.refused_names | quirks.renamed.keys()
    held = [name for name_id, name in NAMES.items() if name_id not in avoided]
    for name in held:
        put(bucket, name)
    for limit in (1, 3, 1000):
        assert names(bucket, ListQuery(limit=limit)) == sorted(held, key=str.encode)
    query = ListQuery(delimiter="/", limit=2)
    assert names(bucket, query) == expected(held, query)


def test_stored_manifests_are_not_listed(
    bucket: Bucket, keys: Bucket, target: Target, provider: Provider, container_name: str
) -> None:
    if not target.quirks.stores_manifests:  # what is called like one is an object like any other
        bucket = provider.bucket(container_name, KeyNamer.plain())
        name = KeyNamer.literal("").manifest_key("large")
        put(bucket, name)
        assert names(bucket) == [name]
        assert names(bucket, ListQuery(delimiter="/")) == [".manifests/"]
        assert not bucket.manifests.has_any()
        return
    for name in ("a", "large"):
        put(bucket, name)
        put(keys, bucket.namer.manifest_key(name), b"[]")
    for limit in (1, 2, 3, 1000):
        assert names(bucket, ListQuery(limit=limit)) == ["a", "large"]
        assert names(bucket, ListQuery(delimiter="/", limit=limit)) == ["a", "large"]
        assert names(bucket, ListQuery(prefix=".manifests/", limit=limit)) == []


def test_object_named_like_a_manifest_is_listed(bucket: Bucket, keys: Bucket) -> None:
    put(keys, bucket.namer.manifest_key("large"), b"[]")
    put(bucket, ".manifests/mine")
    put(bucket, "z")
    assert names(bucket) == [".manifests/mine", "z"]
    assert names(bucket, ListQuery(delimiter="/", limit=1)) == [".manifests/", "z"]


def test_keys_outside_of_the_prefix_are_not_listed(
    provider: Provider, keys: Bucket, namer: KeyNamer, target: Target
) -> None:
    stem = namer.prefix.rstrip("/")
    bucket = provider.bucket("conformance", KeyNamer.literal(f"{stem}-x"))
    put(bucket, "mine")
    put(keys, f"{stem}-w")
    put(keys, f"{stem}-x")  # the prefix itself is no name
    put(keys, f"{stem}-y")
    for limit in (1, 1000):
        assert names(bucket, ListQuery(limit=limit)) == ["mine"]


def test_listing_without_objects_is_one_empty_page(bucket: Bucket) -> None:
    page = bucket.list_objects(ListQuery())
    assert (page.objects, page.prefixes, page.next_after) == ((), (), None)


def test_limit_above_that_of_the_store_lists_everything(bucket: Bucket) -> None:
    for number in range(3):
        put(bucket, f"{number}")
    entries = list(everything(bucket, ListQuery(limit=100_000)))
    assert [entry.name for entry in entries if isinstance(entry, ListedObject)] == ["0", "1", "2"]
