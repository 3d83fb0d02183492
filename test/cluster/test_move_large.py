"""Large objects that are moved: the manifest first, then its segments, unless somebody else needs them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from faults.proxy import FaultProxy
from s3_sync.config.credentials.s3_dialects import CLONE
from s3_sync.largeobject.manifest import Manifest
from s3_sync.largeobject.rebuild import rebuild
from s3_sync.model.objects import ObjectInfo
from s3_sync.providers.s3.headers import lower_names, object_info
from servers.daemon import NewDaemon, SyncDaemon
from servers.landed import in_swift, keys
from servers.large import Large, SegmentFile
from servers.operations import counting
from servers.pair import Store, new_pair
from servers.raw_swift import Refused
from servers.swift import SwiftCluster

MIB = 1 << 20
pytestmark = pytest.mark.parametrize("store", ["s3api"], indirect=True)


def begin(swift: SwiftCluster, store: Store, policy: str = "", **options: Any) -> Large:
    """In an account of its own: what others have in theirs would all be looked through."""
    moves = {"retain_local": False, "propagate_delete": False, **options}
    return Large(new_pair(swift, store, account=f"AUTH_{uuid4().hex}", **moves), policy)


@pytest.fixture
def large(swift: SwiftCluster, store: Store, proxy: FaultProxy) -> Large:
    return begin(swift, store.behind(proxy.endpoint), policy="silver")


@pytest.fixture
def daemon(large: Large, new_daemon: NewDaemon) -> SyncDaemon:
    return new_daemon(large.pair)


def run(daemon: SyncDaemon, code: int = 0) -> None:
    result = daemon.once()
    assert result.returncode == code, result.stderr + daemon.log_text()


def two(large: Large, prefix: str = "s/") -> list[SegmentFile]:
    return [large.segment(f"{prefix}1 ü", 300_000), large.segment(f"{prefix}2", 7)]


def here(large: Large) -> list[str]:
    """What is left in the container, and of its segments."""
    return large.pair.swift.names(large.pair.container) + large.pair.swift.names(large.container)


def stored(large: Large, name: str) -> ObjectInfo:
    head = large.head(name)
    headers = lower_names(head["ResponseMetadata"]["HTTPHeaders"].items())
    return object_info(name, headers, head["ContentLength"], CLONE)


def landed(large: Large, name: str, segments: Sequence[SegmentFile]) -> bool:
    there = large.pair.landed(name)
    body = b"".join(segment.body for segment in segments)
    manifest = Manifest.parse(large.manifest_bytes(name))
    return there.size == len(body) and [each.md5 for each in manifest.segments] == [s.md5 for s in segments]


class TestMovedLargeObject:
    def test_restored_large_objects_are_moved_again_without_an_upload(
        self, large: Large, daemon: SyncDaemon, proxy: FaultProxy
    ) -> None:
        """Each object is moved, rebuilt from its copy, and moved again."""
        segments = {"slo": two(large), "dlo": two(large, "d/")}
        large.segment("dd", 5)
        large.put_slo("slo", segments["slo"], {"X-Object-Meta-Colour": "grün", "Content-Type": "text/x"})
        large.put_dlo("dlo", "d/", {"X-Object-Meta-Colour": "blau"})
        expected = {name: in_swift(large.pair.swift, large.pair.container, name) for name in segments}
        run(daemon)
        assert here(large) == ["dd"]
        for name, parts in segments.items():
            assert large.pair.landed(name) == expected[name]
            assert landed(large, name, parts)
            large.rebuild(name, rebuild(stored(large, name), Manifest.parse(large.manifest_bytes(name))))
        with counting(proxy) as asked:
            run(daemon)
        assert here(large) == ["dd"]
        # each copy is marked as one of the new version; the DLO came back as an SLO, with another manifest
        assert (asked["UploadPart"], asked["CopyObject"], asked["PutObject"]) == (0, 2, 1)
        for name, parts in segments.items():
            assert landed(large, name, parts)
            assert (large.pair.landed(name).md5, large.pair.landed(name).user) == (
                expected[name].md5,
                expected[name].user,
            )
        assert daemon.unsettled() == {}

    def test_retain_local_segments_keeps_the_segments_in_swift(
        self, swift: SwiftCluster, store: Store, new_daemon: NewDaemon
    ) -> None:
        large = begin(swift, store, retain_local_segments=True)
        large.put_slo("o", two(large))
        run(new_daemon(large.pair))
        assert here(large) == ["s/1 ü", "s/2"]

    @pytest.mark.parametrize("propagate", [True, False])
    def test_client_delete_deletes_copy_and_manifest_only_if_enabled(
        self, swift: SwiftCluster, store: Store, new_daemon: NewDaemon, propagate: bool
    ) -> None:
        large = begin(swift, store, propagate_delete=propagate)
        daemon = new_daemon(large.pair)
        large.put_slo("o", two(large))
        for _ in range(2):
            run(daemon)
            assert len(keys(large.pair.s3, large.pair.bucket)) == 2
        with contextlib.suppress(Refused):
            large.pair.delete("o")
        run(daemon)
        assert len(keys(large.pair.s3, large.pair.bucket)) == (0 if propagate else 2)
        assert here(large) == []

    def test_segments_in_the_mapped_container_are_moved_too(self, large: Large, daemon: SyncDaemon) -> None:
        pair = large.pair
        segments = [SegmentFile(pair.container, f"seg/{number}", b"%d" % number * 9) for number in range(4)]
        for segment in segments:
            pair.put(segment.name, segment.body)
        large.put_slo("slo", segments[:2])
        pair.put("dlo", b"", {"X-Object-Manifest": f"{pair.container}/seg/3"})
        pair.put("empty", b"")
        run(daemon)
        assert pair.swift.names(pair.container) == []
        assert sorted(pair.arrived()) == ["dlo", "empty", "seg/0", "seg/1", "seg/2", "seg/3", "slo"]
        assert landed(large, "slo", segments[:2])
        assert landed(large, "dlo", segments[3:])


class TestKeptSegments:
    def test_segments_used_elsewhere_or_with_own_metadata_are_kept(
        self, large: Large, daemon: SyncDaemon
    ) -> None:
        swift, segments = large.pair.swift, [large.segment(f"s/{number}", 10 + number) for number in range(6)]
        entries = [{"path": f"/{large.container}/{each.name}"} for each in segments]
        swift.put_container("other")
        manifest = json.dumps(entries[:1]).encode()
        swift.request("PUT", "other", "slo", query="multipart-manifest=put", body=manifest)
        swift.put("other", "dlo", b"", large.dlo_header("s/1"))
        swift.put("other", "link", b"", {"X-Symlink-Target": f"{large.container}/s/2"})
        swift.put_container("versioned", {"X-Versions-Enabled": "true"})
        manifest = json.dumps(entries[3:4]).encode()
        swift.request("PUT", "versioned", "slo", query="multipart-manifest=put", body=manifest)
        swift.put("versioned", "slo", b"a newer version")
        swift.post(large.container, "s/4", {"X-Object-Meta-Colour": "red"})
        large.put_slo("o", segments)
        run(daemon)
        assert here(large) == [f"s/{number}" for number in range(5)]
        assert "1 deleted, 4 named by other objects, 1 with metadata of its own" in daemon.log_text()
        for name, segment in [("slo", 0), ("dlo", 1), ("link", 2)]:
            assert swift.request("GET", "other", name).body == segments[segment].body

    def test_segment_written_again_after_the_manifest_is_kept(self, large: Large, daemon: SyncDaemon) -> None:
        segments = two(large)
        large.put_slo("o", segments)
        large.pair.swift.put(large.container, "s/2", segments[1].body)
        run(daemon)
        assert here(large) == ["s/2"]
        assert "1 changed, 1 deleted" in daemon.log_text()

    def test_segments_of_large_objects_that_cannot_move_are_kept(
        self, large: Large, daemon: SyncDaemon
    ) -> None:
        segments = two(large)
        large.put_slo("range", [{"path": f"/{large.container}/s/2", "range": "0-1"}])
        large.put_slo("inner", segments)
        large.put_slo("nested", [{"path": f"/{large.pair.container}/inner"}])
        large.pair.put("dlo", b"own", large.dlo_header("s/"))
        large.put_dlo("empty", "none/")
        run(daemon, code=1)
        reasons = {name: entry[1] for name, entry in daemon.unsettled().items()}
        assert reasons == {
            "range": "slo_range",
            "nested": "slo_nested",
            "dlo": "dlo_body",
            "empty": "segment_changed",
        }
        assert "s/2" in here(large)


#: before which call of it. Unit tests crash at every single point.
STEPS = {
    "the stored manifest": ("s3_sync.transfer.large_upload:write_manifest", 1),
    "the manifest's delete, with its segments noted": (
        "s3_sync.cluster.guarded_delete:GuardedDelete.delete_version",
        1,
    ),
    "the note that the manifest is gone": ("s3_sync.state.segment_cleanups:SegmentCleanups.note", 2),
    "the walk, with the row done": ("s3_sync.cluster.references:References.walk", 1),
    "the second segment": ("s3_sync.cluster.guarded_delete:GuardedDelete.delete_version", 3),
    "the note that all is done": ("s3_sync.state.segment_cleanups:SegmentCleanups.settle", 1),
}


@pytest.mark.parametrize("step", STEPS)
def test_kill_during_the_move_loses_no_segment_that_is_needed(
    large: Large, daemon: SyncDaemon, step: str
) -> None:
    segments = [large.segment(f"s/{number}", 50_000 + number) for number in range(3)]
    large.put_slo("o", segments, {"X-Object-Meta-A": "b"})
    daemon.settings["workers"] = 1
    daemon.alter(kill=dict(zip(("at", "call"), STEPS[step], strict=True)))
    assert daemon.once().returncode == -9, daemon.log_text()
    # meanwhile a client needs one of the segments, where it is still there, and writes another one anew
    if segments[2].name in here(large):
        large.pair.swift.put_container("other")
        entries = [{"path": f"/{large.container}/{segments[2].name}"}]
        body = json.dumps(entries).encode()
        large.pair.swift.request("PUT", "other", "slo", query="multipart-manifest=put", body=body)
        kept = [segments[2].name]
    else:
        kept = []
    daemon.alter()
    run(daemon)
    assert here(large) == kept
    if kept:
        assert large.pair.swift.request("GET", "other", "slo").body == segments[2].body
    assert landed(large, "o", segments)
    assert large.pair.landed("o").user == {"a": "b"}
    assert daemon.unsettled() == {}
    assert large.open_uploads() == []


def test_large_object_is_moved_from_encrypted_erasure_coded_cluster(
    start_server: Any, store: Store, tmp_path: Path
) -> None:
    cluster = start_server(SwiftCluster(nodes=3, encryption=True, ec_policies=["ec"]))
    large = begin(cluster, store, policy="ec")
    segments = two(large)
    large.put_slo("o", segments, {"X-Object-Meta-A": "b"})
    conf = str(cluster.internal_client_conf)
    daemon = SyncDaemon(cluster, tmp_path / "daemon", [large.pair.mapping], internal_client_path=conf)
    run(daemon)
    assert here(large) == []
    assert landed(large, "o", segments)
