"""--compare of the real migrator, between real servers."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from servers.migrator import Migrator, S3Migration, SwiftMigration
from servers.pair import Store
from servers.swift import SwiftCluster

#: the smallest part that S3 takes, but for the last one
PART = 5 << 20


def compared(migrator: Migrator, *arguments: str) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Return the exit code, the findings by name, and the summary."""
    done = run(migrator, "--compare", "--json", *arguments)
    assert done.stderr == ""
    *findings, summary = (json.loads(line) for line in done.stdout.splitlines())
    return done.returncode, {each["name"]: each["what"] for each in findings}, summary


def upload(migration: S3Migration, name: str, *parts: bytes) -> None:
    where = {"Bucket": migration.bucket, "Key": name}
    begun = migration.s3.create_multipart_upload(**where)["UploadId"]
    done = []
    for number, part in enumerate(parts, start=1):
        sent = migration.s3.upload_part(**where, UploadId=begun, PartNumber=number, Body=part)
        done.append({"PartNumber": number, "ETag": sent["ETag"]})
    migration.s3.complete_multipart_upload(**where, UploadId=begun, MultipartUpload={"Parts": done})


def run(migrator: Migrator, *arguments: str) -> CompletedProcess[str]:
    command = [migrator.program, "--config", str(migrator.write()), *arguments]
    return migrator._run("compare", command, 60.0)


def test_both_sides_are_equal_after_a_pass_and_every_difference_is_told(
    swift: SwiftCluster, moto_store: Store, tmp_path: Path
) -> None:
    migration = S3Migration(swift, moto_store)
    for name in ("deleted there", "digest", "metadata", "size", "posted", "put", "removed", "same", "é/ü"):
        migration.put(name, b"bytes", Metadata={"color": "blue"})
    upload(migration, "in parts", b"a" * PART, b"b")
    migrator = Migrator(swift, tmp_path, [migration.entry])
    assert migrator.once().returncode == 0, migrator.log_text()
    assert compared(migrator) == (
        0, {}, {"names": 10, "differences": {}, "by_clients": {}, "errors": [], "equal": True},
    )  # fmt: skip
    upload(migration, "in parts", b"c" * PART, b"b")
    migration.s3.delete_object(Bucket=migration.bucket, Key="deleted there")
    migration.put("digest", b"other", Metadata={"color": "blue"})
    migration.put("metadata", b"bytes", Metadata={"color": "red"})
    migration.put("size", b"more bytes", Metadata={"color": "blue"})
    migration.put("new", b"new")
    migration.swift.post(migration.container, "posted", {"X-Object-Meta-Color": "green"})
    migration.swift.put(migration.container, "put", b"by a client")
    migration.swift.put(migration.container, "own", b"by a client")
    migration.swift.delete(migration.container, "removed")
    differences = {"deleted there": "extra", "in parts": "digest", "digest": "digest",
                   "metadata": "metadata", "new": "missing", "size": "size"}  # fmt: skip
    by_clients = {"own": "added_here", "posted": "changed_here", "put": "changed_here",
                  "removed": "deleted_here"}  # fmt: skip
    report = tmp_path / "report"
    code, found, summary = compared(migrator, "--report", str(report))
    assert (code, found) == (3, {})
    assert summary["by_clients"] == {"added_here": 1, "changed_here": 2, "deleted_here": 1}
    found = {each["name"]: each["what"] for each in map(json.loads, report.read_text().splitlines())}
    assert found == {**differences, **by_clients}


def test_objects_of_another_swift_are_equal_with_their_metadata(swift: SwiftCluster, tmp_path: Path) -> None:
    migration = SwiftMigration(swift)
    headers = {"X-Object-Meta-Color": "Blü", "Content-Encoding": "x", "X-Delete-At": "9999999999"}
    migration.source.put(migration.bucket, "name", b"body", headers)
    migration.source.put(migration.bucket, "empty", b"")
    migration.source.put(migration.bucket, "s/1", b"one")
    migration.source.put(migration.bucket, "s/2", b"two")
    manifest = json.dumps([{"path": f"/{migration.bucket}/s/{number}"} for number in (1, 2)]).encode()
    query = "multipart-manifest=put"
    migration.source.request("PUT", migration.bucket, "slo", query=query, body=manifest)
    migration.source.put(migration.bucket, "dlo", b"", {"X-Object-Manifest": f"{migration.bucket}/s/"})
    migration.source.put(migration.bucket, "link", b"", {"X-Symlink-Target": f"{migration.bucket}/name"})
    migrator = Migrator(swift, tmp_path, [migration.entry])
    assert migrator.once().returncode == 0, migrator.log_text()
    assert compared(migrator, "--every")[:2] == (0, {})
    migration.source.post(migration.bucket, "name", {"X-Object-Meta-Color": "red"})
    migration.swift.put(migration.container, "own", b"by a client")
    migration.source.put(migration.bucket, "s/2", b"TWO")
    done = run(migrator, "--compare", "0", "--strict")
    *lines, total = done.stdout.splitlines()
    place = f"{migration.swift.account}/{migration.container}/"
    found = {each[1].removeprefix(place): (each[0], each[2]) for each in (line.split("\t") for line in lines)}
    assert found["name"] == (
        "metadata", "content-encoding, x-delete-at, x-object-meta-color; the source's is newer",
    )  # fmt: skip
    assert {name: what for name, (what, _) in found.items()} == {
        "name": "metadata", "own": "added_here", "s/2": "digest", "dlo": "digest",
    }  # fmt: skip
    assert (done.returncode, total) == (3, "8 names compared: added_here 1, digest 2, metadata 1")


def test_source_that_is_gone_is_an_error_and_no_difference(
    swift: SwiftCluster, moto_store: Store, tmp_path: Path
) -> None:
    migration = S3Migration(swift, moto_store)
    migration.s3.delete_bucket(Bucket=migration.bucket)
    migrator = Migrator(swift, tmp_path, [migration.entry])
    migrator.status_dir.mkdir()
    code, found, summary = compared(migrator)
    assert (code, found, summary["equal"]) == (1, {}, False)
    assert "remote_not_found" in summary["errors"][0]
