"""What a client's request brings into the cluster is what the migration would have written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from servers.live_migration import Live
from servers.local import Local
from servers.migrator import Migrator, S3Migration, SwiftMigration
from servers.pair import Store
from servers.process import wait_until
from servers.shunted import SEGMENT_SIZE, SOON, Shunted
from servers.swift import SwiftCluster

BODY = bytes(range(256)) * 300
OWNER = "x-object-transient-sysmeta-multi-cloud-internal-migrator"
New = Callable[..., Live]


@pytest.fixture
def from_swift(shunted: Shunted, swift: SwiftCluster) -> New:
    return lambda **options: Live.from_swift(shunted, swift, **options)


@pytest.fixture
def from_s3(shunted: Shunted, moto_store: Store) -> New:
    return lambda **options: Live.from_s3(shunted, moto_store, **options)


@pytest.fixture(params=["from_swift", "from_s3"])
def new(request: pytest.FixtureRequest) -> New:
    found: New = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def local(shunted: Shunted) -> Iterator[Local]:
    with Local(shunted) as local:
        yield local


def migrated(live: Live, directory: Path) -> int:
    """How many objects a pass of the migrator copies."""
    migrator = Migrator(live.cluster, directory, [live.entry])
    done = migrator.once()
    assert (done.returncode, done.stderr) == (0, ""), migrator.log_text()
    assert "Failed" not in migrator.log_text()
    moved: int = migrator.statuses()[0]["status"]["moved_count"]
    return moved


def test_migration_finds_what_a_client_has_read_equal(new: New, local: Local, tmp_path: Path) -> None:
    live = new()
    live.store("ü o", BODY, colour="red")
    assert live.ask("GET", "ü o").body == BODY
    live.arrives("ü o")
    found = local.version(live.container, "ü o")
    assert found.headers[OWNER] == found.timestamp.internal == found.data_timestamp.internal
    assert len(found.headers[f"{OWNER}-source"]) == 16
    assert migrated(live, tmp_path) == 0
    assert local.version(live.container, "ü o").timestamp == found.timestamp


def test_copy_has_the_time_and_the_expiry_of_a_swift_object(from_swift: New) -> None:
    live = from_swift()
    assert isinstance(live.migration, SwiftMigration)
    headers = {"X-Delete-At": "9999999999", "Content-Type": "a/b", "Cache-Control": "no-store"}
    live.migration.source.put(live.container, "o", BODY, headers)
    there = live.migration.source.request("HEAD", live.container, "o").headers
    got = live.ask("GET", "o").headers
    here = live.arrives("o").headers
    same = ("x-timestamp", "last-modified", "etag", "x-delete-at", "content-type", "cache-control")
    for found in (got, here):
        assert {name: found[name] for name in same} == {name: there[name] for name in same}


def test_marks_of_copies_in_a_bucket_are_no_metadata(from_s3: New) -> None:
    live = from_s3()
    live.store("o", BODY, **{"swift-timestamp": "0000000001.00000", "x-object-manifest": "a/b", "k": "v"})
    got = live.ask("GET", "o").headers
    assert (got["x-object-meta-k"], float(got["x-timestamp"]) > 1e9) == ("v", True)
    assert "x-object-manifest" not in got
    assert live.arrives("o").headers["x-timestamp"][:10] <= got["x-timestamp"][:10]


def test_what_a_client_has_deleted_is_not_migrated(from_s3: New, tmp_path: Path) -> None:
    live = from_s3()
    live.store("kept")
    live.store("deleted")
    assert live.ask("DELETE", "deleted").status == 204
    migrated(live, tmp_path)
    assert [live.ask("GET", name).status for name in ("kept", "deleted")] == [200, 404]
    (tombstone,) = live.cluster.object_dir(1, live.container, "deleted").glob("*.ts")
    tombstone.unlink()  # as after reclaim_age
    migrated(live, tmp_path)
    assert live.here("deleted").status == 404


def test_migration_deletes_what_a_client_has_read_when_the_source_does(from_s3: New, tmp_path: Path) -> None:
    live = from_s3()
    assert isinstance(live.migration, S3Migration)
    for name in ("gone", "changed", "kept"):
        live.store(name, BODY)
        live.ask("GET", name)
        live.arrives(name)
    live.ask("POST", "changed", headers={"X-Object-Meta-A": "b"})
    for name in ("gone", "changed"):
        live.migration.s3.delete_object(Bucket=live.migration.bucket, Key=name)
    migrated(live, tmp_path)
    assert [live.ask("GET", name).status for name in ("gone", "changed", "kept")] == [404, 200, 200]


def test_copies_between_containers_that_are_not_there(from_s3: New) -> None:
    source, target = from_s3(), from_s3()
    source.store("o", BODY, colour="red")
    there = {"Destination": f"/{target.container}/copy"}
    assert source.ask("COPY", "o", headers=there).status == 201
    assert target.ask("PUT", "put", headers={"X-Copy-From": f"/{source.container}/o"}).status == 201
    for name in ("copy", "put"):
        here = target.here(name, "GET")
        assert (here.body, here.headers["x-object-meta-colour"]) == (BODY, "red")


def test_write_of_a_client_is_not_overwritten_by_what_it_reads(from_s3: New, local: Local) -> None:
    """The source's object is newer than a delete, and older than the object that a client has written."""
    live = from_s3()
    live.ask("HEAD")
    live.ask("DELETE", "o")
    live.store("o", BODY)
    live.ask("PUT", "o", body=b"the client's")
    assert live.ask("GET", "o").body == b"the client's"
    assert OWNER not in local.version(live.container, "o").headers


def test_object_above_the_limit_has_the_segments_of_the_migration(
    from_s3: New, local: Local, tmp_path: Path
) -> None:
    live, body = from_s3(), b"0123456789abcdef" * (9 << 16)
    live.store("big", body)
    assert live.ask("GET", "big").body == body
    assert live.arrives("big").body == body
    version = local.version(live.container, "big").timestamp.normal
    segments = live.swift.names(f"{live.container}_segments")
    base = f"big/{version}/{len(body)}/{SEGMENT_SIZE}"
    assert segments == [f"{base}/{number:08d}" for number in range(1, 4)]
    headers = local.version(live.container, "big").headers
    assert headers[f"{OWNER}-remote-etag"] == hashlib.md5(body).hexdigest()
    assert all(OWNER not in local.version(f"{live.container}_segments", name).headers for name in segments)
    assert migrated(live, tmp_path) == 0


def upload(live: Live, name: str, *sizes: int) -> bytes:
    """In parts of so many MiB, the last of so many bytes; returns all of it."""
    assert isinstance(live.migration, S3Migration)
    s3, place = live.migration.s3, {"Bucket": live.migration.bucket, "Key": name}
    bodies = [bytes([number]) * (size << 20) for number, size in enumerate(sizes[:-1])] + [b"x" * sizes[-1]]
    identity = {**place, "UploadId": s3.create_multipart_upload(**place)["UploadId"]}
    parts = [
        {"PartNumber": number, "ETag": s3.upload_part(**identity, PartNumber=number, Body=body)["ETag"]}
        for number, body in enumerate(bodies, start=1)
    ]
    s3.complete_multipart_upload(**identity, MultipartUpload={"Parts": parts})
    return b"".join(bodies)


def test_object_in_parts_becomes_an_slo_of_them(
    shunted: Shunted, s3api: Store, local: Local, tmp_path: Path
) -> None:
    live = Live.from_s3(shunted, s3api)
    body = upload(live, "parts", 5, 5, 9)
    # its time, rounded up, comes within a second
    wait_until(lambda: reads(live, "parts", body) and live.here("parts").status == 200, SOON, "migrated")
    assert live.here("parts", "GET").body == body
    version = local.version(live.container, "parts").timestamp.normal
    base = f"parts/{version}/{len(body)}/{5 << 20}"
    segments = live.swift.names(f"{live.container}_segments")
    assert segments == [f"{base}/{number:08d}" for number in (1, 2, 3)]
    assert live.cluster.s3_client().head_object(Bucket=live.container, Key="parts")["ETag"].endswith('-3"')
    assert migrated(live, tmp_path) == 0


def test_object_in_uneven_parts_is_left_to_the_migration(
    shunted: Shunted, s3api: Store, tmp_path: Path
) -> None:
    live = Live.from_s3(shunted, s3api)
    body = upload(live, "uneven", 5, 6, 9)
    given_up = "Failed to restore"
    wait_until(lambda: reads(live, "uneven", body) and given_up in told(live, "uneven"), SOON, given_up)
    assert live.here("uneven").status == 404
    assert live.swift.names(f"{live.container}_segments") == []
    assert migrated(live, tmp_path) == 1
    assert live.here("uneven", "GET").body == body


def reads(live: Live, name: str, body: bytes) -> bool:
    assert live.ask("GET", name).body == body
    return True


def told(live: Live, name: str) -> str:
    """The lines of the proxy's log."""
    path = f"/{live.container}/{name}"
    return "\n".join(line for line in live.cluster.proxy_log.splitlines() if path in line)


def test_slo_comes_with_its_segments(from_swift: New, local: Local, tmp_path: Path) -> None:
    live = from_swift()
    assert isinstance(live.migration, SwiftMigration)
    source, segments = live.migration.source, f"{live.container}_segments"
    source.put_container(segments, {"X-Container-Meta-A": "b"})
    for name in ("1", "2"):
        source.put(segments, name, BODY)
    manifest = json.dumps([{"path": f"/{segments}/{name}"} for name in ("1", "2")]).encode()
    source.request("PUT", live.container, "slo", query="multipart-manifest=put", body=manifest)
    there = source.request("HEAD", live.container, "slo").headers
    assert live.ask("GET", "slo").body == BODY * 2
    here = live.arrives("slo")
    same = ("etag", "x-timestamp", "x-static-large-object", "content-length")
    assert {name: here.headers[name] for name in same} == {name: there[name] for name in same}
    assert live.swift.request("HEAD", segments).headers["x-container-meta-a"] == "b"
    for container, name in ((live.container, "slo"), (segments, "1"), (segments, "2")):
        found = local.version(container, name)
        assert found.headers[OWNER] == found.timestamp.internal
    assert migrated(live, tmp_path) == 0


def test_object_that_is_too_young_is_read_and_not_copied(from_s3: New, local: Local) -> None:
    live = from_s3(older_than=3600)
    live.store("o", BODY)
    assert live.ask("GET", "o").body == BODY
    assert live.here("o").status == 404


def test_only_names_with_the_prefix_are_shown(from_s3: New) -> None:
    live = from_s3(prefix="a/b")
    for name in ("a", "a/a", "a/b", "a/bc/d", "a/c", "b"):
        live.store(name)
    assert live.ask("GET").body == b"a/b\na/bc/d\n"
    assert live.ask("GET", query="delimiter=/").body == b"a/\n"
    assert live.ask("GET", query="delimiter=/&prefix=a/").body == b"a/b\na/bc/\n"
    assert live.ask("GET", query="delimiter=/&marker=a/").body == b""
    assert live.ask("GET", query="prefix=a/bc").body == b"a/bc/d\n"
    assert [live.ask("GET", name).status for name in ("a/b", "a/c", "b")] == [200, 404, 404]
    assert isinstance(live.migration, S3Migration)
