"""A bucket that asks for less than it could: within the budgets of its mapping and account."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from s3_sync.model.objects import PutOptions, PutResult
from s3_sync.providers.base import Bucket, Part
from s3_sync.providers.wrappers.delegate import DelegatingBucket
from s3_sync.providers.wrappers.rate_limits import MappingLimiter
from s3_sync.streams.reader import Body

_Result = TypeVar("_Result")


class BudgetedBucket(DelegatingBucket):
    """``bucket``, whose requests and bytes pass ``gate``.

    Each attempt counts, so that it belongs inside of what repeats. An operation that takes several requests
    of the store, such as listing open uploads, counts as one. Bytes are those of objects and stored
    manifests, as they are read for sending, which keeps one piece of each in memory while it waits; what
    comes from the store is not counted.
    """

    def __init__(self, bucket: Bucket, gate: MappingLimiter) -> None:
        super().__init__(bucket, self._pass)
        self._gate = gate

    def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
        return super().put_object(name, self._metered(body), options)

    def upload_part(
        self, name: str, upload_id: str, number: int, body: Body, size: int, md5: str | None = None
    ) -> Part:
        return super().upload_part(name, upload_id, number, self._metered(body), size, md5)

    def put_manifest(self, name: str, manifest: bytes) -> None:
        if manifest:
            self._gate.sent(len(manifest))
        super().put_manifest(name, manifest)

    def _pass(self, function: Callable[[], _Result], body: Body | None = None) -> _Result:
        self._gate.request()
        return function()

    def _metered(self, body: Body) -> Body:
        return _BudgetedBody(body, self._gate) if self._gate.allowances else body


class _BudgetedBody:
    """In pieces that are small enough for each of many transfers to move all the time."""

    def __init__(self, body: Body, gate: MappingLimiter) -> None:
        self.length = body.length
        self._body = body
        self._gate = gate

    def read(self, size: int = -1) -> bytes:
        piece = self._gate.piece(size)
        if size < 0 <= piece:
            return b"".join(iter(lambda: self.read(piece), b""))
        chunk = self._body.read(piece)
        if chunk:
            self._gate.sent(len(chunk))
        return chunk

    def rewind(self) -> None:
        self._body.rewind()

    def close(self) -> None:
        self._body.close()
