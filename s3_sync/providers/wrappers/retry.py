"""Repeats what failed in passing: a small number of times, and only where it can help."""

from __future__ import annotations

import io
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from s3_sync.errors import RemoteError
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ByteRange, GetOptions, ObjectInfo, ObjectMeta, PutOptions, PutResult
from s3_sync.providers.base import (
    Bucket,
    BucketEntry,
    GetResult,
    ListPage,
    ListQuery,
    OpenUpload,
    Part,
    Provider,
    WriteOptions,
)
from s3_sync.streams.reader import Body

_Result = TypeVar("_Result")
_WHOLE = GetOptions()
_PLAIN = WriteOptions()


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """``attempts``: calls in all, the first one included. Seconds otherwise.

    Before repetition n (from 1) it waits a random time between 0 and ``base`` * 2**(n-1), at most
    ``longest``; and at least as long as the store asked for. A store that asks for more than ``patience``
    is not asked again: that is for the caller, who has more time than a worker.
    """

    attempts: int = 4
    base: float = 0.5
    longest: float = 8.0
    patience: float = 30.0
    sleep: Callable[[float], None] = time.sleep
    #: a number between 0 and 1
    random: Callable[[], float] = random.random

    def call(self, function: Callable[[], _Result], body: Body | None = None) -> _Result:
        """The result of ``function``, which reads ``body``; or its last error."""
        for attempt in range(1, self.attempts):
            try:
                return function()
            except RemoteError as error:
                if not error.transient or (error.retry_after or 0.0) > self.patience:
                    raise
                if body is not None and not _rewound(body):
                    raise
                self.sleep(max(error.retry_after or 0.0, self._delay(attempt)))
        return function()

    def _delay(self, attempt: int) -> float:
        return self.random() * min(self.longest, self.base * 2.0 ** (attempt - 1))


class RetryBucket:
    """A bucket whose methods are repeated when they fail in passing.

    What a body raises on its own account is not repeated (only RemoteErrors are), nor is a write whose
    body cannot be rewound. Reading what ``get_object`` opened is up to the reader.
    """

    def __init__(self, bucket: Bucket, policy: RetryPolicy) -> None:
        self.name = bucket.name
        self.namer = bucket.namer
        self.limits = bucket.limits
        self.features = bucket.features
        self._bucket = bucket
        self._call = policy.call

    def head_object(self, name: str) -> ObjectInfo:
        return self._call(lambda: self._bucket.head_object(name))

    def get_object(self, name: str, options: GetOptions = _WHOLE) -> GetResult:
        return self._call(lambda: self._bucket.get_object(name, options))

    def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
        return self._call(lambda: self._bucket.put_object(name, body, options), body)

    def post_object(self, name: str, meta: ObjectMeta, if_match: str | None = None) -> None:
        self._call(lambda: self._bucket.post_object(name, meta, if_match))

    def delete_object(self, name: str) -> bool:
        return self._call(lambda: self._bucket.delete_object(name))

    def list_objects(self, query: ListQuery) -> ListPage:
        return self._call(lambda: self._bucket.list_objects(query))

    def create_upload(self, name: str, meta: ObjectMeta) -> str:
        return self._call(lambda: self._bucket.create_upload(name, meta))

    def upload_part(
        self, name: str, upload_id: str, number: int, body: Body, size: int, md5: str | None = None
    ) -> Part:
        return self._call(lambda: self._bucket.upload_part(name, upload_id, number, body, size, md5), body)

    def copy_part(
        self, name: str, upload_id: str, number: int, byte_range: ByteRange, if_match: str | None = None
    ) -> Part:
        return self._call(lambda: self._bucket.copy_part(name, upload_id, number, byte_range, if_match))

    def complete_upload(
        self,
        name: str,
        upload_id: str,
        parts: Sequence[Part],
        if_match: str | None = None,
        if_absent: bool = False,
    ) -> PutResult:
        return self._call(lambda: self._bucket.complete_upload(name, upload_id, parts, if_match, if_absent))

    def abort_upload(self, name: str, upload_id: str) -> None:
        self._call(lambda: self._bucket.abort_upload(name, upload_id))

    def list_uploads(self, name: str | None = None) -> Iterator[OpenUpload]:
        return iter(self._call(lambda: list(self._bucket.list_uploads(name))))

    def put_manifest(self, name: str, manifest: bytes) -> None:
        self._call(lambda: self._bucket.put_manifest(name, manifest))

    def get_manifest(self, name: str) -> bytes:
        return self._call(lambda: self._bucket.get_manifest(name))

    def delete_manifest(self, name: str) -> None:
        self._call(lambda: self._bucket.delete_manifest(name))

    def holds_manifests(self) -> bool:
        return self._call(self._bucket.holds_manifests)

    def close(self) -> None:
        self._bucket.close()


class RetryProvider:
    """A provider whose methods, and whose buckets' methods, are repeated when they fail in passing."""

    def __init__(self, provider: Provider, policy: RetryPolicy) -> None:
        self._provider = provider
        self._policy = policy

    def bucket(self, name: str, namer: KeyNamer, write: WriteOptions = _PLAIN) -> RetryBucket:
        return RetryBucket(self._provider.bucket(name, namer, write), self._policy)

    def list_buckets(self) -> Iterator[BucketEntry]:
        return iter(self._policy.call(lambda: list(self._provider.list_buckets())))

    def head_bucket(self, name: str) -> None:
        self._policy.call(lambda: self._provider.head_bucket(name))

    def create_bucket(self, name: str) -> None:
        self._policy.call(lambda: self._provider.create_bucket(name))

    def close(self) -> None:
        self._provider.close()


def _rewound(body: Body) -> bool:
    try:
        body.rewind()
    except io.UnsupportedOperation:
        return False
    return True
