"""Multipart uploads: parts are blocks, and their list completes the upload.

Azure has no uploads of its own, so beginning or aborting one sends no request: blocks that no list names are
discarded by the next write of the blob, or after a week. Source: "Put Block", remarks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from uuid import uuid4

from s3_sync.errors import BadDigest, InvalidRequest, NotFound, NotSupported
from s3_sync.model.objects import ByteRange, PutResult
from s3_sync.providers.azure.blocks import BlockWriter, Sent
from s3_sync.providers.azure.errors import NO_SUCH_BLOCKS
from s3_sync.providers.base import Part
from s3_sync.providers.store_limits import Limits
from s3_sync.streams.reader import Body

#: commits blocks as an object with this metadata and Content-MD5, under these conditions; returns the ETag
Commit = Callable[[Sequence[Sent], "str | None", "str | None", bool], str]


class AzureUpload:
    """See ``MultipartUpload``. ``commit`` None: of another process, whose metadata is unknown."""

    def __init__(
        self,
        writer: BlockWriter,
        limits: Limits,
        name: str,
        key: str,
        commit: Commit | None = None,
        upload_id: str = "",
    ) -> None:
        self.name = name
        self.upload_id = upload_id or uuid4().hex
        self._writer = writer
        self._limits = limits
        self._key = key
        self._commit = commit
        self._is_open = commit is not None
        self._sent: dict[int, Sent] = {}
        self._result: PutResult | None = None

    def upload_part(self, number: int, body: Body, size: int, md5: str | None = None) -> Part:
        self._check_open()
        if not 1 <= number <= self._limits.max_parts or size > self._limits.max_part:
            raise InvalidRequest(f"part {number} of {size} bytes", code="InvalidArgument")
        if size == 0:
            raise InvalidRequest(f"part {number} has no bytes", code="InvalidArgument")
        sent = self._writer.send(self._key, body, size, md5, number)
        self._sent[number] = sent
        return Part(number, sent.md5, size, sent.md5)

    def copy_part(self, number: int, byte_range: ByteRange, if_match: str | None = None) -> Part:
        raise NotSupported("no blob needs copying: its metadata can be replaced whatever its size")

    def complete(
        self, parts: Sequence[Part], if_match: str | None = None, if_absent: bool = False
    ) -> PutResult:
        if self._result is not None:
            return self._result
        self._check_open()
        assert self._commit is not None
        numbers = [part.number for part in parts]
        if not parts or numbers != sorted(set(numbers)):
            raise InvalidRequest("parts are missing or not in order", code="InvalidPartOrder")
        found = [self._sent.get(number) for number in numbers]
        sent = [each for each, part in zip(found, parts, strict=True) if each and each.md5 == part.etag]
        if len(sent) < len(parts):
            raise BadDigest("a part was not sent, or has another ETag", code="InvalidPart")
        try:
            etag = self._commit(sent, joined_md5(parts), if_match, if_absent)
        except NotFound as error:
            if error.code != NO_SUCH_BLOCKS:
                raise
            self._is_open = False
            raise NotFound(str(error), status=error.status, code="NoSuchUpload") from error
        self._is_open = False
        self._result = PutResult(etag)
        return self._result

    def abort(self) -> None:
        self._is_open = False

    def _check_open(self) -> None:
        if not self._is_open:
            raise NotFound(f"no upload {self.upload_id} of {self.name}", status=404, code="NoSuchUpload")


def joined_md5(parts: Sequence[Part]) -> str:
    """The ETag that an SLO of these parts has in Swift."""
    text = "".join(part.md5 or "" for part in parts)
    return hashlib.md5(text.encode("ascii"), usedforsecurity=False).hexdigest()
