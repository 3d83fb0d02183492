"""Object bytes on their way in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType

from s3_sync.errors import PreconditionFailed, RemoteUnavailable, UnexpectedAnswer
from s3_sync.model.objects import ByteRange, GetOptions, ObjectInfo
from s3_sync.providers.s3.client import Account
from s3_sync.providers.s3.errors import is_a_page, translated, understood, unexpected
from s3_sync.providers.s3.headers import (
    WRITTEN,
    content_length,
    content_range,
    object_info,
    stated_range,
    unquoted,
)
from s3_sync.providers.s3.transport.base import Answer, Question, Stream, Transport
from s3_sync.providers.s3.transport.sigv4 import Header
from s3_sync.streams.reader import CHUNK, Body

#: bytes of an answer, the range that they are, and the size of the whole
Extent = tuple[int, tuple[int, int] | None, int]
#: where Google tells the length of an object that it unpacks on the way
_STORED_LENGTH = "x-goog-stored-content-length"


class Reader:
    """Describes and reads what is in one bucket. Keys in, unlike ``Bucket``."""

    def __init__(self, account: Account, transport: Transport, bucket: str) -> None:
        self._account = account
        self._transport = transport
        self._bucket = bucket

    def head(self, key: str) -> Mapping[str, str]:
        """Headers by lower-case name; the length is among them. Raises UnexpectedAnswer."""
        question = Question("HEAD", self._bucket, key)
        answer = self._transport.ask(question)
        self._check(question, answer)
        headers = answer.headers
        if "content-length" in headers:
            return headers
        return {**headers, "content-length": str(self._size_of(question, headers))}

    def get(self, name: str, key: str, options: GetOptions, *, dated: bool = True) -> S3Result:
        """``name``: how the object is called that is stored under this key. ``dated``: somebody wants to know
        when it was written."""
        question = Question("GET", self._bucket, key, _wishes(options))
        answer = self._transport.ask(question)
        try:
            self._check(question, answer, dated)
            length, byte_range, size = extent = self._extent(question, answer, options.byte_range)
        except BaseException:
            answer.stream.close()
            raise
        info = object_info(name, answer.headers, size)
        again = GetOptions(options.byte_range, info.etag)
        anew = Question("GET", self._bucket, key, _wishes(again))
        reopen = partial(self._once_more, anew, again, extent, dated)
        return S3Result(info, byte_range, S3Body(question.what, _bounded(answer, length), length, reopen))

    def _once_more(self, question: Question, wanted: GetOptions, extent: Extent, dated: bool) -> Stream:
        answer = self._transport.ask(question)
        try:
            self._check(question, answer, dated)
            # not every store looks at conditions and ranges
            if unquoted(answer.headers["etag"]) != wanted.if_match or (
                self._extent(question, answer, wanted.byte_range) != extent
            ):
                reason = f"{self._bucket}/{question.key} was replaced"
                raise PreconditionFailed(reason, status=412, code="PreconditionFailed")
        except BaseException:
            answer.stream.close()
            raise
        return _bounded(answer, extent[0])

    def _check(self, question: Question, answer: Answer, dated: bool = True) -> None:
        """What every store sends with an object, and no page has. A copy of ours says itself when it was
        written to Swift, so that nobody needs the store's date. Raises UnexpectedAnswer."""
        headers = answer.headers
        if answer.status not in (200, 206):
            why = "another success"
        elif not unquoted(headers.get("etag", "")):
            why = "no ETag" if "etag" not in headers else "no ETag that can be one"
        elif dated and not headers.get("last-modified") and not headers.get(WRITTEN):
            why = "no date of the object"
        elif is_a_page(headers):
            why = "a page, and nothing that only a store says"
        else:
            return
        raise unexpected(question.what, why, self._account.endpoint, answer.status, headers)

    def _extent(self, question: Question, answer: Answer, wanted: ByteRange | None) -> Extent:
        """Raises UnexpectedAnswer for other bytes than were asked for."""
        headers = answer.headers
        length = self._length(question, headers)
        found, size = content_range(question.what, headers, length)
        if found == (0, size - 1) and wanted is None:
            found = None
        right = found is None
        if found is not None and wanted is not None:
            last = size - 1 if wanted.last is None else min(wanted.last, size - 1)
            right = found == (wanted.first, last)
        if not right or (answer.status == 206 and "content-range" not in headers):
            asked = "all bytes" if wanted is None else wanted.header
            why = f"{asked} were asked for, {headers.get('content-range', 'nobody knows which')[:60]!r} came"
            raise unexpected(question.what, why, self._account.endpoint, answer.status, headers)
        return length, found, size

    def _length(self, question: Question, headers: Mapping[str, str]) -> int:
        """Of the body. What packs or unpacks on the way leaves the length out."""
        if "content-length" in headers:
            return content_length(question.what, headers)
        first, last = stated_range(headers)
        if last >= first >= 0:
            return last + 1 - first
        return self._size_of(question, headers)

    def _size_of(self, question: Question, headers: Mapping[str, str]) -> int:
        """From what the store says besides, or from a listing. Raises UnexpectedAnswer."""
        stored = headers.get(_STORED_LENGTH, "")
        if stored:
            return content_length(question.what, {"content-length": stored})
        with understood(f"LIST {self._bucket}"):
            answer = self._account.client.list_objects(Bucket=self._bucket, Prefix=question.key, MaxKeys=1)
        for entry in answer.get("Contents", ()):
            same = unquoted(entry.get("ETag", "")) == unquoted(headers["etag"])
            if entry["Key"] == question.key and same and "Size" in entry:
                return int(entry["Size"])
        why = "it tells no length, and no listing does"
        raise unexpected(question.what, why, self._account.endpoint, 200, headers)


def _wishes(options: GetOptions) -> tuple[Header, ...]:
    headers: list[Header] = []
    if options.byte_range is not None:
        headers.append(("Range", options.byte_range.header))
    if options.if_match is not None:
        headers.append(("If-Match", f'"{options.if_match}"'))
    if options.if_none_match is not None:
        headers.append(("If-None-Match", f'"{options.if_none_match}"'))
    return tuple(headers)


def _bounded(answer: Answer, length: int) -> Stream:
    return answer.stream if "content-length" in answer.headers else Ending(answer.stream, length)


class Ending:
    """A stream of which the answer did not say how long it is: it must end behind ``length`` bytes."""

    def __init__(self, stream: Stream, length: int) -> None:
        self._stream = stream
        self._left = length

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0 or (data and not self._left and self._stream.read(1)):
            raise UnexpectedAnswer("more bytes than are stored: something on the way unpacks or changes them")
        return data

    def close(self) -> None:
        self._stream.close()


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

    def close(self) -> None:
        self.body.close()

    def __enter__(self) -> S3Result:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
