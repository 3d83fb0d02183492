"""Limits the size of response documents, and takes off what comes before them.

The SDK reads a response to its end before it parses it: an endless response would exhaust a proxy's memory.
While a store copies within itself, or completes an upload, it may send white space, so that nobody takes it
for dead (S3 API Reference, CopyObject and CompleteMultipartUpload); XML allows none before its declaration.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import HTTPClientError

from s3_sync.providers.clock_skew import StoreClock
from s3_sync.streams.reader import CHUNK

#: the longest legitimate document, a page of 1000 keys, has less than 5 MB
MAX_DOCUMENT_BYTES = 32 * 1024 * 1024


class BoundedSession:
    """Wraps the SDK's HTTP session. Bodies of objects, which are streamed, are passed through.

    ``clock`` records the Date of each response.
    """

    def __init__(self, session: Any, clock: StoreClock) -> None:
        self._session = session
        self._clock = clock

    def send(self, request: Any) -> Any:
        """Send a request. Raises the SDK's exceptions, HTTPClientError for a document that is too long."""
        streams, request.stream_output = request.stream_output, True
        sent = time.time()
        response = self._session.send(request)
        self._clock.record(response.headers.get("date", ""), sent)
        if streams and response.status_code < 300:
            return response
        return AWSResponse(response.url, response.status_code, response.headers, _Read(_document(response)))

    def close(self) -> None:
        self._session.close()


def _document(response: Any) -> bytes:
    pieces: list[bytes] = []
    left = MAX_DOCUMENT_BYTES
    for piece in response.raw.stream(CHUNK):
        pieces.append(piece)
        left -= len(piece)
        if left < 0:
            response.raw.close()
            raise HTTPClientError(error=f"a response of more than {MAX_DOCUMENT_BYTES} bytes")
    return b"".join(pieces).lstrip()


class _Read:
    """A body that has been read into memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self) -> Iterator[bytes]:
        yield self._data
