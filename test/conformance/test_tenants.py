"""A bucket of another tenant of Ceph, ``tenant:bucket``, in every request that names a bucket."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.samples import MIB, md5, read, sample
from conformance.targets import target_of
from s3_sync.config.secret import Secret
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ByteRange, ObjectMeta, PutOptions
from s3_sync.providers.base import ListQuery
from s3_sync.streams.reader import BytesBody

NAME = "a b/ü:+"


@pytest.mark.parametrize("way", ["ceph", "ceph-sdk", "ceph-v2"])
def test_bucket_of_a_tenant_works_in_every_method(ceph: Any, way: str, container_name: str) -> None:
    key = f"key-{container_name}"
    ceph.add_user(f"acme${container_name}", key, "secret")
    target = target_of(way, ceph)
    provider = target.provider(identity=key, secret=Secret("secret"))
    provider.create_bucket(container_name)
    bucket = provider.bucket(f"acme:{container_name}", KeyNamer.literal("p/"))
    data = sample(2 * MIB)
    bucket.put_object(NAME, BytesBody(data), PutOptions(len(data), md5=md5(data)))
    bucket.post_object(NAME, ObjectMeta(user={"a": "b"}))
    assert dict(bucket.head_object(NAME).meta.user) == {"a": "b"}
    assert read(bucket, NAME) == data
    upload = bucket.create_upload(NAME, ObjectMeta())
    assert [each.name for each in bucket.list_uploads()] == [NAME]
    upload.complete([upload.copy_part(1, ByteRange(0, len(data) - 1), md5(data))])
    assert [each.name for each in bucket.list_objects(ListQuery()).objects] == [NAME]
    assert bucket.set_expiry_rule(3)
    assert bucket.delete_objects([NAME]) == {}
    assert bucket.list_objects(ListQuery()).objects == ()
    provider.head_bucket(f"acme:{container_name}")
    provider.close()
