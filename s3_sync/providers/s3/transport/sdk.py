"""Objects' bytes by the SDK."""

from __future__ import annotations

import io
from typing import Any

from s3_sync.errors import NotSupported
from s3_sync.providers.s3.client import RAW_HEADERS, Account
from s3_sync.providers.s3.errors import translated, understood
from s3_sync.providers.s3.headers import lower_names
from s3_sync.providers.s3.transport.base import Answer, Content, Question, Receipt, Upload
from s3_sync.providers.s3.upload import base64_text
from s3_sync.streams.hashing import new_digest
from s3_sync.streams.reader import CHUNK, Body


class SdkTransport:
    """Lets the SDK send. A checksum of a large body is computed beforehand, so it is read twice."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def send(self, upload: Upload, content: Content) -> Receipt:
        headers = dict((*upload.headers, *content.headers))
        if content.checksum is not None and not isinstance(content.data, bytes):
            headers[f"x-amz-checksum-{content.checksum}"] = _read_ahead(content.data, content.checksum)
        parameters = {
            "Bucket": upload.bucket,
            "Key": upload.key,
            "Body": content.data if isinstance(content.data, bytes) else _Stream(content.data),
            "ContentLength": content.size,
            RAW_HEADERS: headers,
        }
        with translated(upload.what):
            if upload.part is None:
                answer = self._account.client.put_object(**parameters)
            else:
                answer = self._account.client.upload_part(
                    **parameters, UploadId=upload.part.upload_id, PartNumber=upload.part.number
                )
        return Receipt(answer["ResponseMetadata"]["HTTPStatusCode"], _headers(answer))

    def ask(self, question: Question) -> Answer:
        client = self._account.client
        operation = client.get_object if question.method == "GET" else client.head_object
        with understood(question.what):
            answer = operation(
                Bucket=question.bucket, Key=question.key, **{RAW_HEADERS: dict(question.headers)}
            )
        status = answer["ResponseMetadata"]["HTTPStatusCode"]
        return Answer(status, _headers(answer), answer.get("Body") or io.BytesIO())

    def close(self) -> None:
        pass


def _headers(answer: Any) -> dict[str, str]:
    """The SDK reads as Latin-1 what some stores send in UTF-8."""
    items = answer["ResponseMetadata"]["HTTPHeaders"].items()
    return {name: _repaired(value) for name, value in lower_names(items).items()}


def _repaired(value: str) -> str:
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


class _Stream:
    """A body as the SDK wants it. Its C runtime, where that is installed, asks for ``seek`` and then does
    not use it; the rest of it goes back to the first byte at most."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._position = 0

    def read(self, size: int | None = -1) -> bytes:
        data = self._body.read(-1 if size is None else size)
        self._position += len(data)
        return data

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET or offset != 0:
            raise io.UnsupportedOperation("seek")
        if self._position:
            self._body.rewind()
            self._position = 0
        return 0


def _read_ahead(body: Body, algorithm: str) -> str:
    digest = new_digest(algorithm)
    while data := body.read(CHUNK):
        digest.update(data)
    try:
        body.rewind()
    except OSError as error:  # io.UnsupportedOperation
        raise NotSupported(f"a {algorithm} checksum needs a body that can be read twice") from error
    return base64_text(digest.digest())
