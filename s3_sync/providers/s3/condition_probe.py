"""Probes whether a store enforces If-None-Match and If-Match on writes.

Amazon does. Some clones do, some reject the headers, and some ignore them, which no response shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from s3_sync.errors import InvalidRequest, NotSupported, ObjectLocked, PreconditionFailed
from s3_sync.providers.object_headers import write_conditions
from s3_sync.providers.s3.multipart import Uploads
from s3_sync.providers.s3.proved_writes import Writer
from s3_sync.providers.s3.transport.base import Upload
from s3_sync.providers.s3.transport.sigv4 import Header
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import BytesBody

_BODY = b"[]"
_MD5 = md5_hex(_BODY)
#: an ETag that no object has
_OTHER_ETAG = "0" * 32


@dataclass(frozen=True, slots=True)
class ConditionProbe:
    """Probes with writes to ``key``, which must be unused; the caller deletes it afterwards. ``headers``: of
    each write."""

    writer: Writer
    uploads: Uploads
    bucket: str
    key: str
    headers: tuple[Header, ...] = ()

    def run(self) -> tuple[bool, bool]:
        """Whether If-None-Match and If-Match are enforced, by PUT and by CompleteMultipartUpload. Raises the
        error of a write without conditions."""
        etag = self._put(())
        absent = self._is_enforced(write_conditions(None, if_absent=True))
        match = self._is_enforced(write_conditions(_OTHER_ETAG))
        return absent, match and _try(self._put, write_conditions(etag)) == "written"

    def _is_enforced(self, impossible: Sequence[Header]) -> bool:
        return all(_try(write, impossible) == "refused" for write in (self._put, self._complete))

    def _put(self, conditions: Sequence[Header]) -> str:
        headers = (*self.headers, *conditions)
        upload = Upload(self.bucket, self.key, BytesBody(_BODY), len(_BODY), _MD5, headers)
        return self.writer.put(upload).etag

    def _complete(self, conditions: Sequence[Header]) -> str:
        upload = self.uploads.create("", self.key, self.headers)
        try:
            part = upload.upload_part(1, BytesBody(_BODY), len(_BODY), _MD5)
            return upload.complete_with([part], conditions).etag
        except BaseException:
            upload.abort()
            raise


def _try(
    write: Callable[[Sequence[Header]], str], conditions: Sequence[Header]
) -> Literal["written", "refused", "unsupported"]:
    """``refused``: the conditions were not met; ``unsupported``: the store rejects conditions,
    or refuses to replace what was just written before it looks at them."""
    try:
        write(conditions)
    except PreconditionFailed:
        return "refused"
    except (InvalidRequest, NotSupported, ObjectLocked):
        return "unsupported"
    return "written"
