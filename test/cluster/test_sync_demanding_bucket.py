"""Buckets whose policies demand a KMS key, an ACL and tags of all that is written: daemon and middleware,
seen by another client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest

from faults.proxy import Call, FaultProxy, answers
from servers.daemon import NewDaemon
from servers.landed import keys
from servers.large import Large
from servers.operations import operation
from servers.pair import Store, new_pair
from servers.shunted import Archive
from servers.swift import SwiftCluster

TAGS = {"cost centre": "a/b+c", "archive": ""}
OPTIONS: dict[str, Any] = {"kms_key": "alias/lab", "acl": "public-read", "tags": TAGS}
WRITES = ("PutObject", "CopyObject", "CreateMultipartUpload")


def lacks_something(call: Call) -> bool:
    """Whether the bucket's policy denies it."""
    if operation(call) not in WRITES:
        return False
    return (
        call.headers.get("x-amz-server-side-encryption") != "aws:kms"
        or call.headers.get("x-amz-server-side-encryption-aws-kms-key-id") != OPTIONS["kms_key"]
        or call.headers.get("x-amz-acl") != OPTIONS["acl"]
        or dict(parse_qsl(call.headers.get("x-amz-tagging", ""), keep_blank_values=True)) != TAGS
    )


def as_demanded(s3: Any, bucket: str, key: str) -> bool:
    where = {"Bucket": bucket, "Key": key}
    head = s3.head_object(**where)
    tags = {tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(**where)["TagSet"]}
    permissions = {grant["Permission"] for grant in s3.get_object_acl(**where)["Grants"]}
    encrypted = (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", OPTIONS["kms_key"])
    return encrypted and tags == TAGS and "READ" in permissions


@pytest.mark.parametrize("store", ["moto_store"], indirect=True)
def test_all_that_a_mapping_writes_is_as_the_policy_demands(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon
) -> None:
    """Objects, new metadata, uploads in parts, manifests, and the probes of conditions."""
    proxy.when(answers(403, "AccessDenied"), where=lacks_something)
    behind = store.behind(proxy.endpoint)
    pair = new_pair(swift, behind, conditional_put=True, **OPTIONS)
    plain = new_pair(swift, behind)
    moved = new_pair(swift, behind, retain_local=False, propagate_delete=False, **OPTIONS)
    large = Large(pair)
    for name in ("object", "posted"):
        pair.put(name, name.encode())
    large.put_slo("slo", [large.segment("s", 1000)])
    moved.put("moved")
    plain.put("object")
    daemon = new_daemon(pair, moved, plain)
    assert daemon.once().returncode == 1
    pair.post("posted", {"X-Object-Meta-New": "yes"})
    pair.post("slo", {"X-Object-Meta-New": "yes"})
    assert daemon.once().returncode == 1
    assert {name: reason for name, (_, reason, _) in daemon.unsettled().items()} == {
        "object": "remote_denied"
    }
    assert plain.arrived() == []
    assert sorted(pair.arrived()) == ["object", "posted", "slo"]
    assert (moved.arrived(), moved.swift.names(moved.container)) == (["moved"], [])
    for each in (pair, moved):
        stored = keys(each.s3, each.bucket)
        assert [key for key in stored if not as_demanded(each.s3, each.bucket, key)] == []
    assert len(keys(pair.s3, pair.bucket)) == 4, "and a manifest"
    assert pair.landed("posted").user == {"new": "yes"}
    copies = [call for call in proxy.calls() if operation(call) == "CopyObject"]
    assert {call.headers["x-amz-tagging-directive"] for call in copies} == {"REPLACE"}


def test_post_through_the_middleware_is_as_the_policy_demands(
    new_archive: Callable[..., Archive], moto_store: Store
) -> None:
    with FaultProxy.before(moto_store.endpoint) as remote:
        remote.when(answers(403, "AccessDenied"), where=lacks_something)
        archive = new_archive(store=moto_store.behind(remote.endpoint), propagate_post=True, **OPTIONS)
        archive.store("o", b"bytes")
        assert archive.ask("POST", "o", X_Object_Meta_New="yes").status == 202
        assert archive.get("o").headers["x-object-meta-new"] == "yes"
    assert as_demanded(archive.s3, archive.bucket, archive.prefix + "o")
