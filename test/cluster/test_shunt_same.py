"""Answers of an archived object are, header by header, those of the same object in the cluster."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from functools import partial

import pytest

from servers.process import wait_until
from servers.raw_swift import Answer
from servers.shunted import Archive

BODY = b"archived" * 100
MD5 = hashlib.md5(BODY).hexdigest()
PARTS = (BODY, b"b" * 50)
ORIGIN = "http://example.org"
#: that differ between any two requests, or between any two objects
TIMES = {"date", "last-modified", "x-timestamp", "x-trans-id", "x-openstack-request-id"}
LOCAL = {"X-Cloud-Sync-Shunt-Bypass": "yes"}


@pytest.fixture
def archive(new_archive: Callable[..., Archive]) -> Archive:
    archive = new_archive()
    headers = {
        "X-Container-Meta-Access-Control-Allow-Origin": ORIGIN,
        "X-Container-Meta-Access-Control-Expose-Headers": "x-own x-other",
    }
    archive.swift.request("POST", archive.container, headers=headers)
    return archive


def said(answer: Answer, name: str) -> dict[str, object]:
    name = name.removeprefix("to-")
    headers = {key: value.replace(name, "NAME") for key, value in answer.headers.items() if key not in TIMES}
    if "access-control-expose-headers" in headers:
        headers["access-control-expose-headers"] = str(
            sorted(headers["access-control-expose-headers"].split(", "))
        )
    return {**headers, "status": answer.status, "body": answer.body}


def compare(archive: Archive, here: str, gone: str) -> None:
    etag = archive.ask("HEAD", here).headers["etag"]
    for method in ("GET", "HEAD"):
        for query, headers in (
            ("", {}),
            ("", {"Origin": ORIGIN}),
            ("", {"Range": "bytes=1-2", "Origin": ORIGIN}),
            ("", {"Range": "bytes=9999-"}),
            ("", {"If-None-Match": etag}),
            ("part-number=2", {}),
            ("part-number=3", {}),
            ("multipart-manifest=get", {}),
            ("multipart-manifest=get&format=raw", {}),
        ):
            if (method, query[-3:]) == ("HEAD", "raw"):
                continue  # Swift cannot
            ours, theirs = (
                said(archive.swift.ask(method, archive.container, name, query=query, headers=headers), name)
                for name in (gone, here)
            )
            assert ours == theirs, (method, query, headers)


META = {"X-Object-Meta-Colour": "red", "X-Object-Meta-Size": "2", "Content-Type": "a/b"}
STORED = {"colour": "red", "size": "2"}


def test_answers_of_an_archived_object_are_those_of_a_local_one(archive: Archive) -> None:
    archive.swift.put(archive.container, "here", BODY, META)
    archive.store("gone", BODY, STORED, ContentType="a/b")
    compare(archive, "here", "gone")


def test_answers_of_an_archived_slo_are_those_of_a_local_one(archive: Archive) -> None:
    segments = f"{archive.container}_segments"
    archive.swift.put_container(segments)
    for number, data in enumerate(PARTS):
        archive.swift.put(segments, str(number), data)
    text = json.dumps([{"path": f"/{segments}/{number}"} for number in range(2)]).encode()
    archive.swift.request(
        "PUT", archive.container, "here", query="multipart-manifest=put", headers=META, body=text
    )
    manifest = archive.get("here", "multipart-manifest=get").body
    marks = {"x-static-large-object": "True", "swift-slo-etag": hashlib.md5(manifest).hexdigest()}
    archive.store("gone", b"".join(PARTS), {**STORED, **marks}, ContentType="a/b")
    archive.s3.put_object(Bucket=archive.bucket, Key=archive.manifest_key("gone"), Body=manifest)
    compare(archive, "here", "gone")


def test_answers_of_a_symlink_to_archived_object_are_those_to_a_local_one(archive: Archive) -> None:
    archive.swift.put(archive.container, "here", BODY, META)
    archive.store("gone", BODY, STORED, ContentType="a/b")
    for name in ("here", "gone"):
        target = {"X-Symlink-Target": f"{archive.container}/{name}"}
        archive.swift.put(archive.container, f"to-{name}", b"", target)
    compare(archive, "to-here", "to-gone")


def versioned(new_archive: Callable[..., Archive], **options: bool) -> Archive:
    archive = new_archive(**options)
    archive.swift.request("POST", archive.container, headers={"X-Versions-Enabled": "true"})
    return archive


def test_symlink_in_versioned_container_is_followed_to_archived_object(
    new_archive: Callable[..., Archive],
) -> None:
    archive, container = new_archive(), versioned(new_archive).container
    swift = archive.swift
    target = {"X-Symlink-Target": f"{archive.container}/target"}
    swift.put(archive.container, "target", BODY)
    swift.put(container, "soft", b"", target)
    swift.put(container, "bound", b"", {**target, "X-Symlink-Target-Etag": MD5})
    before = {name: said(swift.request("GET", container, name), name) for name in ("soft", "bound")}
    swift.delete(archive.container, "target")
    archive.store("target", BODY, ContentType="application/octet-stream")
    for name, answer in before.items():
        assert said(swift.request("GET", container, name), name) == answer
    archive.store("target", b"another")
    assert swift.request("GET", container, "soft").body == b"another"
    assert swift.ask("GET", container, "bound").status == 409


def test_copy_of_expired_symlink_or_version_is_404(new_archive: Callable[..., Archive]) -> None:
    """Such copies do not have the X-Delete-At of the link itself."""
    archive = new_archive(propagate_post=True)
    swift = archive.swift
    places = [
        (archive, "link", {"X-Symlink-Target": "c/secret"}, ""),
        (archive, "kept", {"X-Symlink-Target": "c/secret"}, ""),
        (versioned(new_archive, propagate_post=True), "version", {}, "_0000000000000001"),
    ]
    for place, name, headers, offset in places:
        expiry = {} if name == "kept" else {"X-Delete-At": str(int(time.time()) + 2)}
        swift.put(place.container, name, b"", {**headers, **expiry})
        link = swift.request("HEAD", place.container, name, query="symlink=get").headers
        place.store(name, b"secret", {"swift-timestamp": link["x-timestamp"] + offset})
    for place, name, _, _ in places:
        if name == "kept":
            swift.delete(place.container, name)  # as a lifecycle mapping keeps what a client deletes
            assert place.get(name).body == b"secret"
            continue
        ask = partial(swift.ask, "HEAD", place.container, name, query="symlink=get", headers=LOCAL)
        wait_until(lambda ask=ask: ask().status == 404, 30, "expiry")
        assert [place.ask(method, name).status for method in ("GET", "POST", "HEAD")] == [404] * 3


def test_listing_entries_of_copied_link_slo_and_dlo_are_the_local_ones(
    new_archive: Callable[..., Archive],
) -> None:
    archive = new_archive(retain_local=True)
    swift, container = archive.swift, archive.container
    swift.put(container, "seg/1", BODY)
    swift.put(container, "link", b"", {"X-Symlink-Target": f"{container}/seg/1", "Content-Type": "a/b"})
    swift.put(container, "dlo", b"", {"X-Object-Manifest": f"{container}/seg/", "Content-Type": "a/b"})
    text = json.dumps([{"path": f"/{container}/seg/1"}]).encode()
    swift.request(
        "PUT", container, "slo", query="multipart-manifest=put", headers={"Content-Type": "a/b"}, body=text
    )
    alone = json.loads(swift.request("GET", container, query="format=json", headers=LOCAL).body)
    for name in ("seg/1", "link", "dlo", "slo"):
        archive.store(name, BODY)
    both = json.loads(swift.request("GET", container, query="format=json").body)
    assert [{k: v for k, v in each.items() if k != "content_location"} for each in both] == alone
    assert all(each["content_location"][-1] == "swift" for each in both)
