"""Daemon and middleware together: objects leave, are read, come back, and leave again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import pytest

from faults.proxy import FaultProxy
from servers.daemon import SyncDaemon
from servers.pair import Store
from servers.raw_swift import RawSwift
from servers.shunted import Archive, Shunted

BODY = bytes(range(256)) * 1000
SEGMENTS = {"one": b"1" * 100_000, "two": b"2" * 50_000}


@pytest.fixture
def archive(new_archive: Callable[..., Archive], s3api: Store, remote: FaultProxy) -> Archive:
    return new_archive(store=s3api.behind(remote.endpoint), restore_object=True, propagate_delete=True)


@pytest.fixture
def move(shunted: Shunted, archive: Archive, tmp_path: Path) -> Callable[[], None]:
    """A run of the daemon."""
    daemon = SyncDaemon(shunted, tmp_path, [archive.mapping])

    def run() -> None:
        done = daemon.once()
        assert done.returncode == 0, daemon.log_text()

    return run


def fill(archive: Archive) -> dict[str, bytes]:
    """A plain object, an SLO and a DLO; name -> bytes."""
    swift, segments = archive.swift, f"{archive.container}_segments"
    swift.put_container(segments)
    for name, data in SEGMENTS.items():
        swift.put(segments, f"slo/{name}", data)
        swift.put(segments, f"dlo/{name}", data)
    entries = [{"path": f"/{segments}/slo/{name}"} for name in SEGMENTS]
    headers = {"X-Object-Meta-Colour": "grün", "Content-Type": "a/b"}
    swift.put(archive.container, "plain", BODY, headers)
    swift.request(
        "PUT",
        archive.container,
        "slo",
        query="multipart-manifest=put",
        headers=headers,
        body=json.dumps(entries).encode(),
    )
    swift.put(archive.container, "dlo", b"", {**headers, "X-Object-Manifest": quote(f"{segments}/dlo/")})
    whole = b"".join(SEGMENTS.values())
    return {"plain": BODY, "slo": whole, "dlo": whole}


def test_moved_objects_are_read_restored_and_moved_without_upload(
    archive: Archive, remote: FaultProxy, move: Callable[[], None]
) -> None:
    bodies = fill(archive)
    before = {name: archive.get(name).headers for name in bodies}
    move()
    for name, body in bodies.items():
        assert not archive.is_local(name)
        head, got = archive.ask("HEAD", name), archive.get(name)
        assert got.body == body
        for header in ("etag", "content-type", "x-object-meta-colour", "x-timestamp", "last-modified"):
            assert head.headers[header] == got.headers[header] == before[name][header], (name, header)
        here = archive.restored(name)
        assert here.body == body
        assert here.headers["etag"] == before[name]["etag"]
    listed = json.loads(archive.ask("GET", None, "format=json").body)
    assert {entry["name"]: len(entry["content_location"]) for entry in listed} == dict.fromkeys(bodies, 2)

    sent = len(remote.calls())
    move()
    # the DLO is an SLO now, whose kind its copy has to say; of the others no byte travels again
    again = [key for key in remote.stored(since=sent) if not key.endswith("/dlo") and ".manifests" not in key]
    assert again == []
    for name, body in bodies.items():
        assert not archive.is_local(name)
        assert archive.get(name, Range="bytes=0-").body == body


def test_delete_of_moved_objects_removes_copies_and_listing_entries(
    archive: Archive, move: Callable[[], None]
) -> None:
    bodies = fill(archive)
    move()
    for name in bodies:
        assert archive.ask("DELETE", name).status == 204
    assert archive.stored() == []
    assert json.loads(archive.ask("GET", None, "format=json").body) == []
    move()
    assert [archive.get(name).status for name in bodies] == [404] * 3


def test_overwrite_of_archived_object_is_moved_and_read_as_new(
    archive: Archive, move: Callable[[], None]
) -> None:
    archive.swift.put(archive.container, "o", BODY)
    move()
    archive.swift.put(archive.container, "o", b"newer")
    assert archive.get("o").body == b"newer"
    move()
    got = archive.get("o", Range="bytes=0-")
    assert (got.body, got.headers["etag"]) == (b"newer", hashlib.md5(b"newer").hexdigest())


def test_mapping_of_account_is_moved_and_read_in_each_container(
    shunted: Shunted, s3api: Store, tmp_path: Path
) -> None:
    """Daemon and middleware use the same keys."""
    swift = RawSwift(shunted, "admin:admin", f"AUTH_{uuid4().hex[:8]}")
    first = Archive(shunted, s3api, swift=swift, every_container=True, restore_object=True)
    second = first.another_container("c ü %2F?")
    segments = f"{second.container}_segments"
    swift.put_container(segments)
    swift.put(first.container, "a/ü", b"first")
    swift.put(second.container, "a/ü", b"second")
    swift.put(segments, "one", b"1" * 10)
    manifest = json.dumps([{"path": f"/{segments}/one"}]).encode()
    swift.request("PUT", second.container, "slo", query="multipart-manifest=put", body=manifest)
    daemon = SyncDaemon(shunted, tmp_path, [first.mapping])
    assert daemon.once().returncode == 0, daemon.log_text()
    for archive, name, body in (
        (first, "a/ü", b"first"),
        (second, "a/ü", b"second"),
        (second, "slo", b"1" * 10),
    ):
        assert not archive.is_local(name)
        assert archive.get(name, Range="bytes=0-").body == body
    assert second.swift.names(second.container) == ["a/ü", "slo"]
    assert json.loads(second.get("slo", "multipart-manifest=get").body)[0]["name"] == f"/{segments}/one"
    assert first.get("a/ü").body == b"first"
    assert first.restored("a/ü").body == b"first"
    assert not second.is_local("a/ü")
