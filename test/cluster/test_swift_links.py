"""Symlinks and metadata of containers in another Swift, written by the provider."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from uuid import uuid4

import pytest
import swiftclient

from s3_sync.config.credentials.swift import SwiftCredentials
from s3_sync.config.secret import Secret
from s3_sync.errors import LinkTargetMissing, NotFound, NotSupported
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import GetOptions, Link, ObjectMeta, PutOptions
from s3_sync.model.segment_names import SegmentNamer
from s3_sync.providers.base import Bucket, ListQuery, WriteOptions
from s3_sync.providers.swift.provider import SwiftProvider
from s3_sync.streams.reader import BytesBody, read_all
from servers.server import AnyServer
from servers.swift import SwiftCluster
from servers.swift_spec import PIPELINE, TESTER2

BODY = b"0123456789"
MD5 = hashlib.md5(BODY).hexdigest()


def provider_of(cluster: SwiftCluster) -> SwiftProvider:
    user = {"identity": TESTER2.name, "secret": Secret(TESTER2.key)}
    return SwiftProvider(SwiftCredentials(provider="swift", endpoint=cluster.auth_url, **user), connections=4)


@pytest.fixture(scope="module")
def provider(swift: SwiftCluster) -> Iterator[SwiftProvider]:
    provider = provider_of(swift)
    yield provider
    provider.close()


@pytest.fixture
def remote(swift: SwiftCluster) -> swiftclient.Connection:
    return swift.client(TESTER2.name)


@pytest.fixture
def name() -> str:
    return f"copies-{uuid4().hex[:16]}"


@pytest.fixture
def bucket(provider: SwiftProvider, name: str) -> Bucket:
    """The bucket of a mapping of one container, ``c``."""
    return provider.bucket(name, KeyNamer.literal(""), WriteOptions(segments=SegmentNamer("c", name)))


def of_account(provider: SwiftProvider, prefix: str, container: str) -> Bucket:
    """The bucket of a container in a mapping of the account."""
    namer = SegmentNamer(container, prefix + container, prefix)
    return provider.bucket(prefix + container, KeyNamer.literal(""), WriteOptions(segments=namer))


def put(bucket: Bucket, key: str, data: bytes = b"", link: Link | None = None, **marks: str) -> None:
    meta = ObjectMeta({"content-type": "text/plain"}, {}, {}, link).marked(**marks)
    bucket.put_object(key, BytesBody(data), PutOptions(len(data), meta))


def test_link_leads_to_the_copy_of_its_target(
    bucket: Bucket, name: str, remote: swiftclient.Connection, provider: SwiftProvider
) -> None:
    put(bucket, "täräet", BODY)
    put(bucket, "link", link=Link("c", "täräet"))
    headers, body = remote.get_object(name, "link")
    assert body == BODY
    assert headers["content-location"].endswith(f"/{name}/täräet")
    [row] = [row for row in remote.get_container(name)[1] if row["name"] == "link"]
    assert (row["bytes"], row["symlink_path"].split("/", 3)[3]) == (0, f"{name}/t%C3%A4r%C3%A4et")
    # a mapping of the whole account
    prefix = f"{name}-"
    one, other = of_account(provider, prefix, "one"), of_account(provider, prefix, "other")
    put(other, "x", BODY)
    put(one, "link", link=Link("other", "x"))
    assert remote.get_object(f"{prefix}one", "link")[1] == BODY
    assert one.head_object("link").meta.link == Link("other", "x")


def test_foreign_links_at_the_remote_lead_nowhere(
    bucket: Bucket, name: str, remote: swiftclient.Connection
) -> None:
    put(bucket, "o", BODY)
    remote.put_container(f"{name}-other")
    for number, target in enumerate((f"{name}-other/o", f"{name}/o")):
        account = {"X-Symlink-Target-Account": "AUTH_x"} if number else {}
        remote.put_object(name, f"l{number}", b"", headers={"X-Symlink-Target": target, **account})
        assert bucket.head_object(f"l{number}").meta.link == Link("", "")
        with bucket.get_object(f"l{number}") as got:
            assert (got.info.meta.link, read_all(got.body)) == (Link("", ""), b"")
    links = {each.name: each.link for each in bucket.list_objects(ListQuery()).objects}
    assert links == {"l0": Link("", ""), "l1": Link("", ""), "o": None}


def test_static_link_to_an_slo_is_bound_to_the_copys_own_manifest(
    bucket: Bucket, name: str, remote: swiftclient.Connection
) -> None:
    """Segments have other containers and dates there, so the manifest has another MD5."""
    remote.put_container(name)
    remote.put_object(name, "segment", BODY)
    manifest = json.dumps([{"path": f"/{name}/segment"}])
    here = hashlib.md5(b"the manifest in the cluster").hexdigest()
    link = Link("c", "slo", here)
    headers = {"X-Object-Meta-Swift-Slo-Etag": hashlib.md5(b"of an older version").hexdigest()}
    remote.put_object(name, "slo", manifest, query_string="multipart-manifest=put", headers=headers)
    with pytest.raises(LinkTargetMissing):
        put(bucket, "link", link=link)
    remote.post_object(name, "slo", {"X-Object-Meta-Swift-Slo-Etag": here})
    put(bucket, "link", link=link)
    assert bucket.head_object("link").meta.link == link
    assert remote.get_object(name, "link")[1] == BODY


def test_static_link_that_fails_leaves_nothing(bucket: Bucket) -> None:
    put(bucket, "o", b"other bytes")
    for target in ("o", "missing"):
        with pytest.raises(LinkTargetMissing):
            put(bucket, "link", link=Link("c", target, MD5))
    with pytest.raises(NotFound):
        bucket.head_object("link")


def test_post_and_delete_are_about_the_link(
    bucket: Bucket, name: str, remote: swiftclient.Connection
) -> None:
    put(bucket, "o", BODY)
    link = Link("c", "o", MD5)
    put(bucket, "link", link=link)
    bucket.post_object("link", ObjectMeta({"content-type": "a/b"}, {"colour": "grün"}, {}, link))
    info = bucket.head_object("link")
    assert (info.meta.link, info.meta.user, info.meta.content_type) == (link, {"colour": "grün"}, "a/b")
    assert "x-object-meta-colour" not in remote.head_object(name, "o")
    assert bucket.delete_object("link")
    assert remote.get_object(name, "o")[1] == BODY


def test_objects_and_links_of_a_container_with_versions_are_read(
    bucket: Bucket, name: str, remote: swiftclient.Connection
) -> None:
    """Every object is a link there, to a version that nobody sees."""
    remote.put_container(name, headers={"X-Versions-Enabled": "true"})
    put(bucket, "o", BODY)
    put(bucket, "link", link=Link("c", "o"))
    put(bucket, "static", link=Link("c", "o", MD5))
    info = bucket.head_object("o")
    assert (info.meta.link, info.size, info.md5) == (None, len(BODY), MD5)
    for options in (GetOptions(), GetOptions(if_match=MD5)):
        with bucket.get_object("o", options) as got:
            assert (got.info.md5, read_all(got.body)) == (MD5, BODY)
    assert bucket.head_object("link").meta.link == Link("c", "o")
    assert bucket.head_object("static").meta.link == Link("c", "o", MD5)
    bucket.post_object("o", ObjectMeta({"content-type": "a/b"}, {"colour": "red"}))
    assert bucket.head_object("o").meta.user == {"colour": "red"}
    listed = {each.name: (each.link, each.size) for each in bucket.list_objects(ListQuery()).objects}
    assert listed["o"] == (None, len(BODY))


def test_container_with_versions_is_noticed_by_a_condition_first(
    bucket: Bucket, name: str, remote: swiftclient.Connection
) -> None:
    remote.put_container(name, headers={"X-Versions-Enabled": "true"})
    put(bucket, "o", BODY)
    with bucket.get_object("o", GetOptions(if_match=MD5)) as got:
        assert read_all(got.body) == BODY


def test_post_container_sets_removes_and_creates(
    bucket: Bucket, name: str, remote: swiftclient.Connection
) -> None:
    bucket.post_container({"x-container-meta-colour": ""})
    with pytest.raises(swiftclient.ClientException):
        remote.head_container(name)
    bucket.post_container({"x-container-meta-colour": "grün", "x-container-read": ".r:*"})
    found = remote.head_container(name)
    assert (found["x-container-meta-colour"], found["x-container-read"]) == ("grün", ".r:*")
    bucket.post_container({"x-container-meta-colour": "", "x-container-meta-shape": "round"})
    found = remote.head_container(name)
    assert "x-container-meta-colour" not in found
    assert (found["x-container-meta-shape"], found["x-container-read"]) == ("round", ".r:*")


def test_swift_without_symlinks_stores_none(
    start_server: Callable[[AnyServer], AnyServer], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ignores the headers, and would keep an empty object."""
    pipeline = [each for each in PIPELINE if each not in ("versioned_writes", "symlink")]
    cluster = start_server(SwiftCluster(proxy_pipeline=[*pipeline, "proxy-logging"]))
    with closing(provider_of(cluster)) as provider:
        bucket = provider.bucket(name, KeyNamer.literal(""))
        for is_told in (True, False):
            if not is_told:
                monkeypatch.setattr(provider.transport, "info", dict)
            with pytest.raises(NotSupported):
                put(bucket, "link", link=Link(name, "o"))
            with pytest.raises(NotFound):
                bucket.head_object("link")
