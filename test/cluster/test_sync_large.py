"""Large objects on their way to every store that takes uploads in parts."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from faults.proxy import FaultProxy
from s3_sync.config.credentials.s3_dialects import CLONE
from s3_sync.largeobject.manifest import Manifest
from s3_sync.largeobject.rebuild import rebuild
from s3_sync.model.objects import ObjectInfo
from s3_sync.providers.s3.headers import lower_names, object_info
from servers.daemon import NewDaemon, SyncDaemon
from servers.large import Large
from servers.operations import counting
from servers.pair import Store, new_pair
from servers.process import wait_until
from servers.swift import SwiftCluster

MIB = 1 << 20
UPLOADS = ("PutObject", "UploadPart", "UploadPartCopy", "CopyObject", "CreateMultipartUpload")
both_stores = pytest.mark.parametrize("store", ["s3api", "moto_store"], indirect=True)


@pytest.fixture
def large(swift: SwiftCluster, store: Store, proxy: FaultProxy) -> Large:
    return Large(new_pair(swift, store.behind(proxy.endpoint)))


@pytest.fixture
def daemon(large: Large, new_daemon: NewDaemon) -> SyncDaemon:
    return new_daemon(large.pair)


def run(daemon: SyncDaemon, proxy: FaultProxy) -> Counter[str]:
    """One run that leaves nothing undone; what it wrote, by operation."""
    with counting(proxy) as requests:
        done = daemon.once()
    assert done.returncode == 0, daemon.log_text()
    return Counter({name: count for name, count in requests.items() if name in UPLOADS})


def compare_again(daemon: SyncDaemon) -> None:
    """As after the loss of all progress: everything is compared, rows by listings and HEADs."""
    shutil.rmtree(daemon.status_dir)


@both_stores
class TestStaticLargeObject:
    def test_slo_is_uploaded_with_one_part_for_each_segment(
        self, swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon
    ) -> None:
        large = Large(new_pair(swift, store.behind(proxy.endpoint)), segments_policy="silver")
        segments = [large.segment(f"s/{n}", 5 * MIB + n) for n in range(3)]
        segments += [segments[0], large.segment("s/\u00fc last", 7)]
        large.put_slo(
            "dir/l\u00e4rge", segments, {"Content-Type": "text/x", "X-Object-Meta-Colour": "bl\u00fc"}
        )
        daemon = new_daemon(large.pair)
        assert run(daemon, proxy) == {"CreateMultipartUpload": 1, "UploadPart": 5, "PutObject": 1}
        large.check("dir/l\u00e4rge")
        assert large.etag("dir/l\u00e4rge") == large.multipart_etag(segments)
        assert large.manifest("dir/l\u00e4rge") == large.raw_manifest("dir/l\u00e4rge")
        assert large.head("dir/l\u00e4rge")["Metadata"]["x-static-large-object"] == "True"
        compare_again(daemon)
        assert run(daemon, proxy) == {}

    def test_small_segments_are_regrouped_into_parts(
        self, large: Large, daemon: SyncDaemon, proxy: FaultProxy
    ) -> None:
        segments = [large.segment(f"{n:03}", 400_000 + n) for n in range(40)] + [large.segment("empty", 0)]
        large.put_slo("small segments", segments)
        large.put_slo("tiny", segments[:3])
        large.put_slo("one", segments[:1])
        assert run(daemon, proxy) == {"CreateMultipartUpload": 2, "UploadPart": 3 + 1, "PutObject": 1 + 3}
        large.check("small segments", "tiny", "one")
        assert large.etag("one") == large.multipart_etag(segments[:1])
        assert "small segments: regrouped 41 segments into 3 parts" in daemon.log_text()
        compare_again(daemon)
        assert run(daemon, proxy) == {}

    def test_changed_part_limits_upload_nothing_again(
        self, large: Large, daemon: SyncDaemon, proxy: FaultProxy
    ) -> None:
        large.put_slo("exact", [large.segment("a", 5 * MIB), large.segment("b", 6 * MIB)])
        large.put_slo("regrouped", [large.segment("c", 4 * MIB), large.segment("d", 8 * MIB)])
        daemon.alter(limits={"min_part": 8 * MIB})
        assert sum(run(daemon, proxy).values()) > 0
        large.check("exact", "regrouped")
        for limits in ({}, {"max_part": 6 * MIB}, {"min_part": 7 * MIB}):
            daemon.alter(limits=limits)
            compare_again(daemon)
            assert run(daemon, proxy) == {}

    def test_post_is_copied_without_uploading_bytes(
        self, large: Large, daemon: SyncDaemon, proxy: FaultProxy
    ) -> None:
        large.put_slo("o", [large.segment("a", 5 * MIB), large.segment("b", 5 * MIB)])
        run(daemon, proxy)
        for number in range(2):
            large.pair.post("o", {"X-Object-Meta-Number": str(number), "Content-Type": "text/new"})
            assert run(daemon, proxy) == {"CopyObject": 1}
            large.check("o")
            compare_again(daemon)
            assert run(daemon, proxy) == {}

    def test_post_to_object_too_large_for_one_copy_copies_its_parts(
        self, large: Large, daemon: SyncDaemon, proxy: FaultProxy
    ) -> None:
        daemon.alter(limits={"max_copy": 5 * MIB})
        segments = [large.segment("a", 5 * MIB), large.segment("b", 5 * MIB), large.segment("c", 9)]
        large.put_slo("exact", segments)
        large.put_slo("regrouped", [large.segment(f"r{n}", 3 * MIB) for n in range(3)])
        run(daemon, proxy)
        for name in ("exact", "regrouped"):
            large.pair.post(name, {"X-Object-Meta-A": "b"})
        assert run(daemon, proxy) == {"CreateMultipartUpload": 2, "UploadPartCopy": 3 + 2}
        large.check("exact", "regrouped")
        assert large.etag("exact") == large.multipart_etag(segments)
        compare_again(daemon)
        assert run(daemon, proxy) == {}

    def test_slo_and_plain_object_replace_each_other(
        self, large: Large, daemon: SyncDaemon, proxy: FaultProxy
    ) -> None:
        segments = [large.segment("a", 5 * MIB), large.segment("b", 100)]
        whole = segments[0].body + segments[1].body
        large.put_slo("same bytes", segments)
        large.put_slo("other bytes", segments)
        large.pair.put("plain first", whole)
        assert daemon.once().returncode == 0
        large.pair.put("same bytes", whole)
        large.pair.put("other bytes", b"small")
        large.put_slo("plain first", segments)
        assert daemon.once().returncode == 0
        for name in ("same bytes", "other bytes", "plain first"):
            large.pair.check_object(name)
        assert large.manifest("same bytes") is large.manifest("other bytes") is None
        assert "x-static-large-object" not in large.head("same bytes")["Metadata"]
        assert large.manifest("plain first") == large.raw_manifest("plain first")

    def test_delete_deletes_the_stored_manifest_too(
        self, large: Large, daemon: SyncDaemon, proxy: FaultProxy
    ) -> None:
        large.put_slo("o", [large.segment("a", 100)])
        run(daemon, proxy)
        large.pair.delete("o")
        with counting(proxy) as requests:
            assert daemon.once().returncode == 0
        assert requests == {"DeleteObjects": 1}
        large.check()

    def test_missing_manifest_is_written_without_the_object(
        self, large: Large, daemon: SyncDaemon, proxy: FaultProxy
    ) -> None:
        segments = [large.segment("a", 5 * MIB), large.segment("b", 100)]
        large.put_slo("o", segments)
        run(daemon, proxy)
        large.pair.s3.delete_object(Bucket=large.pair.bucket, Key=large.manifest_key("o"))
        compare_again(daemon)
        assert run(daemon, proxy) == {"PutObject": 1}
        large.check("o")
        # the same bytes in other segments: the list of them is what changes
        large.put_slo("o", [large.copy(segments[0], "c"), segments[1]])
        daemon.once()
        assert large.manifest("o") == large.raw_manifest("o")
        large.check("o")

    def test_object_rebuilt_from_its_copy_equals_the_original(
        self, large: Large, daemon: SyncDaemon, proxy: FaultProxy
    ) -> None:
        segments = [large.segment(f"{n}", size) for n, size in enumerate([5 * MIB, 1000, 1, 300_000])]
        large.put_slo("o", segments, {"X-Object-Meta-A": "\u00fc", "Content-Type": "text/x"})
        before = large.pair.swift.request("GET", large.pair.container, "o")
        listed = large.raw_manifest("o")
        run(daemon, proxy)
        large.wipe("o", *segments)
        large.rebuild("o", rebuild(stored_info(large, "o"), Manifest.parse(large.manifest_bytes("o"))))
        after = large.pair.swift.request("GET", large.pair.container, "o")
        assert after.body == before.body
        for header in ("etag", "content-type", "x-object-meta-a", "x-static-large-object", "content-length"):
            assert after.headers[header] == before.headers[header]
        assert [without_time(entry) for entry in large.raw_manifest("o")] == [
            without_time(entry) for entry in listed
        ]


@both_stores
class TestRefusedLargeObject:
    def test_unsupported_manifests_are_quarantined_and_others_copied(
        self, large: Large, daemon: SyncDaemon
    ) -> None:
        part = large.segment("a", 100)
        entry = {"path": f"/{part.container}/{part.name}"}
        large.put_slo("inner", [part])
        large.put_slo("nested", [part, {"path": f"/{large.pair.container}/inner"}])
        large.put_slo("range", [{**entry, "range": "0-9"}, part])
        large.put_slo("data", [{"data": "aGVsbG8="}, part])
        large.pair.put("plain", b"plain")
        assert daemon.once().returncode == 1
        assert {name: entry[:2] for name, entry in daemon.unsettled().items()} == {
            "nested": ("quarantine", "slo_nested"),
            "range": ("quarantine", "slo_range"),
            "data": ("quarantine", "slo_data"),
        }
        for name in ("inner", "plain"):
            large.pair.check_object(name)
        assert large.open_uploads() == []

    def test_missing_or_changed_segments_are_retried_until_they_fit(
        self, large: Large, daemon: SyncDaemon
    ) -> None:
        first, lost, changed = large.segment("a", 5 * MIB), large.segment("l", 50), large.segment("c", 60)
        large.put_slo("missing", [first, lost])
        large.put_slo("changed", [first, changed])
        large.pair.swift.delete(large.container, "l")
        large.pair.swift.put(large.container, "c", b"something else")
        assert daemon.once().returncode == 1
        assert {name: entry[:2] for name, entry in daemon.unsettled().items()} == {
            "missing": ("retry", "segment_changed"),
            "changed": ("retry", "segment_changed"),
        }
        assert large.open_uploads() == []
        large.pair.swift.put(large.container, "l", lost.body)
        large.pair.swift.put(large.container, "c", changed.body)
        assert daemon.once().returncode == 0
        large.check("missing", "changed")


@both_stores
class TestDynamicLargeObject:
    def test_dlo_is_copied_as_one_object_and_follows_its_segments(
        self, large: Large, daemon: SyncDaemon, proxy: FaultProxy
    ) -> None:
        prefix = "\u00fcber %41/seg_"
        parts = [large.segment(f"{prefix}{n}", size) for n, size in enumerate([5 * MIB, 6 * MIB, 10])]
        large.segment("\u00fcber %41/other", 10)
        large.put_dlo("o", prefix, {"X-Object-Meta-A": "b"})
        large.put_dlo("small", prefix + "2")
        large.put_dlo("empty", "nothing")
        assert run(daemon, proxy) == {"CreateMultipartUpload": 1, "UploadPart": 3, "PutObject": 3 + 2}
        large.check("o", "small", "empty")
        assert [(each["name"], each["bytes"], each["hash"]) for each in large.manifest("o")] == [
            (f"/{large.container}/{part.name}", len(part.body), part.md5) for part in parts
        ]
        assert large.manifest("empty") == []
        compare_again(daemon)
        assert run(daemon, proxy) == {}

        large.pair.post("o", {"X-Object-Meta-A": "c", **large.dlo_header(prefix)})
        assert run(daemon, proxy) == {"CopyObject": 1}
        large.segment(f"{prefix}3", 20)
        large.pair.post("o", {"X-Object-Meta-A": "d", **large.dlo_header(prefix)})
        assert run(daemon, proxy) == {"CreateMultipartUpload": 1, "UploadPart": 3, "PutObject": 1}
        large.check("o", "small", "empty")

    def test_bare_manifest_of_an_earlier_version_is_replaced_by_the_bytes(
        self, large: Large, daemon: SyncDaemon, proxy: FaultProxy
    ) -> None:
        """That version stored only the empty manifest, under the same key and newer than the row."""
        part = large.segment("seg", 1000)
        large.put_dlo("o", "seg")
        large.pair.s3.put_object(
            Bucket=large.pair.bucket,
            Key=large.pair.prefix + "o",
            Body=b"",
            Metadata={"x-object-manifest": f"{large.container}/seg"},
        )
        assert run(daemon, proxy) == {"PutObject": 2}
        large.check("o")
        assert large.head("o")["ContentLength"] == len(part.body)


def stored_info(large: Large, name: str) -> ObjectInfo:
    answer = large.head(name)
    headers = lower_names(answer["ResponseMetadata"]["HTTPHeaders"].items())
    return object_info(name, headers, answer["ContentLength"], CLONE)


def without_time(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key != "last_modified"}


@both_stores
@pytest.mark.parametrize(
    ("at", "call", "moment"),
    [
        ("s3_sync.providers.s3.bucket:S3Bucket.create_upload", 1, "after"),
        ("s3_sync.state.uploads:Uploads.started", 1, "after"),
        ("s3_sync.providers.s3.multipart:S3Upload.upload_part", 2, "after"),
        ("s3_sync.providers.s3.multipart:S3Upload.complete", 1, "before"),
        ("s3_sync.providers.s3.multipart:S3Upload.complete", 1, "after"),
        ("s3_sync.providers.manifests:StoredManifests.put", 1, "before"),
        ("s3_sync.providers.manifests:StoredManifests.put", 1, "after"),
    ],
)
def test_kill_during_upload_leaves_no_open_upload_and_no_half_object(
    large: Large, daemon: SyncDaemon, at: str, call: int, moment: str
) -> None:
    large.put_slo("o", [large.segment(f"{n}", 5 * MIB) for n in range(3)])
    daemon.alter(kill={"at": at, "call": call, "moment": moment})
    assert daemon.once().returncode == -9
    daemon.alter()
    assert daemon.once().returncode == 0
    if "create_upload" in at and large.pair.store.name == "moto":
        # nobody has written down the id, and there every upload began in 2010
        assert len(large.open_uploads()) == 1
        large.abort_all()
    if "S3Upload.complete" in at and moment == "before":
        # as far as the daemon knows the store is completing it, for an hour
        assert len(large.open_uploads()) == 1
        daemon.alter(clock=2 * 3600)
        assert daemon.once().returncode == 0
    large.check("o")


@both_stores
def test_old_uploads_below_our_prefix_are_aborted_at_the_start(large: Large, daemon: SyncDaemon) -> None:
    s3, bucket = large.pair.s3, large.pair.bucket
    for key in (large.pair.prefix + "ours", "somebody's"):
        s3.create_multipart_upload(Bucket=bucket, Key=key)
    daemon.start()
    place = large.pair.swift.account, large.pair.container
    wait_until(lambda: daemon.status(*place) != {}, 20, "the first turn")
    daemon.stop()
    assert len(large.open_uploads()) == 2
    daemon.alter(clock=8 * 86400)
    daemon.start()
    wait_until(lambda: large.open_uploads() == ["somebody's"], 20, "the abort")
    daemon.stop()


@both_stores
def test_upload_stopped_with_the_daemon_is_completed_by_the_next_run(
    large: Large, daemon: SyncDaemon, proxy: FaultProxy, tmp_path: Path
) -> None:
    large.put_slo("o", [large.segment(f"{n}", 5 * MIB) for n in range(6)])
    calls = tmp_path / "calls"
    daemon.alter(noted={"s3_sync.providers.s3.multipart:S3Upload.upload_part": str(calls)})
    child = daemon.start()
    wait_until(calls.exists, 20, "the first part")
    child.stop()
    assert daemon.once().returncode == 0
    large.check("o")


@pytest.mark.parametrize("store", ["s3api"], indirect=True)
def test_symlink_to_large_object_is_copied_with_its_manifest(large: Large, daemon: SyncDaemon) -> None:
    large.put_slo("target", [large.segment("a", 5 * MIB), large.segment("b", 10)])
    large.pair.put("link", b"", {"X-Symlink-Target": f"{large.pair.container}/target"})
    assert daemon.once().returncode == 0
    assert large.pair.landed("link").md5 == large.pair.landed("target").md5
    assert large.manifest("link") == large.manifest("target")


@pytest.mark.parametrize("store", ["s3api"], indirect=True)
def test_follow_symlinks_account_copies_large_object_elsewhere(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon
) -> None:
    there = Large(new_pair(swift, store, account="AUTH_both"))
    there.put_slo("target", [there.segment("a", 1000), there.segment("b", 10)])
    behind = store.behind(proxy.endpoint)
    pair = new_pair(swift, behind, account="AUTH_both", follow_symlinks="account")
    pair.put("link", b"", {"X-Symlink-Target": f"{there.pair.container}/target"})
    daemon = new_daemon(pair)
    run(daemon, proxy)
    assert pair.landed("link").size == 1010


@pytest.mark.parametrize("store", ["s3api"], indirect=True)
def test_large_objects_of_encrypted_cluster_are_copied(
    store: Store, start_server: Any, new_daemon: NewDaemon, proxy: FaultProxy
) -> None:
    cluster = start_server(SwiftCluster(encryption=True))
    large = Large(new_pair(cluster, store.behind(proxy.endpoint)))
    segments = [large.segment("s1", 5 * MIB), large.segment("s2", 1000)]
    large.put_slo("slo", segments)
    large.put_dlo("dlo", "s")
    large.put_slo("small", [segments[1], segments[1]])
    daemon = new_daemon(large.pair, cluster=cluster)
    run(daemon, proxy)
    large.check("slo", "dlo", "small")
    assert large.etag("slo") == large.multipart_etag(segments)
