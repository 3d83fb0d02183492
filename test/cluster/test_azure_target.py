"""The daemon and cloud-shunt with a container of Azure as the target, at the strict blob service."""

from __future__ import annotations

import base64
import hashlib
import json
import signal
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from s3_sync.largeobject.manifest import Manifest
from s3_sync.model.keys import KeyNamer
from servers.azure_archive import AzureArchive
from servers.daemon import SyncDaemon
from servers.fake_azure import FakeAzure, Faults
from servers.process import wait_until
from servers.raw_swift import RawSwift
from servers.shunted import Shunted
from servers.swift import SwiftCluster

BODY = bytes(range(256)) * 1000
SEGMENTS = {"one": b"1" * 1_200_000, "two": b"2" * 50_000}
WHOLE = b"".join(SEGMENTS.values())
META = {"X-Object-Meta-Colour": "grün", "X-Object-Meta-2-Class": "a  b", "Content-Type": "a/b"}
MOVES: dict[str, Any] = {"retain_local": False, "merge_namespaces": True, "restore_object": True}


def run(daemon: SyncDaemon) -> None:
    done = daemon.once()
    assert done.returncode == 0, done.stderr + daemon.log_text()


def fill(archive: AzureArchive) -> None:
    """A plain object, an SLO and a DLO."""
    swift, segments = archive.swift, f"{archive.container}_segments"
    swift.put_container(segments)
    for name, data in SEGMENTS.items():
        swift.put(segments, f"slo/{name}", data)
        swift.put(segments, f"dlo/{name}", data)
    entries = [{"path": f"/{segments}/slo/{name}"} for name in SEGMENTS]
    swift.put(archive.container, "plain/ü", BODY, META)
    swift.request(
        "PUT", archive.container, "slo", query="multipart-manifest=put", headers=META,
        body=json.dumps(entries).encode(),
    )  # fmt: skip
    swift.put(archive.container, "dlo", b"", {**META, "X-Object-Manifest": quote(f"{segments}/dlo/")})


def test_objects_move_are_listed_and_read_and_come_back(
    shunted: Shunted, azure: FakeAzure, tmp_path: Path
) -> None:
    archive = AzureArchive(azure, RawSwift(shunted), **MOVES, propagate_delete=True)
    shunted.add(archive.mapping)
    fill(archive)
    archive.swift.put(archive.container, "unread", b"x")
    swift, container = archive.swift, archive.container
    etag = swift.request("HEAD", container, "slo").headers["etag"].strip('"')
    daemon = SyncDaemon(shunted, tmp_path, [archive.mapping])
    run(daemon)
    objects = {"plain/ü": BODY, "slo": WHOLE, "dlo": WHOLE, "unread": b"x"}
    manifests = {KeyNamer.literal("").manifest_key(name) for name in ("slo", "dlo")}
    assert archive.blobs.keys() == objects.keys() | manifests
    for name in ("slo", "dlo"):
        stored = archive.blobs[name].properties["content-md5"]
        assert base64.b64decode(stored).hex() == etag
        assert Manifest.parse(archive.blobs[KeyNamer.literal("").manifest_key(name)].data).size == len(WHOLE)
    assert not any(map(archive.is_local, objects))
    listed = json.loads(swift.request("GET", container, query="format=json").body)
    assert [(each["name"], each["content_location"]) for each in listed] == [
        (name, [f"Azure;{archive.bucket}"]) for name in sorted(objects)
    ]
    del objects["unread"]
    for name, body in objects.items():
        headers = {"Range": "bytes=5-9"}
        assert swift.request("GET", container, name, headers=headers).body == body[5:10]
    for name, body in objects.items():
        answer = swift.request("GET", container, name)
        assert answer.body == body
        assert {key: answer.headers.get(key.lower()) for key in META} == META
        wait_until(lambda: archive.is_local(name), 30, f"{name} restored")  # noqa: B023 - called at once
    back = swift.request("HEAD", container, "slo", headers={"X-Cloud-Sync-Shunt-Bypass": "yes"})
    assert (back.headers["etag"].strip('"'), back.headers["x-static-large-object"]) == (etag, "True")
    assert back.headers["content-length"] == str(len(WHOLE))
    assert swift.ask("DELETE", container, "unread").status == 204
    assert "unread" not in archive.blobs


def test_changes_of_metadata_move_no_bytes_and_deletes_arrive(
    swift: SwiftCluster, azure: FakeAzure, tmp_path: Path
) -> None:
    archive = AzureArchive(azure, RawSwift(swift), storage_class="Cool")
    daemon = SyncDaemon(swift, tmp_path, [archive.mapping])
    archive.swift.put(archive.container, "small", b"bytes", META)
    archive.swift.put(archive.container, "large", WHOLE)
    archive.swift.put(archive.container, "a\\b", b"refused")
    assert daemon.once().returncode == 1
    assert {name: reason for name, (_, reason, _) in daemon.unsettled().items()} == {"a\\b": "name_unsafe"}
    archive.swift.delete(archive.container, "a\\b")
    assert {name: blob.tier for name, blob in archive.blobs.items()} == {"small": "Cool", "large": "Cool"}
    sent = len(azure.requests)
    archive.swift.post(archive.container, "large", {"X-Object-Meta-New": "1", "Content-Type": "x/y"})
    archive.swift.delete(archive.container, "small")
    run(daemon)
    assert archive.writes(sent) == []
    (blob,) = archive.blobs.values()
    assert blob.data == WHOLE
    assert (blob.properties["content-type"], blob.metadata["_6Eew"], blob.tier) == ("x/y", "1", "Cool")
    assert blob.properties["content-md5"] == base64.b64encode(hashlib.md5(WHOLE).digest()).decode()
    sent = len(azure.requests)
    run(daemon)
    assert archive.writes(sent) == []


def test_containers_of_a_whole_account_share_one_container(
    swift: SwiftCluster, azure: FakeAzure, tmp_path: Path
) -> None:
    side = RawSwift(swift, "admin:admin", f"AUTH_{uuid4().hex}")
    archive = AzureArchive(azure, side, "/*")
    for container in ("One_Container", "ü ☃"):
        side.put_container(container)
        side.put(container, "o/1", container.encode(), META)
    run(SyncDaemon(swift, tmp_path, [archive.mapping]))
    expected = {
        KeyNamer.hashed(side.account, container).key("o/1"): container.encode()
        for container in ("One_Container", "ü ☃")
    }
    assert {key: blob.data for key, blob in archive.blobs.items()} == expected


def test_blob_in_the_archive_tier_is_rehydrated_by_a_read(
    shunted: Shunted, azure: FakeAzure, tmp_path: Path
) -> None:
    wanted = {"storage_class": "Archive", "archive_restore": {"tier": "Expedited"}}
    archive = AzureArchive(azure, RawSwift(shunted), **MOVES, **wanted)
    shunted.add(archive.mapping)
    swift, container = archive.swift, archive.container
    swift.put(container, "cold", BODY, META)
    run(SyncDaemon(shunted, tmp_path, [archive.mapping]))
    assert not archive.is_local("cold")
    assert archive.blobs["cold"].tier == "Archive"
    [listed] = json.loads(swift.request("GET", container, query="format=json").body)
    assert (listed["name"], listed["storage_class"]) == ("cold", "Archive")
    assert swift.ask("HEAD", container, "cold").status == 200
    for _ in range(2):
        answer = swift.ask("GET", container, "cold")
        assert (answer.status, answer.headers["retry-after"]) == (503, "60")
    assert archive.blobs["cold"].pending == "Hot"
    azure.store.finish_rehydration()
    assert swift.request("GET", container, "cold").body == BODY
    wait_until(lambda: archive.is_local("cold"), 30, "cold restored")


def test_kill_between_blocks_and_before_the_manifest_leaves_nothing_that_counts(
    shunted: Shunted, azure: FakeAzure, tmp_path: Path
) -> None:
    archive = AzureArchive(azure, RawSwift(shunted), **MOVES)
    shunted.add(archive.mapping)
    swift, segments = archive.swift, f"{archive.container}_segments"
    swift.put_container(segments)
    for number in "01":
        swift.put(segments, number, number.encode() * 1_200_000)
    entries = json.dumps([{"path": f"/{segments}/{number}"} for number in "01"]).encode()
    swift.request("PUT", archive.container, "slo", query="multipart-manifest=put", body=entries)
    daemon = SyncDaemon(shunted, tmp_path, [archive.mapping], workers=1)
    blocks = {"s3_sync.providers.azure.blocks:BLOCK": 500_000}
    steps = [
        {"at": "s3_sync.providers.azure.blocks:BlockWriter._put_block", "call": 4, "moment": "after"},
        {"at": "s3_sync.transfer.large_upload:write_manifest"},
    ]
    stored: list[list[str]] = []
    for step in steps:
        daemon.alter(values=blocks, kill=step)
        assert daemon.once().returncode == -signal.SIGKILL, daemon.log_text()
        stored.append(sorted(archive.blobs))
        assert archive.is_local("slo")
    assert stored == [[], ["slo"]]
    since = len(azure.requests)
    daemon.alter(values=blocks)
    run(daemon)
    manifest = KeyNamer.literal("").manifest_key("slo")
    assert [each.path for each in archive.writes(since)] == [f"/{archive.bucket}/{manifest}"]
    assert sorted(archive.blobs) == sorted(["slo", manifest])
    assert archive.blobs["slo"].data == b"0" * 1_200_000 + b"1" * 1_200_000
    assert azure.store.containers[archive.bucket].uncommitted == {}
    assert not archive.is_local("slo")


@pytest.mark.ends_in_the_middle
def test_signature_that_expires_on_the_way_is_replaced_while_the_daemon_runs(
    swift: SwiftCluster, azure: FakeAzure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = AzureArchive(azure, RawSwift(swift))
    sas = tmp_path / "sas"
    del archive.mapping["aws_secret"]
    archive.mapping["sas_token"] = {"file": str(sas)}

    def give(signature: str) -> None:
        new = tmp_path / "new"
        new.write_text(f"sv=2021-12-02&sp=rwdl&sig={signature}")
        new.chmod(0o600)
        new.replace(sas)

    def expire(*_: object) -> None:
        if len(archive.blobs) >= 3:
            azure.faults.sas = "the-second"

    monkeypatch.setattr(azure, "faults", Faults(sas="the-first", refuse=expire))
    give("the-first")
    names = [f"o{number}" for number in range(8)]
    for name in names:
        archive.swift.put(archive.container, name, name.encode())
    daemon = SyncDaemon(swift, tmp_path / "daemon", [archive.mapping], workers=1)
    child = daemon.start()
    try:
        wait_until(lambda: "AuthenticationFailed" in daemon.log_text(), 30, "the refusal")
        assert sorted(archive.blobs) == names[:3]
        give("the-second")
        child.signal(signal.SIGHUP)
        wait_until(lambda: sorted(archive.blobs) == names, 30, "arrival of the others")
    finally:
        daemon.stop()
    assert daemon.unsettled() == {}
    assert "the-first" not in daemon.log_text()
