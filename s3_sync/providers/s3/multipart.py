"""Multipart uploads to one bucket."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from s3_sync.errors import BadDigest, NotFound, NotSupported
from s3_sync.model.objects import ByteRange, PutResult, is_md5
from s3_sync.providers.base import Part
from s3_sync.providers.s3.client import RAW_HEADERS, Account
from s3_sync.providers.s3.errors import translated
from s3_sync.providers.s3.headers import lower_names, unquoted
from s3_sync.providers.s3.open_uploads import open_uploads
from s3_sync.providers.s3.put import store
from s3_sync.providers.s3.signing import Header
from s3_sync.providers.s3.transport import PartOf, Transport, Upload
from s3_sync.streams.reader import Body


class Uploads:
    """Keys in, unlike ``Bucket``."""

    def __init__(self, account: Account, transport: Transport, bucket: str) -> None:
        self._account = account
        self._client = account.client
        self._transport = transport
        self._bucket = bucket

    def create(self, key: str, headers: Sequence[Header]) -> str:
        with translated(f"begin the upload of {self._bucket}/{key}"):
            answer = self._client.create_multipart_upload(
                Bucket=self._bucket, Key=key, **{RAW_HEADERS: headers}
            )
        return str(answer["UploadId"])

    def send(self, key: str, upload_id: str, part: Part, body: Body) -> Part:
        """``part`` says what is to be sent; the one returned what is there."""
        where = PartOf(upload_id, part.number)
        upload = Upload(self._bucket, key, body, part.size, part.md5, part=where)
        etag, md5 = store(self._transport, upload, self._account.credentials.checksum)
        return Part(part.number, etag, part.size, md5)

    def copy(
        self, key: str, upload_id: str, number: int, byte_range: ByteRange, if_match: str | None
    ) -> Part:
        """A part that is a range of the object under the same key."""
        what = f"copy a part of {self._bucket}/{key}"
        assert byte_range.last is not None
        parameters: dict[str, Any] = {"CopySourceRange": byte_range.header}
        if if_match is not None:
            parameters["CopySourceIfMatch"] = f'"{if_match}"'
        with translated(what):
            answer = self._client.upload_part_copy(
                Bucket=self._bucket,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                CopySource={"Bucket": self._bucket, "Key": key},
                **parameters,
            )
        etag = unquoted(answer.get("CopyPartResult", {}).get("ETag", ""))
        if not etag:  # the store took it for a part without bytes
            raise NotSupported(f"{what}: parts cannot be copied")
        return Part(number, etag, byte_range.last - byte_range.first + 1)

    def open_uploads(self, prefix: str) -> Iterator[tuple[str, str, float]]:
        """Key, upload id and start of every upload whose key begins so."""
        return open_uploads(self._account, self._bucket, prefix)

    def complete(
        self, key: str, upload_id: str, parts: Sequence[Part], conditions: Sequence[Header]
    ) -> PutResult:
        """A repeated call finds the upload gone, and the object in place if the first one succeeded."""
        expected = multipart_etag(parts)
        listed = [{"PartNumber": part.number, "ETag": f'"{part.etag}"'} for part in parts]
        try:
            with translated(f"complete the upload of {self._bucket}/{key}"):
                answer = self._client.complete_multipart_upload(
                    Bucket=self._bucket,
                    Key=key,
                    UploadId=upload_id,
                    MultipartUpload={"Parts": listed},
                    **{RAW_HEADERS: conditions},
                )
        except NotFound as error:
            if error.code == "NoSuchUpload" and expected and self._is_there(key, expected):
                return PutResult(expected)
            raise
        etag = unquoted(answer.get("ETag", ""))
        if expected and "-" in etag and etag != expected:
            raise BadDigest(f"{self._bucket}/{key}: the store has {etag}, {expected} was sent")
        return PutResult(etag)

    def abort(self, key: str, upload_id: str) -> None:
        try:
            with translated(f"abort the upload of {self._bucket}/{key}"):
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
        except NotFound as error:
            if error.code == "NoSuchBucket":
                raise

    def _is_there(self, key: str, etag: str) -> bool:
        try:
            with translated(f"HEAD {self._bucket}/{key}"):
                answer = self._client.head_object(Bucket=self._bucket, Key=key)
        except NotFound:
            return False
        headers = lower_names(answer["ResponseMetadata"]["HTTPHeaders"].items())
        return unquoted(headers.get("etag", "")) == etag


def multipart_etag(parts: Sequence[Part]) -> str | None:
    """What S3 makes of these parts: the MD5 of their binary MD5s, a hyphen, their number. None when the MD5
    of any part is not known."""
    digest = hashlib.md5(usedforsecurity=False)
    for part in parts:
        if part.md5 is None or not is_md5(part.md5):
            return None
        digest.update(bytes.fromhex(part.md5))
    return f"{digest.hexdigest()}-{len(parts)}"
