"""What would be written is told, and nothing is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ByteRange, ObjectMeta, PutOptions
from s3_sync.providers.base import Bucket
from s3_sync.providers.memory import MemoryProvider
from s3_sync.providers.wrappers.dry_run import (
    WOULD_DELETE,
    WOULD_PUT,
    WOULD_UPDATE,
    WOULD_WRITE_MANIFEST,
    DryRunBucket,
    DryRunWrite,
)
from s3_sync.providers.wrappers.retry import RetryPolicy
from s3_sync.streams.reader import BytesBody

WRITES: list[tuple[str, Callable[[Bucket, str], Any]]] = [
    (WOULD_PUT, lambda bucket, _: bucket.put_object("x", BytesBody(b"1"), PutOptions(1))),
    (WOULD_UPDATE, lambda bucket, _: bucket.post_object("x", ObjectMeta())),
    (WOULD_UPDATE, lambda bucket, _: bucket.retrieve_object("x", 1, "Bulk")),
    (WOULD_DELETE, lambda bucket, _: bucket.delete_object("x")),
    (WOULD_DELETE, lambda bucket, _: bucket.delete_objects(["x"])),
    (WOULD_PUT, lambda bucket, _: bucket.create_upload("x", ObjectMeta())),
    (WOULD_PUT, lambda bucket, known: bucket.upload_by_id("x", known).upload_part(1, BytesBody(b"1"), 1)),
    (WOULD_UPDATE, lambda bucket, known: bucket.upload_by_id("x", known).copy_part(1, ByteRange(0, 0))),
    (WOULD_PUT, lambda bucket, known: bucket.upload_by_id("x", known).complete([])),
    (WOULD_DELETE, lambda bucket, known: bucket.upload_by_id("x", known).abort()),
    (WOULD_WRITE_MANIFEST, lambda bucket, _: bucket.manifests.put("x", b"[]")),
    (WOULD_PUT, lambda bucket, _: bucket.manifests.delete("x")),
    (WOULD_UPDATE, lambda bucket, _: bucket.set_expiry_rule(1)),
]


@pytest.mark.parametrize(("reason", "write"), WRITES)
def test_write_in_dry_run_raises_its_reason_and_changes_nothing(
    reason: str, write: Callable[[Bucket, str], Any]
) -> None:
    provider = MemoryProvider()
    provider.create_bucket("b")
    memory = provider.bucket("b", KeyNamer.literal(""))
    memory.put_object("x", BytesBody(b"there"), PutOptions(5))
    memory.manifests.put("x", b"[1]")
    upload_id = memory.create_upload("x", ObjectMeta()).upload_id
    bucket = DryRunBucket(memory, RetryPolicy(attempts=1).call)
    with pytest.raises(DryRunWrite) as caught:
        write(bucket, upload_id)
    assert caught.value.reason == reason
    assert bucket.head_object("x").size == 5
    assert (bucket.manifests.get("x"), bucket.manifests.has_any()) == (b"[1]", True)
    assert [upload.upload_id for upload in bucket.list_uploads()] == [upload_id]
