"""A bucket that KMS encrypts: ETags tell nothing, and still nothing is ever uploaded twice."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter

import pytest

from faults.kms import encrypts_with_kms
from faults.proxy import FaultProxy
from servers.daemon import NewDaemon, SyncDaemon
from servers.large import Large
from servers.operations import counting
from servers.pair import Pair, Store, new_pair
from servers.swift import SwiftCluster

MIB = 1 << 20
COUNT = 12
WORKERS = 3
LIMITS = {"limits": {"max_put": 6 * MIB, "min_part": 5 * MIB}}


pytestmark = pytest.mark.parametrize("store", ["moto_store"], indirect=True)


@pytest.fixture(autouse=True)
def _kms(proxy: FaultProxy) -> None:
    proxy.when(encrypts_with_kms)


def run(daemon: SyncDaemon, proxy: FaultProxy) -> Counter[str]:
    with counting(proxy) as requests:
        assert daemon.once().returncode == 0, daemon.log_text()
    return requests


def test_kms_emulation_has_other_etags_that_conditions_accept(
    store: Store, proxy: FaultProxy, container_name: str
) -> None:
    """The ETags are not MD5s, conditions accept them, and uploads can be completed with them."""
    s3 = store.behind(proxy.endpoint).through_client()
    s3.create_bucket(Bucket=container_name)
    where = {"Bucket": container_name, "Key": "o"}
    etag = s3.put_object(**where, Body=b"x")["ETag"].strip('"')
    assert etag == hashlib.md5(b"x").hexdigest()[::-1]
    head = s3.head_object(**where)
    assert (head["ETag"], head["ServerSideEncryption"]) == (f'"{etag}"', "aws:kms")
    assert s3.list_objects_v2(Bucket=container_name)["Contents"][0]["ETag"] == f'"{etag}"'
    s3.put_object(**where, Body=b"x", IfMatch=etag)
    upload = s3.create_multipart_upload(**where)["UploadId"]
    part = s3.upload_part(**where, UploadId=upload, PartNumber=1, Body=b"y")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload=parts)
    assert s3.get_object(**where)["Body"].read() == b"y"


def test_comparison_and_posts_send_no_bytes_again(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon
) -> None:
    pair = new_pair(swift, store.behind(proxy.endpoint))
    large = Large(pair)
    for number in range(COUNT):
        pair.put(f"o{number:02}", b"%d" % number * 100_000, {"X-Object-Meta-A": "b"})
    pair.put("in parts", bytes(7 * MIB))
    segments = [large.segment(f"s{number}", 5 * MIB) for number in range(2)]
    large.put_slo("slo", segments)
    daemon = new_daemon(pair, workers=WORKERS, altered=LIMITS)

    requests = run(daemon, proxy)
    assert requests["PutObject"] == COUNT + 1, "and a manifest"
    assert 1 <= requests["CopyObject"] <= WORKERS, "the first ones only"
    assert requests["CreateMultipartUpload"] == 2

    shutil.rmtree(daemon.status_dir)  # everything is compared again
    requests = run(daemon, proxy)
    assert requests["HeadObject"] >= COUNT
    assert not {"PutObject", "CopyObject", "CreateMultipartUpload"} & set(requests)

    for name in ("o01", "in parts", "slo"):
        pair.post(name, {"X-Object-Meta-A": "new"})
    requests = run(daemon, proxy)
    assert requests["PutObject"] == 0, "metadata needs no bytes"
    shutil.rmtree(daemon.status_dir)
    requests = run(daemon, proxy)
    assert not {"PutObject", "CopyObject", "CreateMultipartUpload"} & set(requests)
    for number in range(COUNT):
        pair.check_object(f"o{number:02}")


def test_objects_are_moved_with_one_put_each(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon
) -> None:
    pair: Pair = new_pair(swift, store.behind(proxy.endpoint), retain_local=False, propagate_delete=False)
    for number in range(4):
        pair.put(f"o{number}", b"%d" % number)
    requests = run(new_daemon(pair), proxy)
    assert requests["PutObject"] == 4
    assert pair.swift.names(pair.container) == []
    assert pair.arrived() == [f"o{number}" for number in range(4)]
