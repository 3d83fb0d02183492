"""Buckets of an account."""

from __future__ import annotations

from typing import Any

import pytest

from s3_sync.config.credentials.s3_dialects import AWS
from s3_sync.errors import AccessDenied, InvalidRequest
from s3_sync.providers.base import BucketEntry
from servers.scripted_s3 import Answer, ScriptedS3, error


def test_create_bucket_sends_the_region_at_aws_only(store: ScriptedS3, open_provider: Any) -> None:
    store.answers = [Answer()]
    for region in ("eu-west-1", "us-east-1"):
        open_provider(dialect=AWS, region=region, addressing_style="path").create_bucket("bucket")
    open_provider(region="eu-west-1").create_bucket("bucket")
    assert b"<LocationConstraint>eu-west-1</LocationConstraint>" in store.requests[0].body
    assert store.requests[1].body == b""  # Amazon's word for us-east-1 is none
    assert store.requests[2].body == b""  # and clones have no regions


def test_create_bucket_that_exists_succeeds_if_accessible(store: ScriptedS3, open_provider: Any) -> None:
    provider = open_provider()
    store.answers = [error(409, "BucketAlreadyOwnedByYou")]
    provider.create_bucket("bucket")
    store.answers = [error(409, "BucketAlreadyExists"), Answer()]
    provider.create_bucket("bucket")
    store.answers = [error(409, "BucketAlreadyExists"), Answer(403)]
    with pytest.raises(AccessDenied):
        provider.create_bucket("bucket")
    store.answers = [error(400, "InvalidBucketName")]
    with pytest.raises(InvalidRequest):
        provider.create_bucket("bucket")


def test_list_buckets_returns_entries_sorted_by_name(store: ScriptedS3, open_provider: Any) -> None:
    names = "".join(
        f"<Bucket><Name>{name}</Name>{created}</Bucket>"
        for name, created in (("b", "<CreationDate>1970-01-01T00:00:05.000Z</CreationDate>"), ("a", ""))
    )
    document = f"<ListAllMyBucketsResult><Buckets>{names}</Buckets></ListAllMyBucketsResult>"
    store.answers = [Answer(200, {}, document.encode())]
    assert list(open_provider().list_buckets()) == [BucketEntry("a", 0.0), BucketEntry("b", 5.0)]
