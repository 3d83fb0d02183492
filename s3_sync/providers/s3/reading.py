"""Object bytes on their way in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType

from s3_sync.errors import PreconditionFailed, RemoteUnavailable
from s3_sync.model.objects import GetOptions, ObjectInfo
from s3_sync.providers.s3.errors import translated
from s3_sync.providers.s3.headers import content_length, content_range, object_info, unquoted
from s3_sync.providers.s3.signing import Header
from s3_sync.providers.s3.transport import Answer, Question, Stream, Transport
from s3_sync.streams.reader import CHUNK, Body

#: bytes of an answer, the range that they are, and the size of the whole
Extent = tuple[int, tuple[int, int] | None, int]


class Reader:
    """Describes and reads what is in one bucket. Keys in, unlike ``Bucket``."""

    def __init__(self, transport: Transport, bucket: str) -> None:
        self._transport = transport
        self._bucket = bucket

    def head(self, key: str) -> Mapping[str, str]:
        """Headers by lower-case name."""
        return self._transport.ask(Question("HEAD", self._bucket, key)).headers

    def get(self, name: str, key: str, options: GetOptions) -> S3Result:
        """``name``: how the object is called that is stored under this key."""
        question = Question("GET", self._bucket, key, _wishes(options))
        answer = self._transport.ask(question)
        headers = answer.headers
        try:
            length, byte_range, size = _extent(question, answer)
        except RemoteUnavailable:
            answer.stream.close()
            raise
        info = object_info(name, headers, size)
        again = Question("GET", self._bucket, key, _wishes(GetOptions(options.byte_range, info.etag)))
        extent = length, byte_range, size
        body = S3Body(question.what, answer.stream, length, lambda: self._once_more(again, info.etag, extent))
        return S3Result(info, byte_range, body)

    def _once_more(self, question: Question, etag: str, extent: Extent) -> Stream:
        answer = self._transport.ask(question)
        try:
            # not every store looks at conditions and ranges
            if unquoted(answer.headers.get("etag", "")) != etag or _extent(question, answer) != extent:
                reason = f"{self._bucket}/{question.key} was replaced"
                raise PreconditionFailed(reason, status=412, code="PreconditionFailed")
        except BaseException:
            answer.stream.close()
            raise
        return answer.stream


def _extent(question: Question, answer: Answer) -> Extent:
    length = content_length(question.what, answer.headers)
    byte_range, size = content_range(question.what, answer.headers, length)
    if answer.status == 206 and byte_range is None:
        raise RemoteUnavailable(f"{question.what}: a part of the object, and nobody says which")
    return length, byte_range, size


def _wishes(options: GetOptions) -> tuple[Header, ...]:
    headers: list[Header] = []
    if options.byte_range is not None:
        headers.append(("Range", options.byte_range.header))
    if options.if_match is not None:
        headers.append(("If-Match", f'"{options.if_match}"'))
    if options.if_none_match is not None:
        headers.append(("If-None-Match", f'"{options.if_none_match}"'))
    return tuple(headers)


class S3Body:
    """An answer's body. ``rewind`` calls ``reopen``, which gives the same bytes once more."""

    def __init__(self, what: str, stream: Stream, length: int, reopen: Callable[[], Stream]) -> None:
        self.length: int | None = length
        self._what = what
        self._stream = stream
        self._expected = length
        self._reopen = reopen
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        if size == 0:
            return b""
        with translated(self._what):
            data = self._stream.read(size)
        self._position += len(data)
        if not data and self._position < self._expected:
            raise RemoteUnavailable(f"{self._what}: ended after {self._position} of {self._expected} bytes")
        return data

    def rewind(self) -> None:
        self._stream.close()
        self._stream = self._reopen()
        self._position = 0

    def close(self) -> None:
        """A body that was read to its end gives its connection back; any other one is dropped."""
        self._stream.close()


class S3Result:
    """An open read."""

    def __init__(self, info: ObjectInfo, byte_range: tuple[int, int] | None, body: Body) -> None:
        self.info = info
        self.byte_range = byte_range
        self.body = body

    def __enter__(self) -> S3Result:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.body.close()
