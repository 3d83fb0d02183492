"""Objects that are not just bytes: large ones, symlinks, versions, expiry, other policies."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from servers.daemon import NewDaemon, SyncDaemon
from servers.expiry import expire
from servers.landed import in_swift
from servers.pair import Pair, Store, new_pair, sync
from servers.swift import SwiftCluster


def put_slo(pair: Pair, name: str) -> None:
    segments = []
    for number in range(2):
        body = b"%d" % number * 1000
        pair.put(f"segments/{number}", body)
        segments.append({"path": f"{pair.container}/segments/{number}", "size_bytes": len(body)})
    manifest = json.dumps(segments).encode()
    pair.swift.request("PUT", pair.container, name, query="multipart-manifest=put", body=manifest)


class TestLargeObjects:
    """More of them in test_sync_large.py; here their segments are in the same container."""

    def test_large_objects_and_their_segments_are_copied_and_replaced(
        self, pair: Pair, daemon: SyncDaemon
    ) -> None:
        pair.put("before")
        put_slo(pair, "static")
        pair.put("dynamic", b"", {"X-Object-Manifest": f"{pair.container}/segments/"})
        pair.put("after")
        assert daemon.once().returncode == 0, daemon.log_text()
        pair.check()
        # a plain object in their place is copied, and a delete is a delete
        pair.put("static", b"plain now")
        pair.delete("dynamic")
        assert daemon.once().returncode == 0, daemon.log_text()
        pair.check()

    def test_large_object_replaces_the_copy_of_a_plain_one(self, pair: Pair, daemon: SyncDaemon) -> None:
        pair.put("o", b"plain")
        assert daemon.once().returncode == 0
        put_slo(pair, "o")
        assert daemon.once().returncode == 0, daemon.log_text()
        pair.check()

    def test_multipart_upload_through_s3api_is_copied(
        self, swift: SwiftCluster, pair: Pair, daemon: SyncDaemon
    ) -> None:
        s3 = swift.s3_client()
        upload = {"Bucket": pair.container, "Key": "parts"}
        upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
        part = s3.upload_part(**upload, PartNumber=1, Body=b"one part")
        done = [{"PartNumber": 1, "ETag": part["ETag"]}]
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": done})
        pair.put("plain")
        assert daemon.once().returncode == 0, daemon.log_text()
        pair.check()


class TestSymlinks:
    """A symlink is copied as what a client would read there."""

    def test_copy_of_a_symlink_has_bytes_and_metadata_of_the_target(
        self, swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
    ) -> None:
        pair, other = new_pair(swift, s3api, follow_symlinks="account"), new_pair(swift, s3api)
        other.put("target", b"the target's bytes", {"Content-Type": "text/x-t", "X-Object-Meta-T": "t"})
        for name, target in (("link", f"{other.container}/target"), ("chain", f"{pair.container}/link")):
            pair.put(name, b"", {"X-Symlink-Target": target, "Content-Type": "application/symlink"})
        daemon = new_daemon(pair)
        sync(daemon, pair)
        expected = in_swift(other.swift, other.container, "target")
        for name in ("link", "chain"):
            landed = pair.landed(name)
            assert (landed.md5, landed.size) == (expected.md5, expected.size)
            assert (landed.headers, landed.user) == (expected.headers, expected.user)
            # but the time is the link's own: it is what a later change of the link is compared with
            link = pair.swift.request("HEAD", pair.container, name, query="symlink=get")
            assert landed.marks["swift-timestamp"] == link.headers["x-timestamp"]
        # the link is made to point elsewhere, or goes
        other.put("another", b"other bytes")
        pair.put("link", b"", {"X-Symlink-Target": f"{other.container}/another"})
        pair.delete("chain")
        sync(daemon, pair)
        assert pair.arrived() == ["link"]
        assert pair.landed("link").md5 == hashlib.md5(b"other bytes").hexdigest()

    def test_symlink_without_internal_client_file_is_copied(
        self, pair: Pair, daemon: SyncDaemon, tmp_path: Path
    ) -> None:
        daemon.settings["internal_client_path"] = str(tmp_path / "none.conf")
        pair.put("target", b"the target's bytes")
        pair.put("link", b"", {"X-Symlink-Target": f"{pair.container}/target"})
        sync(daemon, pair)
        assert pair.landed("link").md5 == pair.landed("target").md5

    def test_broken_symlink_is_quarantined(self, pair: Pair, daemon: SyncDaemon, tmp_path: Path) -> None:
        """The built-in pipeline logs a request when its answer is closed; as the process ends, it cannot."""
        daemon.settings["internal_client_path"] = str(tmp_path / "none.conf")
        pair.put("nowhere", b"", {"X-Symlink-Target": f"{pair.container}/no such object"})
        run = daemon.once()
        assert (run.returncode, run.stderr) == (1, "")
        pair.check(missing=["nowhere"])
        assert {name: entry[:2] for name, entry in daemon.unsettled().items()} == {
            "nowhere": ("quarantine", "symlink_broken")
        }

    def test_symlink_to_large_object_is_copied_with_its_bytes(self, pair: Pair, daemon: SyncDaemon) -> None:
        put_slo(pair, "large")
        pair.put("dynamic", b"", {"X-Object-Manifest": f"{pair.container}/segments/"})
        for target in ("large", "dynamic"):
            pair.put(f"to {target}", b"", {"X-Symlink-Target": f"{pair.container}/{target}"})
        assert daemon.once().returncode == 0, daemon.log_text()
        for target in ("large", "dynamic"):
            assert pair.landed(f"to {target}").md5 == pair.landed(target).md5


class TestVersions:
    def test_current_version_of_each_object_is_copied(self, pair: Pair, daemon: SyncDaemon) -> None:
        pair.swift.request("POST", pair.container, headers={"X-Versions-Enabled": "true"})
        for name in ("kept", "deleted", "restored"):
            pair.put(name, b"first", {"X-Object-Meta-Version": "1"})
        sync(daemon, pair)
        assert {name: pair.landed(name).user for name in pair.arrived()} == dict.fromkeys(
            ("kept", "deleted", "restored"), {"version": "1"}
        )
        for name in ("kept", "deleted", "restored"):
            pair.put(name, b"second version", {"X-Object-Meta-Version": "2"})
        pair.delete("deleted")
        pair.delete("restored")
        pair.put("restored", b"third", {"X-Object-Meta-Version": "3"})
        sync(daemon, pair)
        assert sorted(pair.arrived()) == ["kept", "restored"]
        for name in ("kept", "restored"):
            here, there = in_swift(pair.swift, pair.container, name), pair.landed(name)
            assert (there.md5, there.headers, there.user) == (here.md5, here.headers, here.user)
        pair.post("kept", {"X-Object-Meta-Posted": "yes"})
        sync(daemon, pair)
        assert pair.landed("kept").user == in_swift(pair.swift, pair.container, "kept").user

    def test_versions_location_copies_the_current_version(
        self, swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
    ) -> None:
        pair, archive = new_pair(swift, s3api), new_pair(swift, s3api)
        pair.swift.request("POST", pair.container, headers={"X-Versions-Location": archive.container})
        daemon = new_daemon(pair)
        pair.put("o", b"first")
        pair.put("o", b"second")
        sync(daemon, pair)
        pair.check()
        pair.delete("o")  # brings the first one back
        sync(daemon, pair)
        pair.check()
        assert pair.landed("o").size == len(b"first")
        pair.delete("o")
        sync(daemon, pair)
        assert pair.arrived() == []


class TestExpiry:
    def test_object_expired_before_its_first_copy_is_not_copied(
        self, swift: SwiftCluster, pair: Pair, daemon: SyncDaemon
    ) -> None:
        pair.put("short lived")
        pair.put("long lived", b"x", {"X-Delete-After": "3600"})
        expire(swift.client(), pair.container, "short lived")
        sync(daemon, pair)
        assert pair.arrived() == ["long lived"]
        pair.check_object("long lived")
        assert daemon.unsettled() == {}


def test_container_recreated_in_another_policy_is_copied(
    swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
) -> None:
    """The container has rows of both policies."""
    pair = new_pair(swift, s3api)
    daemon = new_daemon(pair)
    pair.put("o", b"in gold")
    sync(daemon, pair)
    pair.delete("o")
    pair.swift.request("DELETE", pair.container)
    pair.swift.put_container(pair.container, {"X-Storage-Policy": "silver"})
    pair.put("o", b"in silver")
    pair.put("p")
    sync(daemon, pair)
    pair.check()
    pair.post("o", {"X-Object-Meta-New": "yes"})
    pair.delete("p")
    sync(daemon, pair)
    pair.check()
