"""A rate-limited bucket: it observes the budgets of its mapping and account."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from s3_sync.model.objects import GetOptions, PutOptions, PutResult
from s3_sync.providers.base import Bucket, GetResult, MultipartUpload, Part
from s3_sync.providers.large_objects import Manifests
from s3_sync.providers.wrappers.delegate import (
    CallWrapper,
    DelegatingBucket,
    DelegatingManifests,
    DelegatingUpload,
)
from s3_sync.providers.wrappers.rate_limits import MappingLimiter
from s3_sync.streams.reader import Body

_Result = TypeVar("_Result")
_WHOLE = GetOptions()


class RateLimitedBucket(DelegatingBucket):
    """A bucket whose requests and transferred bytes are limited by ``gate``.

    Each attempt counts, so this wrapper belongs inside the retrying one. An operation that takes several
    requests, such as listing open uploads, counts as one. The bytes of objects and stored manifests count as
    they are read for sending, so a waiting upload keeps one chunk in memory. ``is_source``: objects are
    copied from the bucket, so downloads count, too; elsewhere they do not.
    """

    def __init__(self, bucket: Bucket, gate: MappingLimiter, is_source: bool = False) -> None:
        super().__init__(bucket, self._pass)
        self._gate = gate
        self._is_source = is_source

    def get_object(self, name: str, options: GetOptions = _WHOLE) -> GetResult:
        result = super().get_object(name, options)
        return _RateLimitedResult(result, self._gate) if self._is_source and self._gate.limits else result

    def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
        return super().put_object(name, _rate_limited(body, self._gate), options)

    def _around(self, bucket: Bucket) -> Bucket:
        return RateLimitedBucket(bucket, self._gate, self._is_source)

    def _wrapped(self, upload: MultipartUpload) -> MultipartUpload:
        return _RateLimitedUpload(upload, self._pass, self._gate)

    @property
    def manifests(self) -> Manifests:
        return _RateLimitedManifests(self._bucket.manifests, self._pass, self._gate)

    def _pass(self, function: Callable[[], _Result], body: Body | None = None) -> _Result:
        self._gate.wait_request()
        return function()


class _RateLimitedUpload(DelegatingUpload):
    def __init__(self, upload: MultipartUpload, call: CallWrapper, gate: MappingLimiter) -> None:
        super().__init__(upload, call)
        self._gate = gate

    def upload_part(self, number: int, body: Body, size: int, md5: str | None = None) -> Part:
        return super().upload_part(number, _rate_limited(body, self._gate), size, md5)


class _RateLimitedManifests(DelegatingManifests):
    def __init__(self, manifests: Manifests, call: CallWrapper, gate: MappingLimiter) -> None:
        super().__init__(manifests, call, lambda name: call)
        self._gate = gate

    def put(self, name: str, manifest: bytes) -> None:
        if manifest:
            self._gate.wait_bytes(len(manifest))
        super().put(name, manifest)


class _RateLimitedResult:
    """An open read, whose body waits for the budget as it is read."""

    def __init__(self, result: GetResult, gate: MappingLimiter) -> None:
        self.info = result.info
        self.byte_range = result.byte_range
        self.body: Body = _RateLimitedBody(result.body, gate)
        self._result = result

    def close(self) -> None:
        self._result.close()

    def __enter__(self) -> _RateLimitedResult:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _rate_limited(body: Body, gate: MappingLimiter) -> Body:
    return _RateLimitedBody(body, gate) if gate.limits else body


class _RateLimitedBody:
    """Reads in chunks small enough that each of many concurrent transfers keeps moving."""

    def __init__(self, body: Body, gate: MappingLimiter) -> None:
        self.length = body.length
        self._body = body
        self._gate = gate

    def read(self, size: int = -1) -> bytes:
        chunk_size = self._gate.chunk_size(size)
        if size < 0 <= chunk_size:
            return b"".join(iter(lambda: self.read(chunk_size), b""))
        chunk = self._body.read(chunk_size)
        if chunk:
            self._gate.wait_bytes(len(chunk))
        return chunk

    def rewind(self) -> None:
        self._body.rewind()

    def close(self) -> None:
        self._body.close()
