"""Whether a store honours If-None-Match and If-Match of writes: found out by trying.

Amazon does. Of clones some do, some refuse the headers, and some ignore them, which no answer tells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from s3_sync.errors import InvalidRequest, NotSupported, PreconditionFailed
from s3_sync.providers.base import Part
from s3_sync.providers.s3.headers import condition_headers
from s3_sync.providers.s3.multipart import Uploads
from s3_sync.providers.s3.proved_writes import Writer
from s3_sync.providers.s3.transport.base import Upload
from s3_sync.providers.s3.transport.sigv4 import Header
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import BytesBody

_BODY = b"[]"
_MD5 = md5_hex(_BODY)
#: an ETag that nothing has
_ELSE = "0" * 32


@dataclass(frozen=True, slots=True)
class Trial:
    """Writes to ``key``, which must be nobody's; whoever makes one takes away what is there afterwards."""

    writer: Writer
    uploads: Uploads
    bucket: str
    key: str

    def run(self) -> tuple[bool, bool]:
        """Whether If-None-Match holds, and whether If-Match does: of a PUT as well as of the completion of an
        upload. Raises what the store says to a write without conditions."""
        etag = self._put(())
        absent = self._holds(condition_headers(None, if_absent=True))
        match = self._holds(condition_headers(_ELSE))
        return absent, match and _answer(self._put, condition_headers(etag)) == "done"

    def _holds(self, impossible: Sequence[Header]) -> bool:
        return all(_answer(write, impossible) == "held" for write in (self._put, self._complete))

    def _put(self, conditions: Sequence[Header]) -> str:
        upload = Upload(self.bucket, self.key, BytesBody(_BODY), len(_BODY), _MD5, tuple(conditions))
        return self.writer.put(upload).etag

    def _complete(self, conditions: Sequence[Header]) -> str:
        uploads = self.uploads
        upload_id = uploads.create(self.key, ())
        try:
            part = uploads.send(self.key, upload_id, Part(1, "", len(_BODY), _MD5), BytesBody(_BODY))
            etag = uploads.complete(self.key, upload_id, [part], conditions).etag
        except BaseException:
            uploads.abort(self.key, upload_id)
            raise
        return etag


def _answer(
    write: Callable[[Sequence[Header]], str], conditions: Sequence[Header]
) -> Literal["done", "held", "unknown"]:
    """``held``: not written, because of the conditions; ``unknown``: because the store knows none."""
    try:
        write(conditions)
    except PreconditionFailed:
        return "held"
    except (InvalidRequest, NotSupported):
        return "unknown"
    return "done"
