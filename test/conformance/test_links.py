"""Symlinks, and metadata of the bucket itself, where the store has them."""

from __future__ import annotations

import pytest

from conformance.samples import md5, names, put, read
from s3_sync.errors import LinkTargetMissing, NotFound, NotSupported, PreconditionFailed
from s3_sync.model.objects import GetOptions, Link, ObjectMeta
from s3_sync.providers.base import Bucket, ListQuery, Provider

#: the local container that the bucket has the copies of
CONTAINER = "conformance"
TYPE = {"content-type": "application/symlink"}
TARGET = b"the target's bytes"


def link_to(name: str, etag: str = "", **user: str) -> ObjectMeta:
    return ObjectMeta(TYPE, user, link=Link(CONTAINER, name, etag))


@pytest.fixture
def has_links(bucket: Bucket) -> bool:
    """Where a store has no symlinks, it says so, and stores nothing."""
    if bucket.features.symlinks:
        put(bucket, "target", TARGET)
        return True
    with pytest.raises(NotSupported):
        put(bucket, "link", b"", link_to("target"))
    with pytest.raises(NotFound):
        bucket.head_object("link")
    return False


def test_link_is_described_and_read_as_itself(bucket: Bucket, has_links: bool) -> None:
    if not has_links:
        return
    meta = link_to("target ü%2F/x", colour="grün")
    put(bucket, "link", b"", meta)
    info = bucket.head_object("link")
    assert (info.meta.link, info.size, info.md5) == (meta.link, 0, md5(b""))
    assert (info.meta.user, info.meta.headers["content-type"]) == (meta.user, TYPE["content-type"])
    with bucket.get_object("link") as got:
        assert (got.info.meta.link, got.body.read()) == (meta.link, b"")
    [listed] = [each for each in bucket.list_objects(ListQuery()).objects if each.name == "link"]
    assert (listed.link, listed.size) == (meta.link, 0)


def test_object_is_read_as_it_is_stored_only_where_it_can_be_a_manifest(bucket: Bucket) -> None:
    put(bucket, "target", TARGET)
    if not bucket.features.native_large_objects:
        with pytest.raises(NotSupported):
            bucket.get_object("target", GetOptions(stored=True))
        return
    with bucket.get_object("target", GetOptions(stored=True)) as got:
        assert (got.info.md5, got.body.read()) == (md5(TARGET), TARGET)
    put(bucket, "link", b"", link_to("target"))
    with bucket.get_object("link", GetOptions(stored=True)) as got:
        assert (got.info.meta.link, got.body.read()) == (Link(bucket.name, bucket.namer.key("target")), b"")


def test_post_of_a_link_keeps_its_target(bucket: Bucket, has_links: bool) -> None:
    if not has_links:
        return
    put(bucket, "link", b"", link_to("target"))
    bucket.post_object("link", link_to("target", colour="red"))
    info = bucket.head_object("link")
    assert (info.meta.link, info.meta.user) == (Link(CONTAINER, "target"), {"colour": "red"})
    assert bucket.head_object("target").meta.user == {}


def test_post_for_what_is_no_such_link_raises_precondition_failed(bucket: Bucket, has_links: bool) -> None:
    if not has_links:
        return
    put(bucket, "link", b"", link_to("target"))
    for name, meta in (("link", ObjectMeta(TYPE)), ("target", link_to("x")), ("link", link_to("x"))):
        with pytest.raises(PreconditionFailed):
            bucket.post_object(name, meta)


def test_link_and_object_replace_each_other(bucket: Bucket, has_links: bool) -> None:
    if not has_links:
        return
    put(bucket, "name", b"bytes")
    put(bucket, "name", b"", link_to("target"))
    assert bucket.head_object("name").meta.link == Link(CONTAINER, "target")
    put(bucket, "name", b"bytes")
    assert (bucket.head_object("name").meta.link, read(bucket, "name")) == (None, b"bytes")
    assert read(bucket, "target") == TARGET


def test_delete_of_a_link_keeps_its_target(bucket: Bucket, has_links: bool) -> None:
    if not has_links:
        return
    put(bucket, "link", b"", link_to("target"))
    assert bucket.delete_object("link")
    assert names(bucket) == ["target"]
    assert read(bucket, "target") == TARGET


def test_static_link_needs_its_target(bucket: Bucket, has_links: bool) -> None:
    if not has_links:
        return
    put(bucket, "static", b"", link_to("target", md5(TARGET)))
    assert bucket.head_object("static").meta.link == Link(CONTAINER, "target", md5(TARGET))
    put(bucket, "second", b"", link_to("static", md5(TARGET)))
    for name, etag in (("target", md5(b"other bytes")), ("missing", md5(TARGET))):
        with pytest.raises(LinkTargetMissing):
            put(bucket, "link", b"", link_to(name, etag))
    with pytest.raises(NotFound):
        bucket.head_object("link")


def test_post_container_sets_and_removes_metadata_of_the_bucket(bucket: Bucket, provider: Provider) -> None:
    if not bucket.features.container_metadata:
        with pytest.raises(NotSupported):
            bucket.post_container({"x-container-meta-colour": "red"})
        assert provider.head_account() == {}
        return
    provider.head_account()
    bucket.post_container({"x-container-meta-colour": "grün", "x-container-read": ".r:*"})
    before = provider.head_bucket(bucket.name)
    bucket.post_container({"x-container-meta-colour": "", "x-container-meta-shape": "round"})
    after = provider.head_bucket(bucket.name)
    assert (before["x-container-meta-colour"], before["x-container-read"]) == ("grün", ".r:*")
    assert ("x-container-meta-colour" in after, after["x-container-meta-shape"]) == (False, "round")
    # a migration tells from it, or from X-Put-Timestamp, that there is something new
    assert "x-put-timestamp" in after or "last-modified" in after
