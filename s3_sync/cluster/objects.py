"""One version of a local object, open for reading."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Literal, Protocol, final

from s3_sync.cluster.client import SwiftResponse
from s3_sync.cluster.symlinks import is_link, link_target
from s3_sync.errors import LocalUnavailable
from s3_sync.http.pool import HttpError, Response
from s3_sync.model.copies import origin_of
from s3_sync.model.headers import from_swift, is_true
from s3_sync.model.objects import Link, LocalInfo, is_md5
from s3_sync.model.timestamps import Timestamp
from s3_sync.streams.reader import CHUNK, Body

Kind = Literal["plain", "slo", "dlo", "symlink"]

_CIPHERTEXT = ("x-object-sysmeta-crypto-", "x-object-transient-sysmeta-crypto-")


class Stream(Protocol):
    """Bytes that are read once. ``read`` raises LocalUnavailable if they end before ``length``."""

    length: int | None

    def read(self, size: int = -1) -> bytes: ...

    def close(self) -> None: ...


class ServerStream:
    """The body of an object server's response."""

    def __init__(self, response: Response) -> None:
        self.length = response.length
        self._response = response

    def read(self, size: int = -1) -> bytes:
        try:
            return self._response.read(size)
        except HttpError as error:
            raise LocalUnavailable(f"object server: {error}") from error

    def close(self) -> None:
        self._response.close()


class ClientStream:
    """The body of an internal client's response."""

    def __init__(self, answer: SwiftResponse, length: int | None) -> None:
        self.length = length
        self._answer = answer
        self._chunk = b""
        self._left = length

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        if size and not self._chunk:
            self._chunk = self._next_chunk()
        data, self._chunk = self._chunk[:size], self._chunk[size:]
        if self._left is not None:
            self._left -= len(data)
        return data

    def _next_chunk(self) -> bytes:
        chunk = next((chunk for chunk in self._answer.body if chunk), b"")
        if not chunk and self._left:
            raise LocalUnavailable(f"internal client: the body ended {self._left} bytes early")
        return chunk

    def close(self) -> None:
        self._answer.close()


@dataclass(frozen=True, slots=True)
class Found:
    """An object as a server described it, with its body unread.

    ``headers`` have lower-case names. ``data_timestamp`` and ``timestamp`` are those of the name itself: for
    a symlink that was followed not the target's, while everything else is the target's. ``container``: the
    one that holds the bytes.
    """

    headers: tuple[tuple[str, str], ...]
    stream: Stream
    data_timestamp: Timestamp
    timestamp: Timestamp
    is_link: bool = False
    container: str = ""

    def header(self, name: str, default: str = "") -> str:
        return next((value for key, value in self.headers if key == name), default)

    @property
    def etag(self) -> str:
        return self.header("etag").strip('"')

    @property
    def size(self) -> int:
        """The size of the whole object, even if a range was requested."""
        whole = self.header("content-range").rpartition("/")[2] or self.header("content-length")
        return int(whole) if whole.isdigit() else (self.stream.length or 0)

    @property
    def delete_at(self) -> int | None:
        """X-Delete-At, in seconds since the epoch."""
        written = self.header("x-delete-at")
        return int(written) if written.isascii() and written.isdigit() else None

    def with_delete_at(self, delete_at: int | None) -> Found:
        """Return this with another X-Delete-At; None keeps the current one."""
        if delete_at is None:
            return self
        others = tuple(field for field in self.headers if field[0] != "x-delete-at")
        return replace(self, headers=(*others, ("x-delete-at", str(delete_at))))

    @property
    def link(self) -> Link | None:
        """What a symlink that was not followed leads to. Raises ObjectRefused (``symlink_broken``)."""
        if not is_link(self.headers):
            return None
        target = link_target(self.headers, "")
        return Link(target.container, target.name, target.etag)

    @property
    def kind(self) -> Kind:
        if self.is_link:
            return "symlink"
        return self.content

    @property
    def content(self) -> Literal["plain", "slo", "dlo"]:
        """The kind of the bytes; for a symlink, of its target's."""
        if is_true(self.header("x-static-large-object")):
            return "slo"
        return "dlo" if self.header("x-object-manifest") else "plain"

    @property
    def is_ciphertext(self) -> bool:
        return any(name.startswith(_CIPHERTEXT) for name, _ in self.headers)

    def info(self, name: str) -> LocalInfo:
        """Return the metadata. ``md5`` is set if the ETag is one: not for large objects, whose ETag is the
        manifest's."""
        link = self.link
        is_own = link is not None or not self.is_link  # the headers are this object's, not a target's
        return LocalInfo(
            name=name,
            size=self.size,
            etag=self.etag,
            md5=self.etag if is_md5(self.etag) and self.content == "plain" else None,
            last_modified=self.timestamp.seconds,
            meta=replace(from_swift(self.headers), link=link),
            data_timestamp=self.data_timestamp,
            timestamp=self.timestamp,
            origin=origin_of(self.headers, self.container, name, self.timestamp) if is_own else None,
        )


class LocalBody:
    """A Body over one version; ``rewind`` requests the same version again."""

    def __init__(self, stream: Stream, reopen: Callable[[], Stream]) -> None:
        self.length = stream.length
        self._stream = stream
        self._reopen = reopen
        self._is_read = False

    def read(self, size: int = -1) -> bytes:
        self._is_read = True
        return self._stream.read(size)

    def rewind(self) -> None:
        """Raises LocalChanged if the version no longer exists, LocalUnavailable, LocalMissing."""
        if self._is_read:
            self._stream.close()
            self._stream = self._reopen()
            self._is_read = False

    def close(self) -> None:
        self._stream.close()


@final
class LocalObject:
    """A context manager that releases the connection.

    ``headers``: all headers of the server, lower-case name -> value; ``info.meta`` is the part that a remote
    store keeps. ``container``: the one that holds the bytes; for a symlink, that of its target.
    """

    def __init__(self, name: str, found: Found, reopen: Callable[[], Stream]) -> None:
        self.info: LocalInfo = found.info(name)
        self.headers: Mapping[str, str] = dict(found.headers)
        self.kind: str = found.kind
        self.container: str = found.container
        self.body: Body = LocalBody(found.stream, reopen)

    def close(self) -> None:
        self.body.close()

    def __enter__(self) -> LocalObject:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
