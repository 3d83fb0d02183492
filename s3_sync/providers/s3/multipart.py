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

#: of so many uploads the marks are remembered: more than any process has open
_MOST_OPEN = 10_000


class Uploads:
    """Keys in, unlike ``Bucket``."""

    def __init__(self, account: Account, writer: Writer, bucket: str) -> None:
        self._account = account
        self._client = account.client
        self._writer = writer
        self._bucket = bucket
        #: what an upload was begun with, which the object has when it is complete
        self._begun: dict[str, tuple[Header, ...]] = {}

    def create(self, key: str, headers: Sequence[Header]) -> str:
        what = f"begin the upload of {self._bucket}/{key}"
        with translated(what):
            answer = self._client.create_multipart_upload(
                Bucket=self._bucket, Key=key, **{RAW_HEADERS: headers}
            )
        if not answer.get("UploadId"):
            raise self._odd(what, "no UploadId", answer)
        if len(self._begun) >= _MOST_OPEN:
            self._begun.clear()
        self._begun[answer["UploadId"]] = tuple(headers)
        return str(answer["UploadId"])

    def send(self, key: str, upload_id: str, part: Part, body: Body) -> Part:
        """``part`` says what is to be sent; the one returned what is there."""
        where = PartOf(upload_id, part.number)
        upload = Upload(self._bucket, key, body, part.size, part.md5, part=where)
        written = self._writer.put_part(upload)
        return Part(part.number, written.etag, part.size, written.md5)

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
        if not etag and "etag" in answer["ResponseMetadata"]["HTTPHeaders"]:
            # the store took it for a part without bytes
            raise NotSupported(f"{what}: parts cannot be copied")
        if not etag:
            raise self._odd(what, "no ETag", answer)
        return Part(number, etag, byte_range.last - byte_range.first + 1)

    def open_uploads(self, prefix: str) -> Iterator[tuple[str, str, float]]:
        """Key, upload id and start of every upload whose key begins so."""
        return open_uploads(self._account, self._bucket, prefix)

    def complete(
        self, key: str, upload_id: str, parts: Sequence[Part], conditions: Sequence[Header]
    ) -> PutResult:
        """A repeated call finds the upload gone, and the object in place if the first one succeeded.

        Where the ETag of the answer does not tell, a HEAD has to show the object.
        """
        what = f"complete the upload of {self._bucket}/{key}"
        etag = multipart_etag(parts)
        marks = self._begun.get(upload_id, ())
        expected = Expected(sum(part.size for part in parts), etag or "", marks=marks)
        listed = [{"PartNumber": part.number, "ETag": f'"{part.etag}"'} for part in parts]
        try:
            with translated(what):
                answer = self._client.complete_multipart_upload(
                    Bucket=self._bucket,
                    Key=key,
                    UploadId=upload_id,
                    MultipartUpload={"Parts": listed},
                    **{RAW_HEADERS: conditions},
                )
        except (NotFound, UnexpectedAnswer) as error:
            if isinstance(error, NotFound) and error.code != "NoSuchUpload":
                raise
            return self._shown(key, upload_id, expected, error)
        told = unquoted(answer.get("ETag", ""))
        if etag and "-" in told and told != etag:
            raise BadDigest(f"{self._bucket}/{key}: the store has {told}, {etag} was sent")
        if told and told == etag:
            self._begun.pop(upload_id, None)
            return PutResult(told)
        odd = self._odd(what, "a HEAD does not show what was sent", answer)
        return self._shown(key, upload_id, replace(expected, etag=told or etag or ""), odd)

    def _shown(self, key: str, upload_id: str, expected: Expected, error: RemoteError) -> PutResult:
        written = self._writer.shown(key, expected, error)
        self._begun.pop(upload_id, None)
        return PutResult(written.etag)

    def abort(self, key: str, upload_id: str) -> None:
        what = f"abort the upload of {self._bucket}/{key}"
        try:
            with translated(what):
                answer = self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
        except NotFound as error:
            if error.code == "NoSuchBucket":
                raise
        else:
            is_sure = answer["ResponseMetadata"]["HTTPStatusCode"] == 204
            if not is_sure and upload_id in {open_id for _, open_id, _ in self.open_uploads(key)}:
                raise self._odd(what, "the upload is open", answer)
        self._begun.pop(upload_id, None)

    def _odd(self, what: str, why: str, answer: Any) -> UnexpectedAnswer:
        metadata = answer["ResponseMetadata"]
        endpoint, status = self._account.endpoint, metadata["HTTPStatusCode"]
        return unexpected(what, why, endpoint, status, metadata["HTTPHeaders"])


def multipart_etag(parts: Sequence[Part]) -> str | None:
    """What S3 makes of these parts: the MD5 of their binary MD5s, a hyphen, their number. None when the MD5
    of any part is not known."""
    digest = hashlib.md5(usedforsecurity=False)
    for part in parts:
        if part.md5 is None or not is_md5(part.md5):
            return None
        digest.update(bytes.fromhex(part.md5))
    return f"{digest.hexdigest()}-{len(parts)}"
