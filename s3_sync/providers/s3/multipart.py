"""Multipart uploads to one bucket."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from s3_sync.errors import (
    BadDigest,
    NotFound,
    NotSupported,
    RemoteError,
    RemoteUnavailable,
    UnexpectedAnswer,
)
from s3_sync.model.objects import ByteRange, PutResult, is_md5
from s3_sync.providers.base import Part
from s3_sync.providers.http_errors import NO_SUCH_BUCKET
from s3_sync.providers.object_headers import write_conditions
from s3_sync.providers.s3.client import RAW_HEADERS, Account
from s3_sync.providers.s3.errors import translated, unexpected, without_object
from s3_sync.providers.s3.headers import unquoted
from s3_sync.providers.s3.lenient_xml import NOT_XML
from s3_sync.providers.s3.open_uploads import open_uploads
from s3_sync.providers.s3.proved_writes import Expected, Writer
from s3_sync.providers.s3.transport.base import PartOf, Upload
from s3_sync.providers.s3.transport.sigv4 import Header
from s3_sync.streams.reader import Body

#: what a second decoding of a copy's source would change or end
_ENCODED = re.compile("[%?]")


class Uploads:
    """The multipart uploads of one bucket.

    ``check_conditions`` raises NotSupported for conditions that the store does not enforce.
    """

    def __init__(
        self,
        account: Account,
        writer: Writer,
        bucket: str,
        check_conditions: Callable[[str | None, bool], None],
    ) -> None:
        self.account = account
        self.writer = writer
        self.bucket = bucket
        self.check_conditions = check_conditions
        checksum = account.credentials.checksum
        declared = account.dialect.declared_checksums and checksum not in ("md5", "none")
        #: algorithm of the checksums that an upload must declare, and repeat at its end
        self.checksum = checksum if declared else ""

    def create(self, name: str, key: str, headers: Sequence[Header]) -> S3Upload:
        """Create an upload. If its key has a character that XML cannot hold, some stores, such as Swift's S3
        API, create it and then fail to write the response: it is the one that was not open before."""
        what = f"create the upload of {self.bucket}/{key}"
        sent = list(headers)
        if self.checksum:
            sent.append(("x-amz-checksum-algorithm", self.checksum.upper()))
        before = self.ids(key) if NOT_XML.search(key) else None
        try:
            with translated(what):
                response = self.account.client.create_multipart_upload(
                    Bucket=self.bucket, Key=key, **{RAW_HEADERS: sent}
                )
        except RemoteUnavailable:
            created = set() if before is None else (self.ids(key) or set()) - before
            if len(created) != 1:
                raise
            return S3Upload(self, name, key, created.pop(), tuple(headers))
        if not response.get("UploadId"):
            raise self.unexpected(what, "no UploadId", response)
        return S3Upload(self, name, key, str(response["UploadId"]), tuple(headers))

    def ids(self, key: str) -> set[str] | None:
        """The ids of the key's open uploads; None if the store does not list uploads. Raises
        RemoteUnavailable if another upload may hide them: one that is created now could not be found."""
        try:
            return {upload_id for found, upload_id, _ in self.open_uploads(key) if found == key}
        except RemoteError as error:
            if error.status == 500:
                raise
            return None

    def open_uploads(self, prefix: str) -> Iterator[tuple[str, str, float]]:
        """Key, upload id and start time of every open upload with this key prefix."""
        return open_uploads(self.account, self.bucket, prefix)

    def unexpected(self, what: str, why: str, response: Any) -> UnexpectedAnswer:
        metadata = response["ResponseMetadata"]
        endpoint, status = self.account.endpoint, metadata["HTTPStatusCode"]
        return unexpected(what, why, endpoint, status, metadata["HTTPHeaders"])


class S3Upload:
    """See ``MultipartUpload``. ``headers``: of its creation, which the completed object has; empty if
    unknown."""

    def __init__(
        self, uploads: Uploads, name: str, key: str, upload_id: str, headers: Sequence[Header] = ()
    ) -> None:
        self.name = name
        self.upload_id = upload_id
        self._uploads = uploads
        self._key = key
        self._headers = headers
        self._target = {"Bucket": uploads.bucket, "Key": key, "UploadId": upload_id}

    def upload_part(self, number: int, body: Body, size: int, md5: str | None = None) -> Part:
        where = PartOf(self.upload_id, number)
        upload = Upload(self._uploads.bucket, self._key, body, size, md5, part=where)
        written = self._uploads.writer.put_part(upload)
        return Part(number, written.etag, size, written.md5, written.checksum)

    def copy_part(self, number: int, byte_range: ByteRange, if_match: str | None = None) -> Part:
        bucket, key = self._uploads.bucket, self._key
        what = f"copy a part of {bucket}/{key}"
        assert byte_range.last is not None
        dialect = self._uploads.account.dialect
        if not dialect.copies_parts:
            raise NotSupported(f"{what}: {dialect.name} has no UploadPartCopy")
        if _ENCODED.search(key) and not dialect.copies_parts_of_any_key:
            raise NotSupported(f"{what}: the store may decode the key twice, and copy from another object")
        conditions = {} if if_match is None else {dialect.copy_condition: f'"{if_match}"'}
        with translated(what):
            response = self._uploads.account.client.upload_part_copy(
                **self._target,
                PartNumber=number,
                CopySource={"Bucket": bucket, "Key": key},
                CopySourceRange=byte_range.header,
                **{RAW_HEADERS: conditions},
            )
        copied = response.get("CopyPartResult", {})
        etag = unquoted(copied.get("ETag", ""))
        if not etag and "etag" in response["ResponseMetadata"]["HTTPHeaders"]:
            # the store treated it as UploadPart without bytes
            raise NotSupported(f"{what}: UploadPartCopy is not supported")
        if not etag:
            raise self._uploads.unexpected(what, "no ETag", response)
        size = byte_range.last - byte_range.first + 1
        return Part(number, etag, size, checksum=copied.get(f"Checksum{self._uploads.checksum.upper()}"))

    def complete(
        self, parts: Sequence[Part], if_match: str | None = None, if_absent: bool = False
    ) -> PutResult:
        self._uploads.check_conditions(if_match, if_absent)
        try:
            return self.complete_with(parts, write_conditions(if_match, if_absent))
        except NotFound as error:
            raise without_object(error, if_match) from error

    def complete_with(self, parts: Sequence[Part], conditions: Sequence[Header]) -> PutResult:
        """As ``complete``, with the headers of the conditions.

        A retry finds no upload any more, but the object, if the first call succeeded; some stores, such as
        Ceph, then fail with status 500. If the ETag of the response is no proof, a HEAD must show the object;
        and after a failure for a key that XML cannot hold, since some stores complete the upload, and fail to
        write the response.
        """
        where = f"{self._uploads.bucket}/{self._key}"
        what = f"complete the upload of {where}"
        etag = multipart_etag(parts) if self._uploads.account.dialect.multipart_etag_is_md5s else None
        expected = Expected(sum(part.size for part in parts), etag or "", marks=self._headers)
        listed = [self._listed(part) for part in parts]
        try:
            with translated(what):
                response = self._uploads.account.client.complete_multipart_upload(
                    **self._target, MultipartUpload={"Parts": listed}, **{RAW_HEADERS: conditions}
                )
        except NotFound as error:
            if error.code != "NoSuchUpload":
                raise
            return self._confirm(expected, error)
        except RemoteUnavailable as error:
            if isinstance(error, UnexpectedAnswer) or NOT_XML.search(self._key):
                return self._confirm(expected, error)
            if error.status != 500 or not self._is_gone():
                raise
            missing = NotFound(f"{error}: no such upload is open", status=404, code="NoSuchUpload")
            return self._confirm(expected, missing)
        returned = unquoted(response.get("ETag", ""))
        if etag and "-" in returned and returned != etag:
            raise BadDigest(f"{where}: the store's ETag is {returned}, expected {etag}")
        if returned and returned == etag:
            return PutResult(returned)
        why = "a HEAD does not show the object that was sent"
        unproved = self._uploads.unexpected(what, why, response)
        likely = etag
        if self._uploads.account.dialect.multipart_etag_is_md5s:
            # of copied parts only their ETags are known, which are their MD5s
            likely = multipart_etag([replace(part, md5=part.etag) for part in parts])
        return self._confirm(replace(expected, etag=returned or likely or ""), unproved)

    def _is_gone(self) -> bool:
        """Whether a listing of the key's uploads shows that this one is not open."""
        try:
            ids = self._uploads.ids(self._key)
        except RemoteUnavailable:
            return False
        return ids is not None and self.upload_id not in ids

    def _listed(self, part: Part) -> dict[str, Any]:
        entry: dict[str, Any] = {"PartNumber": part.number, "ETag": f'"{part.etag}"'}
        if self._uploads.checksum and part.checksum:
            entry[f"Checksum{self._uploads.checksum.upper()}"] = part.checksum
        return entry

    def _confirm(self, expected: Expected, error: RemoteError) -> PutResult:
        return PutResult(self._uploads.writer.confirm(self._key, expected, error).etag)

    def abort(self) -> None:
        what = f"abort the upload of {self._uploads.bucket}/{self._key}"
        try:
            with translated(what):
                response = self._uploads.account.client.abort_multipart_upload(**self._target)
        except NotFound as error:
            if error.code == NO_SUCH_BUCKET:
                raise
            return
        is_proved = response["ResponseMetadata"]["HTTPStatusCode"] == 204
        open_uploads = self._uploads.open_uploads
        if not is_proved and self.upload_id in {open_id for _, open_id, _ in open_uploads(self._key)}:
            raise self._uploads.unexpected(what, "the upload is still open", response)


def multipart_etag(parts: Sequence[Part]) -> str | None:
    """The ETag of an object of these parts: the MD5 of their binary MD5s, a hyphen, their number. None if
    the MD5 of any part is unknown."""
    digest = hashlib.md5(usedforsecurity=False)
    for part in parts:
        if part.md5 is None or not is_md5(part.md5):
            return None
        digest.update(bytes.fromhex(part.md5))
    return f"{digest.hexdigest()}-{len(parts)}"
