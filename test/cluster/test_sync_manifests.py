"""Stored manifests beside objects whose names look like theirs, in a bucket that is all the mapping's own."""

from __future__ import annotations

import hashlib
import shutil

import pytest

from faults.proxy import FaultProxy
from servers.daemon import NewDaemon
from servers.landed import keys
from servers.large import Large
from servers.operations import counting
from servers.pair import Store, new_pair, sync
from servers.swift import SwiftCluster

UPLOADS = {"PutObject", "CopyObject", "CreateMultipartUpload", "DeleteObject", "DeleteObjects"}


@pytest.mark.parametrize("prefix", ["", "dir/"])
@pytest.mark.parametrize("store", ["s3api"], indirect=True)
def test_objects_named_like_manifests_are_copied_except_a_taken_key(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon, prefix: str
) -> None:
    pair = new_pair(swift, store.behind(proxy.endpoint), custom_prefix=prefix)
    large = Large(pair)
    large.put_slo("slo", [large.segment("s", 5 << 20), large.segment("t", 3)])
    digest = hashlib.sha256(b"slo").hexdigest()
    taken = f".manifests/{digest}.swift_slo_manifest"
    names = [".manifests/x", f".manifests/{digest}", ".manifests/", "a"]
    for name in (*names, taken):
        pair.put(name, name.encode())
    daemon = new_daemon(pair)
    assert daemon.once().returncode == 1
    assert {name: found[:2] for name, found in daemon.unsettled().items()} == {
        taken: ("quarantine", "name_reserved")
    }
    everything = sorted([*(prefix + name for name in names), f"{prefix}slo", prefix + taken])
    assert sorted(keys(pair.s3, pair.bucket)) == everything
    manifest = pair.s3.get_object(Bucket=pair.bucket, Key=prefix + taken)["Body"].read()
    assert b'"hash"' in manifest
    assert manifest != taken.encode()

    # a delete of the name that is taken does not take the manifest; everything else goes on as usual
    pair.delete(taken)
    pair.delete("a")
    sync(daemon, pair)
    everything.remove(f"{prefix}a")
    assert sorted(keys(pair.s3, pair.bucket)) == everything
    assert pair.s3.get_object(Bucket=pair.bucket, Key=prefix + taken)["Body"].read() == manifest

    # compared anew with listings, in which the manifest is none of the objects: nothing is to be done
    daemon.stop()
    shutil.rmtree(daemon.status_dir)
    with counting(proxy) as requests:
        assert daemon.once().returncode == 0, daemon.log_text()
    assert not UPLOADS & set(requests)
    assert sorted(keys(pair.s3, pair.bucket)) == everything
