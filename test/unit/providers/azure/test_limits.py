"""What no blob can hold is refused before it is sent."""

from __future__ import annotations

import pytest

from s3_sync.errors import InvalidRequest, ObjectRefused
from s3_sync.model.objects import ObjectMeta
from s3_sync.providers.azure.bucket import LIMITS, AzureBucket
from s3_sync.providers.limits import check_limits
from unit.providers.azure.conftest import NewBucket, put


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a" * 1020, ""),
        ("ü" * 1020, ""),  # 2,040 bytes, but characters count
        ("a" * 1021, "name_too_long"),
        ("\U0001f600" * 511, "name_too_long"),  # two of UTF-16 each
        ("a\\b", "name_unsafe"),
        ("a\tb", "name_unsafe"),
        ("a\uffffb", "name_unsafe"),
        ("a.", "name_unsafe"),
        ("a./b", "name_unsafe"),
        ("../b", "name_unsafe"),
        ("a.b/.c/d", ""),
        ("folder/", ""),
        ("\ud800", "name_encoding"),
    ],
)
def test_name_is_refused_for_a_reason_or_fits(new_bucket: NewBucket, name: str, reason: str) -> None:
    bucket = new_bucket(prefix="pre/")
    if not reason:
        check_limits(bucket, name, ObjectMeta(), 1)
        put(bucket, name, b"x")
        return
    with pytest.raises(ObjectRefused) as refusal:
        check_limits(bucket, name, ObjectMeta(), 1)
    assert refusal.value.reason == reason
    if reason == "name_unsafe":
        with pytest.raises(InvalidRequest):
            put(bucket, name, b"x")


@pytest.mark.parametrize(
    ("user", "fits"),
    [
        ({"a": "v" * 8191}, True),
        ({"a": "v" * 8192}, False),
        ({"a-b": "v" * 8187}, True),  # a_2Db
        ({"a-b": "v" * 8188}, False),
        ({"größe": "1"}, True),
    ],
)
def test_metadata_counts_as_it_is_sent(bucket: AzureBucket, user: dict[str, str], fits: bool) -> None:
    meta = ObjectMeta(user=user)
    if fits:
        check_limits(bucket, "o", meta, 1)
        put(bucket, "o", b"x", meta)
        assert bucket.head_object("o").meta.user == user
        return
    with pytest.raises(ObjectRefused) as refusal:
        check_limits(bucket, "o", meta, 1)
    assert refusal.value.reason == "metadata_too_large"


def test_object_is_limited_by_its_blocks_and_not_by_its_parts(bucket: AzureBucket) -> None:
    assert LIMITS.max_object == 4 * 10**12
    check_limits(bucket, "o", ObjectMeta(), LIMITS.max_object)
    with pytest.raises(ObjectRefused) as refusal:
        check_limits(bucket, "o", ObjectMeta(), LIMITS.max_object + 1)
    assert refusal.value.reason == "too_large"
