"""Requests in which an object's bytes or its description travel, whichever way they are made.

``direct`` signs the request itself and makes it over a pooled connection; it costs a fraction of the
SDK's CPU, which for small objects is most of what the whole job costs. ``sdk`` lets the SDK do it, for
what the other cannot: signature version 2, and proxies that are spoken to in TLS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from s3_sync.providers.s3.transport.sigv4 import Header
from s3_sync.streams.reader import Body


@dataclass(frozen=True, slots=True)
class PartOf:
    """Where in a multipart upload the bytes belong."""

    upload_id: str
    number: int


@dataclass(frozen=True, slots=True)
class Upload:
    """PutObject or UploadPart. ``body`` holds exactly ``size`` bytes; ``headers`` without digests."""

    bucket: str
    key: str
    body: Body
    size: int
    md5: str | None = None
    headers: tuple[Header, ...] = ()
    part: PartOf | None = None

    @property
    def what(self) -> str:
        return f"PUT {self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes as a transport gets them: all of them here and hashed, or a stream that checks itself.

    ``checksum``: algorithm of a checksum that is to be sent behind a stream.
    """

    data: bytes | Body
    size: int
    headers: tuple[Header, ...]
    checksum: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """GetObject or HeadObject. ``headers``: the range, and the conditions."""

    method: Literal["GET", "HEAD"]
    bucket: str
    key: str
    headers: tuple[Header, ...] = ()

    @property
    def what(self) -> str:
        return f"{self.method} {self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to an Upload: any 2xx. ``headers`` by lower-case name."""

    status: int
    headers: Mapping[str, str]


class Stream(Protocol):
    """Bytes that are still on the wire. ``read``: at least one and at most ``size`` of them, b"" only at the
    end; raises what ``translated`` knows. ``close``: a connection that was not read to its end is dropped."""

    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """``status``: any 2xx. ``headers`` by lower-case name, as text. ``stream``: the body, to be closed;
    empty for a HEAD."""

    status: int
    headers: Mapping[str, str]
    stream: Stream


class Transport(Protocol):
    """Makes one request. Raises RemoteErrors. What an answer proves is for the caller to judge."""

    def send(self, upload: Upload, content: Content) -> Receipt: ...

    def ask(self, question: Question) -> Answer: ...

    def close(self) -> None: ...
