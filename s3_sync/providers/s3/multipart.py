"""Multipart uploads to one bucket."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from s3_sync.errors import BadDigest, NotFound, NotSupported, RemoteError, UnexpectedAnswer
from s3_sync.model.objects import ByteRange, PutResult, is_md5
from s3_sync.providers.base import Part
from s3_sync.providers.s3.client import RAW_HEADERS, Account
from s3_sync.providers.s3.errors import translated, unexpected
from s3_sync.providers.s3.headers import unquoted
from s3_sync.providers.s3.open_uploads import open_uploads
from s3_sync.providers.s3.proved_writes import Expected, Writer
from s3_sync.providers.s3.transport.base import PartOf, Upload
from s3_sync.providers.s3.transport.sigv4 import Header
from s3_sync.streams.reader import Body

#: maximum number of uploads whose headers are remembered: more than any process has open
_MAX_REMEMBERED = 10_000


class Uploads:
    """The multipart uploads of one bucket. Takes keys, not names."""

    def __init__(self, account: Account, writer: Writer, bucket: str) -> None:
        self._account = account
        self._client = account.client
        self._writer = writer
        self._bucket = bucket
        #: by upload id: the headers of its creation, which the completed object has
        self._headers: dict[str, tuple[Header, ...]] = {}

    def create(self, key: str, headers: Sequence[Header]) -> str:
        what = f"create the upload of {self._bucket}/{key}"
        with translated(what):
            response = self._client.create_multipart_upload(
                Bucket=self._bucket, Key=key, **{RAW_HEADERS: headers}
            )
        if not response.get("UploadId"):
            raise self._unexpected(what, "no UploadId", response)
        if len(self._headers) >= _MAX_REMEMBERED:
            self._headers.clear()
        self._headers[response["UploadId"]] = tuple(headers)
        return str(response["UploadId"])

    def send(self, key: str, upload_id: str, part: Part, body: Body) -> Part:
        """Send ``part``. Returns it with the ETag that the store returned."""
        where = PartOf(upload_id, part.number)
        upload = Upload(self._bucket, key, body, part.size, part.md5, part=where)
        written = self._writer.put_part(upload)
        return Part(part.number, written.etag, part.size, written.md5)

    def copy(
        self, key: str, upload_id: str, number: int, byte_range: ByteRange, if_match: str | None
    ) -> Part:
        """Copy a range of the object with the same key into a part."""
        what = f"copy a part of {self._bucket}/{key}"
        assert byte_range.last is not None
        parameters: dict[str, Any] = {"CopySourceRange": byte_range.header}
        if if_match is not None:
            parameters["CopySourceIfMatch"] = f'"{if_match}"'
        with translated(what):
            response = self._client.upload_part_copy(
                Bucket=self._bucket,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                CopySource={"Bucket": self._bucket, "Key": key},
                **parameters,
            )
        etag = unquoted(response.get("CopyPartResult", {}).get("ETag", ""))
        if not etag and "etag" in response["ResponseMetadata"]["HTTPHeaders"]:
            # the store treated it as UploadPart without bytes
            raise NotSupported(f"{what}: UploadPartCopy is not supported")
        if not etag:
            raise self._unexpected(what, "no ETag", response)
        return Part(number, etag, byte_range.last - byte_range.first + 1)

    def open_uploads(self, prefix: str) -> Iterator[tuple[str, str, float]]:
        """Key, upload id and start time of every open upload with this key prefix."""
        return open_uploads(self._account, self._bucket, prefix)

    def complete(
        self, key: str, upload_id: str, parts: Sequence[Part], conditions: Sequence[Header]
    ) -> PutResult:
        """Complete an upload. A retry finds no upload any more, but the object, if the first call succeeded.

        If the ETag of the response is no proof, a HEAD must show the object.
        """
        what = f"complete the upload of {self._bucket}/{key}"
        etag = multipart_etag(parts)
        marks = self._headers.get(upload_id, ())
        expected = Expected(sum(part.size for part in parts), etag or "", marks=marks)
        listed = [{"PartNumber": part.number, "ETag": f'"{part.etag}"'} for part in parts]
        try:
            with translated(what):
                response = self._client.complete_multipart_upload(
                    Bucket=self._bucket,
                    Key=key,
                    UploadId=upload_id,
                    MultipartUpload={"Parts": listed},
                    **{RAW_HEADERS: conditions},
                )
        except (NotFound, UnexpectedAnswer) as error:
            if isinstance(error, NotFound) and error.code != "NoSuchUpload":
                raise
            return self._confirm(key, upload_id, expected, error)
        returned = unquoted(response.get("ETag", ""))
        if etag and "-" in returned and returned != etag:
            raise BadDigest(f"{self._bucket}/{key}: the store's ETag is {returned}, expected {etag}")
        if returned and returned == etag:
            self._headers.pop(upload_id, None)
            return PutResult(returned)
        unproved = self._unexpected(what, "a HEAD does not show the object that was sent", response)
        return self._confirm(key, upload_id, replace(expected, etag=returned or etag or ""), unproved)

    def _confirm(self, key: str, upload_id: str, expected: Expected, error: RemoteError) -> PutResult:
        written = self._writer.confirm(key, expected, error)
        self._headers.pop(upload_id, None)
        return PutResult(written.etag)

    def abort(self, key: str, upload_id: str) -> None:
        what = f"abort the upload of {self._bucket}/{key}"
        try:
            with translated(what):
                response = self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=key, UploadId=upload_id
                )
        except NotFound as error:
            if error.code == "NoSuchBucket":
                raise
        else:
            is_proved = response["ResponseMetadata"]["HTTPStatusCode"] == 204
            if not is_proved and upload_id in {open_id for _, open_id, _ in self.open_uploads(key)}:
                raise self._unexpected(what, "the upload is still open", response)
        self._headers.pop(upload_id, None)

    def _unexpected(self, what: str, why: str, response: Any) -> UnexpectedAnswer:
        metadata = response["ResponseMetadata"]
        endpoint, status = self._account.endpoint, metadata["HTTPStatusCode"]
        return unexpected(what, why, endpoint, status, metadata["HTTPHeaders"])


def multipart_etag(parts: Sequence[Part]) -> str | None:
    """The ETag of an object of these parts: the MD5 of their binary MD5s, a hyphen, their number. None if
    the MD5 of any part is unknown."""
    digest = hashlib.md5(usedforsecurity=False)
    for part in parts:
        if part.md5 is None or not is_md5(part.md5):
            return None
        digest.update(bytes.fromhex(part.md5))
    return f"{digest.hexdigest()}-{len(parts)}"
