"""Sizes at every boundary, and objects that go up in parts."""

from __future__ import annotations

import os

import pytest

from faults.proxy import FaultProxy, answers
from servers.daemon import NewDaemon, SyncDaemon
from servers.operations import counting
from servers.pair import Pair, Store, new_pair, sync
from servers.swift import SwiftCluster

KIB, MIB = 1024, 1024 * 1024
CHUNK = 64 * KIB
#: instead of 5 GiB, so that parts show with objects that a test can hold
LIMITS = {"max_put": 6 * MIB, "min_part": 5 * MIB}
#: in bytes: what fits one PUT, one less and one more, and two parts to the byte
SIZES = (6 * MIB - 1, 6 * MIB, 6 * MIB + 1, 12 * MIB, 12 * MIB + 1, 16 * MIB + 1)

every_store = pytest.mark.parametrize("store", ["s3api", "moto_store", "rclone_store"], indirect=True)
both_stores = pytest.mark.parametrize("store", ["s3api", "moto_store"], indirect=True)


@every_store
def test_objects_at_chunk_boundaries_are_copied(
    swift: SwiftCluster, store: Store, new_daemon: NewDaemon
) -> None:
    pair = new_pair(swift, store)
    for edge in (0, CHUNK, 2 * CHUNK, MIB):
        for size in range(max(edge - 1, 0), edge + 2):
            pair.put(f"{size} bytes", os.urandom(size))
    sync(new_daemon(pair), pair)
    pair.check()


def open_uploads(pair: Pair) -> list[str]:
    return [upload["Key"] for upload in pair.s3.list_multipart_uploads(Bucket=pair.bucket).get("Uploads", ())]


@both_stores
class TestParts:
    @pytest.fixture
    def pair(self, swift: SwiftCluster, store: Store, proxy: FaultProxy) -> Pair:
        return new_pair(swift, store.behind(proxy.endpoint))

    @pytest.fixture
    def daemon(self, pair: Pair, new_daemon: NewDaemon) -> SyncDaemon:
        return new_daemon(pair, altered={"limits": LIMITS})

    def test_objects_at_part_boundaries_use_the_expected_requests(
        self, pair: Pair, daemon: SyncDaemon, proxy: FaultProxy
    ) -> None:
        for size in SIZES:
            pair.put(f"{size} bytes", os.urandom(size), {"X-Object-Meta-Size": str(size)})
        with counting(proxy) as requests:
            sync(daemon, pair)
        assert requests["PutObject"] == 2
        assert requests["UploadPart"] == 2 + 2 + 3 + 3
        assert requests["CompleteMultipartUpload"] == 4
        pair.check()
        for size in SIZES:
            # the store's ETag is not the bytes' MD5, so a mark says what that is
            assert ("swift-etag" in pair.landed(f"{size} bytes").marks) == (size > 6 * MIB)
        assert open_uploads(pair) == []

    def test_comparison_with_other_part_limits_uploads_nothing(
        self, pair: Pair, daemon: SyncDaemon, proxy: FaultProxy
    ) -> None:
        """The daemon recognises the copy by its mark."""
        pair.put("large", os.urandom(16 * MIB + 1))
        sync(daemon, pair)
        daemon.stop()
        (daemon.status_dir / pair.swift.account / pair.container).unlink()
        daemon.alter(limits={"max_put": 5 * MIB, "min_part": 5 * MIB})
        with counting(proxy) as requests:
            sync(daemon, pair)
        assert set(requests) == {"ListObjects", "HeadObject"}
        # the self-copy of an object in parts keeps the mark
        pair.post("large", {"X-Object-Meta-New": "yes"})
        with counting(proxy) as requests:
            sync(daemon, pair)
        assert requests["UploadPart"] == requests["PutObject"] == 0
        pair.check()
        assert "swift-etag" in pair.landed("large").marks

    def test_part_that_keeps_failing_leaves_no_open_upload(
        self, pair: Pair, daemon: SyncDaemon, proxy: FaultProxy
    ) -> None:
        pair.put("large", os.urandom(13 * MIB))
        rule = proxy.when(answers(400, "EntityTooSmall"), method="PUT", key="large", skip=1)
        assert daemon.once().returncode == 1
        assert rule.hits == 2  # the row's own turn, and its retry
        assert pair.arrived() == []
        assert open_uploads(pair) == []
        assert daemon.unsettled()["large"][0] == "retry"
        proxy.heal()
        assert daemon.once().returncode == 0, daemon.log_text()
        pair.check()
        assert open_uploads(pair) == []
