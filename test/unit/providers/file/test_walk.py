"""Listings of directories, against the sorted keys."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.samples import names, put
from conformance.test_listing import expected
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.base import ListQuery
from s3_sync.providers.file import walk
from s3_sync.providers.file.bucket import FileBucket
from servers.shared_directory import SharedDirectory

#: of bytes around the slash, and of names that are too long for one
parts = st.one_of(
    st.text(st.sampled_from("a-./0!\u00fc\uffff\U0001f600%A"), max_size=4),
    st.sampled_from(["x" * 241, "x" * 240, "x" * 240 + "-", "x" * 500, "x" * 239]),
)
keys = st.lists(parts, min_size=1, max_size=3).map("/".join).filter(lambda key: 0 < len(key.encode()) <= 1024)


@pytest.fixture(scope="module", params=[False, True], ids=["exact", "portable"])
def places(request: pytest.FixtureRequest) -> Iterator[SharedDirectory]:
    share = SharedDirectory(portable=request.param)
    share.provider().create_bucket("b")
    yield share
    share.remove()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(keys, max_size=12), st.data())
def test_any_listing_is_that_of_the_sorted_keys(
    places: SharedDirectory, present: set[str], data: st.DataObject
) -> None:
    provider = places.provider()
    try:
        bucket = provider.bucket("b", KeyNamer.literal(""))
        for key in names(bucket):
            bucket.delete_object(key)
        for key in sorted(present, key=hash):
            put(bucket, key)
        near = st.sampled_from(sorted(present) or [""])
        cut = st.builds(lambda key, end: key[:end], near, st.integers(0, 8))
        for _ in range(3):
            start = data.draw(st.one_of(st.just(""), near, keys))
            delimiter, limit = data.draw(st.sampled_from(["", "/", "-", "/a"])), data.draw(st.integers(1, 4))
            query = ListQuery(data.draw(st.one_of(st.just(""), cut)), start, delimiter, limit)
            assert names(bucket, query) == expected(sorted(present), query), query
    finally:
        provider.close()


def test_directory_with_more_entries_than_fit_in_memory_is_listed_in_order(
    bucket: FileBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each page reads it once, and holds as many of its entries as it shows, and one."""
    wanted = sorted(f"{number}-{letter}" for number in range(10) for letter in "abcd/")
    wanted = [name + "x" if name.endswith("/") else name for name in wanted]
    for name in wanted:
        put(bucket, name)
    scanned = []
    scandir = os.scandir

    def count(directory: int) -> object:
        scanned.append(directory)
        return scandir(directory)

    monkeypatch.setattr(os, "scandir", count)
    assert names(bucket, ListQuery(limit=3)) == sorted(wanted)
    assert len(scanned) <= 2 * len(wanted)
    scanned.clear()
    assert names(bucket) == sorted(wanted)
    assert len(scanned) == 1 + 10


def test_deep_directories_take_two_descriptors(bucket: FileBucket) -> None:
    name = "/".join("d" * 150)
    put(bucket, name)
    put(bucket, f"{name}/e")
    before = len(os.listdir("/proc/self/fd"))
    most = []
    opened = walk.Site.open_directory

    def count(*args: object, **options: object) -> int:
        found: int = opened(*args, **options)  # type: ignore[arg-type]
        most.append(len(os.listdir("/proc/self/fd")))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walk.Site, "open_directory", count)
        assert names(bucket) == [name, f"{name}/e"]
    assert max(most) - before < 12
    assert bucket.delete_object(name)
    assert bucket.delete_object(f"{name}/e")


def test_prefix_is_gone_to_directly(bucket: FileBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/b/c", "a/x/c", "z/y"):
        put(bucket, name)
    visited = []
    opened = walk.Site.open_directory

    def note(site: walk.Site, path: tuple[str, ...], create: bool = False) -> int:
        visited.append(path)
        return opened(site, path, create)

    monkeypatch.setattr(walk.Site, "open_directory", note)
    assert names(bucket, ListQuery(prefix="a/b/")) == ["a/b/c"]
    assert set(map(tuple, visited)) <= {("a", "b"), ("%meta", "a", "b")}
