"""The interface of transports, for requests with an object's bytes or metadata.

``direct`` signs requests itself and sends them over pooled connections; it takes a fraction of the SDK's CPU
time, which dominates the cost of small objects. ``sdk`` uses the SDK, for what ``direct`` does not support:
signature version 2 and https proxies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from s3_sync.providers.open_object import Stream
from s3_sync.providers.s3.transport.sigv4 import Header
from s3_sync.streams.reader import Body


@dataclass(frozen=True, slots=True)
class PartOf:
    """A part of a multipart upload."""

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
    """The body of an upload: bytes in memory, already hashed, or a stream that verifies itself.

    ``checksum``: algorithm of the trailing checksum of a stream.
    """

    data: bytes | Body
    size: int
    headers: tuple[Header, ...]
    checksum: str | None = None


@dataclass(frozen=True, slots=True)
class ObjectRequest:
    """GetObject or HeadObject. ``headers``: range and conditions. ``part``: one part of a multipart
    upload."""

    method: Literal["GET", "HEAD"]
    bucket: str
    key: str
    headers: tuple[Header, ...] = ()
    part: int | None = None

    @property
    def what(self) -> str:
        return f"{self.method} {self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The response to an Upload; ``status``: any 2xx. ``headers`` by lower-case name."""

    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ObjectResponse:
    """The response to an ObjectRequest; ``status``: any 2xx. ``headers`` by lower-case name. ``stream``: the
    body, which must be closed; empty for a HEAD. Its exceptions are known to ``translated``."""

    status: int
    headers: Mapping[str, str]
    stream: Stream


class Transport(Protocol):
    """Sends one request. Raises RemoteErrors. The caller judges what a response proves.

    ``has_trailers``: whether the checksum of a stream can be sent; it may become False."""

    @property
    def has_trailers(self) -> bool: ...

    def send(self, upload: Upload, content: Content) -> Receipt: ...

    def fetch(self, request: ObjectRequest) -> ObjectResponse: ...

    def close(self) -> None: ...
