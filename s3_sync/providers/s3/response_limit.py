"""The documents that a store answers with, as long as a document can be.

The SDK reads an answer to its end before it looks at it: a store that never ends would fill the memory of a
proxy.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import HTTPClientError

from s3_sync.providers.s3.clock_skew import StoreClock
from s3_sync.streams.reader import CHUNK

#: bytes. The longest that a store has reason to send, a page of 1000 keys, has less than 5 MB
MOST = 32 * 1024 * 1024


class BoundedSession:
    """Around the SDK's HTTP session. Bodies of objects, which are read bit by bit, stay as they are.

    ``clock`` is told the dates of answers.
    """

    def __init__(self, session: Any, clock: StoreClock) -> None:
        self._session = session
        self._clock = clock

    def send(self, request: Any) -> Any:
        """Raises the SDK's exceptions, HTTPClientError for what is too long."""
        streams, request.stream_output = request.stream_output, True
        sent = time.time()
        answer = self._session.send(request)
        self._clock.heard(answer.headers.get("date", ""), sent)
        if streams and answer.status_code < 300:
            return answer
        return AWSResponse(answer.url, answer.status_code, answer.headers, _Read(_document(answer)))

    def close(self) -> None:
        self._session.close()


def _document(answer: Any) -> bytes:
    pieces: list[bytes] = []
    room = MOST
    for piece in answer.raw.stream(CHUNK):
        pieces.append(piece)
        room -= len(piece)
        if room < 0:
            answer.raw.close()
            raise HTTPClientError(error=f"an answer of more than {MOST} bytes")
    return b"".join(pieces)


class _Read:
    """A body that has been read."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self) -> Iterator[bytes]:
        yield self._data
