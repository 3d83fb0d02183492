"""cloud-shunt in front of another Swift."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest

from conformance.names import NAMES
from faults.proxy import FaultProxy
from faults.rewritten import edited
from servers.server import AnyServer
from servers.short_pages import short_pages
from servers.shunted import Shunted
from servers.swift import SwiftCluster
from servers.swift_archive import SwiftArchive
from servers.swift_spec import TESTER, TESTER2

BODY = bytes(range(256)) * 1000
MD5 = hashlib.md5(BODY).hexdigest()
New = Callable[..., SwiftArchive]


@pytest.fixture
def new(shunted: Shunted, swift: SwiftCluster) -> New:
    return lambda **options: SwiftArchive(shunted, swift, **options)


def test_archived_object_has_the_headers_it_had_in_swift(new: New) -> None:
    archive, written = new(), 1_500_000_000.12345
    archive.swift.put(archive.container, "local", b"here", {"X-Object-Meta-Colour": "grün"})
    archive.store(
        "a/ü %2F",
        BODY,
        {"Colour": "Grün", "swift-timestamp": f"{written:.5f}", "x-delete-at": "1999999999"},
        Content_Type="text/plain",
        Content_Encoding="rot13",
    )
    got, head = archive.get("a/ü %2F"), archive.ask("HEAD", "a/ü %2F")
    assert (got.status, got.body, head.status, head.body) == (200, BODY, 200, b"")
    expected = {
        "content-length": str(len(BODY)),
        "content-type": "text/plain",
        "content-encoding": "rot13",
        "etag": MD5,
        "x-object-meta-colour": "Grün",
        "x-timestamp": f"{written:.5f}",
        "x-delete-at": "1999999999",
        "last-modified": formatdate(1_500_000_001, usegmt=True),
    }
    local = archive.get("local")
    for answer in (got, head):
        assert {name: answer.headers.get(name) for name in expected} == expected
        assert set(answer.headers) - set(local.headers) == {"content-encoding", "x-delete-at"}


def test_ranges_and_conditions_are_answered_like_swift(new: New) -> None:
    archive = new()
    archive.store("o", BODY)
    archive.swift.put(archive.container, "local", BODY)
    requests: list[dict[str, str]] = [
        {"Range": "bytes=5-9"},
        {"Range": "bytes=-5"},
        {"Range": f"bytes={len(BODY)}-"},
        {"Range": "bytes=0-0,7-8"},
        {"If_Match": "none"},
        {"If_Match": MD5},
        {"If_None_Match": MD5},
        {"If_Modified_Since": formatdate(time.time() + 10, usegmt=True)},
    ]
    for headers in requests:
        ours, theirs = archive.get("o", **headers), archive.get("local", **headers)
        assert (ours.status, ours.headers.get("content-range")) == (
            theirs.status,
            theirs.headers.get("content-range"),
        )
        if theirs.status == 200 or "," not in headers.get("Range", ""):
            assert ours.body == theirs.body
    assert archive.get("absent").status == 404


def test_odd_names_are_listed_and_read(new: New) -> None:
    archive = new()
    for name in NAMES.values():
        archive.store(name, name.encode())
    listed = json.loads(archive.swift.request("GET", archive.container, query="format=json").body)
    assert [record["name"] for record in listed] == sorted(NAMES.values(), key=str.encode)
    for name in NAMES.values():
        assert archive.get(name).body == name.encode()


def test_listing_of_a_store_with_short_pages_is_complete(shunted: Shunted, swift: SwiftCluster) -> None:
    with FaultProxy.before(swift.s3_endpoint) as proxy:
        proxy.when(edited(short_pages(3)), method="GET", where=lambda call: "format=json" in call.query)
        archive = SwiftArchive(shunted, swift, through=proxy.endpoint)
        names = [f"o{number:02}" for number in range(20)]
        for number, name in enumerate(names):
            if number % 3:
                archive.store(name)
            else:
                archive.swift.put(archive.container, name)
        found = json.loads(archive.swift.request("GET", archive.container, query="format=json").body)
        assert [record["name"] for record in found] == names
        assert [record.get("content_location") for record in found[:2]] == [None, [archive.location]]


def test_missing_remote_container_is_an_empty_one(new: New) -> None:
    archive = new()
    archive.remote.request("DELETE", archive.bucket)
    archive.swift.put(archive.container, "local")
    listed = json.loads(archive.swift.request("GET", archive.container, query="format=json").body)
    assert [record["name"] for record in listed] == ["local"]
    assert archive.get("absent").status == 404


def test_delete_of_archived_object_deletes_its_copy(new: New) -> None:
    archive = new(propagate_delete=True)
    archive.store("o", BODY)
    archive.store("newer", BODY, {"swift-timestamp": f"{time.time() + 1000:.5f}"})
    assert archive.ask("DELETE", "o").status == 204
    assert archive.ask("DELETE", "newer").status == 409
    assert archive.stored() == ["newer"]
    assert archive.ask("DELETE", "o").status == archive.get("o").status == 404


def test_post_changes_the_metadata_of_an_archived_object(new: New) -> None:
    archive = new(propagate_post=True)
    archive.store("o", BODY, {"Colour": "red"})
    assert archive.ask("POST", "o", X_Object_Meta_Colour="Blue", X_Delete_After="1000").status == 202
    got = archive.get("o")
    assert (got.body, got.headers["x-object-meta-colour"]) == (BODY, "Blue")
    assert int(got.headers["x-delete-at"]) > time.time()
    assert float(got.headers["x-timestamp"]) > time.time() - 60


def test_read_of_an_archived_object_restores_it(new: New) -> None:
    archive = new(restore_object=True)
    archive.store("o", BODY, {"Colour": "Grün", "x-delete-at": "1999999999"}, Content_Type="a/b")
    assert archive.get("o").body == BODY
    restored = archive.restored("o")
    assert restored.body == BODY
    wanted = {"x-object-meta-colour": "Grün", "x-delete-at": "1999999999", "content-type": "a/b"}
    assert {name: restored.headers.get(name) for name in wanted} == wanted
    assert not [name for name in restored.headers if "swift-copy" in name or "swift-timestamp" in name]


def test_object_that_has_expired_is_hidden(new: New) -> None:
    archive = new()
    archive.store("o", BODY, {"x-delete-at": str(int(time.time()) - 5)})
    assert archive.get("o").status == archive.ask("HEAD", "o").status == 404


def test_clusters_that_show_each_other_answer_what_neither_has(
    start_server: Callable[[AnyServer], AnyServer], shunted: Shunted
) -> None:
    other = Shunted()
    start_server(other)
    archive = SwiftArchive(shunted, other, retain_local=True)
    # the way back: the other cluster shows what the first one has
    back: dict[str, Any] = {
        **archive.mapping,
        "account": archive.remote.account,
        "container": archive.bucket,
        "aws_bucket": archive.container,
        "aws_endpoint": shunted.auth_url,
        "aws_identity": TESTER.name,
        "aws_secret": TESTER.key,
    }
    other.add(back)
    archive.swift.put(archive.container, "here", b"1")
    archive.remote.put(archive.bucket, "there", b"2")
    assert archive.get("there").body == b"2"
    assert archive.remote.ask("GET", archive.bucket, "here").body == b"1"
    began = time.monotonic()
    assert archive.get("nowhere").status == 404
    assert archive.remote.ask("GET", archive.bucket, "nowhere").status == 404
    assert time.monotonic() - began < 10
    for side, container in ((archive.swift, archive.container), (archive.remote, archive.bucket)):
        listed = json.loads(side.request("GET", container, query="format=json").body)
        assert [record["name"] for record in listed] == ["here", "there"]
    # one request at each side for each of ours: nothing goes round
    path = f"/v1/{TESTER2.account}/{archive.bucket}/nowhere"
    asked = [one for one in other.requests("proxy", "GET") if one.path.partition("?")[0] == path]
    assert len(asked) == 2
