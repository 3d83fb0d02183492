"""Daemon, middleware, swift-s3-verify and Google Cloud Storage by its own API."""

from __future__ import annotations

import hashlib
import json
import signal
from pathlib import Path

import pytest

from cluster.test_shunt_lifecycle import SEGMENTS, fill
from s3_sync.verify.main import main
from servers.daemon import SyncDaemon
from servers.fake_gcs import Bucket, Chunk, FakeGcs, Refusal, Stored, md5_of
from servers.gcs_archive import GcsArchive
from servers.shunted import Shunted


@pytest.fixture
def archive(shunted: Shunted, gcs: FakeGcs) -> GcsArchive:
    options = {"restore_object": True, "remote_delete_after": 30 * 86400, "storage_class": "ARCHIVE"}
    return GcsArchive(shunted, gcs, **options)


def run(daemon: SyncDaemon) -> None:
    assert daemon.once().returncode == 0, daemon.log_text()


def test_objects_move_with_proof_and_come_back(
    shunted: Shunted, gcs: FakeGcs, archive: GcsArchive, tmp_path: Path
) -> None:
    daemon = SyncDaemon(shunted, tmp_path, [archive.mapping])
    bodies = fill(archive)
    before = {name: archive.get(name).headers for name in bodies}
    run(daemon)
    keys = [archive.prefix + name for name in bodies]
    manifests = [archive.manifest_key(name) for name in ("slo", "dlo")]
    assert archive.stored() == sorted([*keys, *manifests])
    for name, body in bodies.items():
        landed = archive.landed(name)
        assert (landed.data, landed.has_md5, landed.fields["storageClass"]) == (body, True, "ARCHIVE")
    assert "swift-slo-etag" in archive.landed("slo").fields["metadata"]
    entries = json.loads(gcs.objects(archive.bucket)[archive.manifest_key("slo")].data)
    assert [entry["name"].rpartition("/")[2] for entry in entries] == list(SEGMENTS)
    [*rules] = gcs.buckets[archive.bucket].lifecycle["rule"]
    assert [rule["condition"]["age"] for rule in rules] == [30, 30]
    for name, body in bodies.items():
        assert not archive.is_local(name)
        head = archive.ask("HEAD", name)
        assert head.headers["etag"] == before[name]["etag"]
        assert archive.get(name, Range="bytes=5-9").body == body[5:10]
        assert archive.get(name).body == body
        here = archive.restored(name)
        assert (here.body, here.headers["etag"]) == (body, before[name]["etag"])
        assert here.headers["x-object-meta-colour"] == before[name]["x-object-meta-colour"]
    listed = json.loads(archive.ask("GET", None, "format=json").body)
    assert {entry["name"] for entry in listed} == set(bodies)


def test_object_that_the_store_did_not_keep_as_sent_stays_here(
    shunted: Shunted, archive: GcsArchive, gcs: FakeGcs, tmp_path: Path
) -> None:
    """It is taken out of the store's hands between the upload and the proof."""
    archive.swift.put(archive.container, "object", b"data")

    def lose(request: object) -> bool:
        objects = gcs.objects(archive.bucket)
        if objects:
            next(iter(objects.values())).data = b"dama"
        return False

    with gcs.watched_by(lose):
        SyncDaemon(shunted, tmp_path, [archive.mapping]).once()
    assert archive.is_local("object")


def test_composite_object_is_proved_by_its_crc32c(
    shunted: Shunted, archive: GcsArchive, gcs: FakeGcs, tmp_path: Path
) -> None:
    """What another program has composed has no MD5."""
    objects = gcs.objects(archive.bucket)
    for name in ("same", "other"):
        archive.swift.put(archive.container, name, b"onetwo", {"Content-Type": "a/b"})
    for name, data in (("x/1", b"one"), ("x/2", b"two"), ("x/3", b"TWO")):
        objects[name] = Stored(name, data, {}, gcs.next_generation())
    same = gcs.compose(archive.bucket, archive.prefix + "same", ["x/1", "x/2"], contentType="a/b")
    gcs.compose(archive.bucket, archive.prefix + "other", ["x/1", "x/3"], contentType="a/b")
    run(SyncDaemon(shunted, tmp_path, [archive.mapping]))
    assert archive.landed("same").generation == same.generation, "it was sent again"
    assert archive.landed("same").fields["metadata"]["swift-etag"] == hashlib.md5(b"onetwo").hexdigest()
    assert (archive.landed("other").data, archive.landed("other").has_md5) == (b"onetwo", True)
    assert not archive.is_local("same")
    assert not archive.is_local("other")


def test_changes_of_a_container_arrive_one_by_one(shunted: Shunted, gcs: FakeGcs, tmp_path: Path) -> None:
    copy = GcsArchive(
        shunted, gcs, every_container=True, retain_local=True, propagate_delete=True, merge_namespaces=False
    )
    swift, daemon = copy.swift, SyncDaemon(shunted, tmp_path, [copy.mapping])
    swift.put(copy.container, "kept", b"kept", {"X-Object-Meta-A": "1"})
    swift.put(copy.container, "gone", b"gone")
    run(daemon)
    assert md5_of(copy.landed("kept").data) == md5_of(b"kept")
    generation = copy.landed("kept").generation
    swift.post(copy.container, "kept", {"X-Object-Meta-B": "ü", "Content-Type": "a/b"})
    swift.delete(copy.container, "gone")
    run(daemon)
    kept = copy.landed("kept")
    assert kept.generation == generation, "bytes were moved"
    assert kept.fields["metadata"]["b"] == "=?UTF-8?B?w7w=?="
    assert "a" not in kept.fields["metadata"]
    assert copy.prefix + "gone" not in copy.stored()
    # 12 MiB, of which a broken connection and a restart of the store cost a chunk each
    body = b"".join(bytes([number]) * (4 << 20) for number in range(3))
    for number in range(3):
        swift.put(copy.container, f"segments/{number}", body[number << 22 : (number + 1) << 22])
    swift.put(copy.container, "kept", b"", {"X-Object-Manifest": f"{copy.container}/segments/"})
    daemon.alter(values={"s3_sync.providers.gcs.resumable:CHUNK_SIZE": 4 << 20})
    gcs.chunks.extend([Chunk(1 << 20, 503), Chunk(0, 0)])
    run(daemon)
    assert copy.landed("kept").data == body


def test_kill_during_an_upload_leaves_nothing_and_the_object_arrives(
    shunted: Shunted, gcs: FakeGcs, tmp_path: Path
) -> None:
    copy = GcsArchive(shunted, gcs, retain_local=True, merge_namespaces=False)
    swift, daemon = copy.swift, SyncDaemon(shunted, tmp_path, [copy.mapping])
    bodies = [bytes([number]) * (4 << 20) for number in range(3)]
    segments = f"{copy.container}_segments"
    swift.put_container(segments)
    for number, body in enumerate(bodies):
        swift.put(segments, str(number), body)
    entries = json.dumps([{"path": f"/{segments}/{number}"} for number in range(3)]).encode()
    swift.request("PUT", copy.container, "slo", query="multipart-manifest=put", body=entries)
    for at, call, stored in (
        ("s3_sync.providers.gcs.resumable:Session._put", 1, 0),
        ("s3_sync.providers.gcs.writes:Writer.put", 1, 1),
    ):
        kill = {"at": at, "call": call, "moment": "after"}
        daemon.alter(kill=kill, values={"s3_sync.providers.gcs.resumable:CHUNK_SIZE": 4 << 20})
        assert daemon.once().returncode == -signal.SIGKILL
        assert len(copy.stored()) == stored
    daemon.alter()
    run(daemon)
    assert copy.landed("slo").data == b"".join(bodies)
    assert copy.stored() == sorted([copy.prefix + "slo", copy.manifest_key("slo")])


def test_verify_checks_a_bucket_and_leaves_it_as_it_was(
    gcs: FakeGcs, container_name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gcs.buckets[container_name] = Bucket(container_name)
    key = tmp_path / "key.json"
    key.write_text(gcs.key_json)
    arguments = ["--protocol", "gcs", "--endpoint", gcs.endpoint, "--password", str(key)]
    assert main([*arguments, "--bucket", container_name, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {each["state"] for each in found["checks"]} == {"ok", "note"}
    assert found["needed"] == found["advised"] == {}
    assert gcs.objects(container_name) == {}
    assert gcs.buckets[container_name].lifecycle == {}
    refusal = Refusal(403, "forbidden", "no storage.objects.update access")
    gcs.fail(refusal, when=lambda request: request.method == "PATCH", times=9)
    assert main([*arguments, "--bucket", container_name, "--quick"]) == 1
    gcs.forgive()
    assert "storage.objects.get, storage.objects.update" in capsys.readouterr().out
