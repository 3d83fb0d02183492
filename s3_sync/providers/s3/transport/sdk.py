"""The transport by the SDK."""

from __future__ import annotations

import io
from typing import Any

from s3_sync.errors import NotSupported
from s3_sync.providers.s3.client import RAW_HEADERS, Account
from s3_sync.providers.s3.errors import translated, understood
from s3_sync.providers.s3.headers import lower_names
from s3_sync.providers.s3.transport.base import Content, ObjectRequest, ObjectResponse, Receipt, Upload
from s3_sync.providers.s3.upload import base64_text
from s3_sync.streams.hashing import new_digest
from s3_sync.streams.reader import CHUNK, Body


class SdkTransport:
    """Sends requests with the SDK. A large body with a checksum is read twice: the checksum comes first, in a
    header."""

    has_trailers = True

    def __init__(self, account: Account) -> None:
        self._account = account

    def send(self, upload: Upload, content: Content) -> Receipt:
        headers = dict((*upload.headers, *content.headers))
        if content.checksum is not None and not isinstance(content.data, bytes):
            headers[f"x-amz-checksum-{content.checksum}"] = _checksum(content.data, content.checksum)
        parameters = {
            "Bucket": upload.bucket,
            "Key": upload.key,
            "Body": content.data if isinstance(content.data, bytes) else _Stream(content.data),
            "ContentLength": content.size,
            RAW_HEADERS: headers,
        }
        with translated(upload.what):
            if upload.part is None:
                response = self._account.client.put_object(**parameters)
            else:
                response = self._account.client.upload_part(
                    **parameters, UploadId=upload.part.upload_id, PartNumber=upload.part.number
                )
        return Receipt(response["ResponseMetadata"]["HTTPStatusCode"], _headers(response))

    def fetch(self, request: ObjectRequest) -> ObjectResponse:
        client = self._account.client
        operation = client.get_object if request.method == "GET" else client.head_object
        more: dict[str, Any] = {RAW_HEADERS: dict(request.headers)}
        if request.part is not None:
            more["PartNumber"] = request.part
        with understood(request.what):
            response = operation(Bucket=request.bucket, Key=request.key, **more)
        status = response["ResponseMetadata"]["HTTPStatusCode"]
        return ObjectResponse(status, _headers(response), response.get("Body") or io.BytesIO())

    def close(self) -> None:
        pass


def _headers(response: Any) -> dict[str, str]:
    """Headers by lower-case name. The SDK decodes them as Latin-1; some stores send UTF-8."""
    items = response["ResponseMetadata"]["HTTPHeaders"].items()
    return {name: _repaired(value) for name, value in lower_names(items).items()}


def _repaired(value: str) -> str:
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


class _Stream:
    """A file-like view of a body for the SDK. The SDK seeks to the first byte at most; its C runtime, if
    installed, requires ``seek`` but does not call it."""

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


def _checksum(body: Body, algorithm: str) -> str:
    """Read the body for its checksum, and rewind it. Raises NotSupported."""
    digest = new_digest(algorithm)
    while data := body.read(CHUNK):
        digest.update(data)
    try:
        body.rewind()
    except OSError as error:  # io.UnsupportedOperation
        raise NotSupported(f"a {algorithm} checksum needs a body that can be rewound") from error
    return base64_text(digest.digest())
