"""Conditions on reads and on writes."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.conftest import BUCKET
from conformance.samples import OnceBody, md5, put, read, sample
from conformance.targets import IN_PARTS, ONE_WAY, Target
from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.errors import NotSupported, PreconditionFailed
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import GetOptions, ObjectMeta, PutOptions
from s3_sync.providers.base import Bucket, ListQuery, Provider
from s3_sync.providers.s3.provider import S3Provider
from s3_sync.streams.reader import BytesBody, read_all

ELSE = "0" * 32


def test_get_if_match_of_another_etag_raises_precondition_failed(bucket: Bucket, target: Target) -> None:
    etag = put(bucket, "object", b"data").etag
    with bucket.get_object("object", GetOptions(if_match=etag)) as result:
        assert read_all(result.body) == b"data"
    if "get" in target.quirks.ignores_if_match:
        with bucket.get_object("object", GetOptions(if_match=ELSE)) as result:
            assert read_all(result.body) == b"data"
        return
    with pytest.raises(PreconditionFailed) as refusal, bucket.get_object("object", GetOptions(if_match=ELSE)):
        pass
    assert refusal.value.status == 412


def test_get_if_none_match_of_the_same_etag_fails_with_304(bucket: Bucket) -> None:
    etag = put(bucket, "object", b"data").etag
    with bucket.get_object("object", GetOptions(if_none_match=ELSE)) as result:
        assert read_all(result.body) == b"data"
    with (
        pytest.raises(PreconditionFailed) as refusal,
        bucket.get_object("object", GetOptions(if_none_match=etag)),
    ):
        pass
    assert refusal.value.status == 304


@pytest.mark.parametrize("size", [5, 2_000_000])
def test_put_if_absent_over_an_object_keeps_it(bucket: Bucket, size: int) -> None:
    data = sample(size)
    options = PutOptions(size, md5=md5(data), if_absent=True)
    if not bucket.features.put_if_absent:
        with pytest.raises(NotSupported):
            bucket.put_object("object", BytesBody(data), options)
        return
    bucket.put_object("object", BytesBody(data), options)
    with pytest.raises(PreconditionFailed):
        bucket.put_object("object", OnceBody(sample(size, 1)), PutOptions(size, if_absent=True))
    assert read(bucket, "object") == data


@pytest.mark.parametrize("size", [5, 2_000_000])
def test_put_if_match_of_an_old_etag_raises_precondition_failed(bucket: Bucket, size: int) -> None:
    etag = put(bucket, "object", b"first").etag
    data = sample(size)
    options = PutOptions(size, md5=md5(data), if_match=etag)
    if not bucket.features.put_if_match:
        with pytest.raises(NotSupported):
            bucket.put_object("object", BytesBody(data), options)
        return
    bucket.put_object("object", BytesBody(data), options)
    with pytest.raises(PreconditionFailed):
        bucket.put_object("object", BytesBody(data), options)
    assert read(bucket, "object") == data


def test_put_if_match_of_missing_object_raises_precondition_failed(bucket: Bucket) -> None:
    with pytest.raises(PreconditionFailed if bucket.features.put_if_match else NotSupported):
        bucket.put_object("object", BytesBody(b"data"), PutOptions(4, if_match=ELSE))


@pytest.mark.parametrize("target", IN_PARTS, indirect=True)
@pytest.mark.parametrize("condition", ["if_match", "if_absent"])
def test_complete_under_a_failed_condition_keeps_the_object(
    bucket: Bucket, target: Target, condition: str
) -> None:
    first = put(bucket, "object", b"first").etag
    upload = bucket.create_upload("object", ObjectMeta())
    part = upload.upload_part(1, BytesBody(b"part"), 4)
    wrong: dict[str, Any] = {"if_match": ELSE} if condition == "if_match" else {"if_absent": True}
    features = bucket.features
    supported = features.put_if_match if condition == "if_match" else features.put_if_absent
    if supported and condition == "if_match" and "complete" in target.quirks.ignores_if_match:
        upload.complete([part], **wrong)
        assert read(bucket, "object") == b"part"
        return
    with pytest.raises(PreconditionFailed if supported else NotSupported):
        upload.complete([part], **wrong)
    assert read(bucket, "object") == b"first"
    if supported and condition == "if_match":
        upload.complete([part], if_match=first)
        assert read(bucket, "object") == b"part"


@pytest.mark.parametrize("target", ONE_WAY, indirect=True)
def test_probe_conditional_writes_finds_out_support_and_cleans_up(
    target: Target, namer: KeyNamer, provider: Provider
) -> None:
    """A store of which nothing is known: what does not hold is found out, and nothing is left behind."""
    if not isinstance(target.credentials, S3Credentials) or target.store == "memory":
        bucket = provider.bucket(BUCKET, namer)
    else:
        unknown = {"store": None, "dialect": None, "conditional_put": True}
        credentials = target.credentials.model_copy(update=unknown)
        bucket = S3Provider(credentials, connections=2).bucket(BUCKET, namer)
        assert not bucket.features.put_if_absent
    bucket.probe_conditional_writes()
    assert (bucket.features.put_if_absent, bucket.features.put_if_match) == target.quirks.conditions
    everything = provider.bucket(BUCKET, KeyNamer.literal(""))
    assert not bucket.manifests.has_any()
    assert everything.list_objects(ListQuery(prefix=namer.prefix)).objects == ()
    assert list(bucket.list_uploads()) == []
