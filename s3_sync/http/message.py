"""HTTP/1.1 message syntax: formats request heads, parses response heads. No I/O.

Sources: RFC 9112 (message syntax, body length), RFC 9110 (fields). Deliberately lenient in one point: field
names and values may hold any bytes but CR and LF, because Swift's object servers send user metadata as it was
stored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from s3_sync.model.headers import is_field_name, is_field_value

#: maximum bytes of a response head; Swift allows 90 user headers of 4 KiB in total, and adds its own
MAX_HEAD = 64 * 1024
MAX_FIELDS = 1024

_METHOD = re.compile(r"[A-Z]+")
_TARGET = re.compile(r"[\x21-\x7e]+")
_STATUS_LINE = re.compile(r"HTTP/1\.([01]) ([1-5][0-9]{2})(?: (.*))?", re.DOTALL)
#: set by the pool itself; from a caller they could only conflict
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "expect"})


class HttpError(OSError):
    """The exchange failed below HTTP: no connection, a broken one, a timeout, or a malformed response.

    ``sent``: bytes of the request left this host, so the server may have acted on it; False: it certainly
    has not. ``timed_out``: no byte moved for as long as ``Timeouts`` allows.
    """

    def __init__(self, message: str, sent: bool, *, timed_out: bool = False) -> None:
        super().__init__(message)
        self.sent = sent
        self.timed_out = timed_out


class NoFreeConnection(HttpError):
    """All connections of the pool stayed in use for ``Timeouts.acquire`` seconds."""


class Headers:
    """The fields of a response: lower-case names, in order of arrival, duplicates kept."""

    __slots__ = ("_first", "_items")

    def __init__(self, items: Sequence[tuple[str, str]] = ()) -> None:
        self._items = list(items)
        self._first: dict[str, str] | None = None

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value of this name, which is case-insensitive."""
        if self._first is None:
            self._first = dict(reversed(self._items))
        return self._first.get(name.lower(), default)

    def get_all(self, name: str) -> list[str]:
        lower = name.lower()
        return [value for key, value in self._items if key == lower]

    def items(self) -> list[tuple[str, str]]:
        return list(self._items)

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"Headers({self._items!r})"


@dataclass(frozen=True, slots=True)
class Head:
    """A response head. ``minor``: 1 for HTTP/1.1, 0 for HTTP/1.0."""

    status: int
    reason: str
    minor: int
    headers: Headers


@dataclass(frozen=True, slots=True)
class Framing:
    """How a response body is delimited: by ``length`` bytes, by chunks, or by the end of the connection.

    ``keep_alive``: the server accepts another request on this connection.
    """

    length: int | None
    chunked: bool
    keep_alive: bool


def request_head(
    method: str, target: str, headers: Iterable[tuple[str, str]], own: Iterable[tuple[str, str]], host: str
) -> bytes:
    """The bytes of a request head with its empty line; ``own`` are the framing fields.

    A ``Host`` among ``headers`` overrides ``host``. Raises ValueError for anything that would not arrive as
    one request with these fields.
    """
    if not _METHOD.fullmatch(method) or not _TARGET.fullmatch(target):
        raise ValueError(f"not a request line: {method!r} {target!r}")
    has_host = False
    lines = [f"{method} {target} HTTP/1.1"]
    for name, value in headers:
        if not is_field_name(name) or not is_field_value(value):
            raise ValueError(f"not a header field: {name!r}")
        lower = name.lower()
        if lower in _FRAMING:
            raise ValueError(f"the connection pool sets {name} itself")
        has_host = has_host or lower == "host"
        lines.append(f"{name}: {value}")
    if not has_host:
        lines.insert(1, f"Host: {host}")
    lines.extend(f"{name}: {value}" for name, value in own)
    lines.append("\r\n")
    return "\r\n".join(lines).encode("utf-8")


def parse_head(block: bytes) -> Head:
    """Parse a response head, given without its empty line. Raises ValueError."""
    status_line, *lines = _decoded_lines(block)
    match = _STATUS_LINE.fullmatch(status_line)
    if not match:
        raise ValueError(f"not a status line: {status_line[:80]!r}")
    return Head(int(match[2]), (match[3] or "").strip(), int(match[1]), Headers(parse_fields(lines)))


def parse_fields(lines: Sequence[str]) -> list[tuple[str, str]]:
    """Parse header or trailer lines into (lower-case name, value). Raises ValueError."""
    if len(lines) > MAX_FIELDS:
        raise ValueError(f"more than {MAX_FIELDS} header fields")
    items: list[tuple[str, str]] = []
    for line in lines:
        name, colon, value = line.partition(":")
        if line[:1] in (" ", "\t") and items:  # obsolete line folding, RFC 9112 section 5.2
            previous, start = items[-1]
            items[-1] = (previous, f"{start} {line.strip()}".strip())
        elif colon and name.strip():
            items.append((name.strip().lower(), value.strip(" \t")))
        else:
            # the rest may be secret
            raise ValueError(f"not a header field: {line.strip().partition(' ')[0][:40]!r}")
    return items


def _decoded_lines(block: bytes) -> list[str]:
    try:
        return block.decode("utf-8").split("\r\n")
    except UnicodeDecodeError:
        return [_decoded(line) for line in block.split(b"\r\n")]


def _decoded(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def framing(method: str, head: Head) -> Framing:
    """Determine where the body of this response ends (RFC 9112 section 6.3). Raises ValueError when that
    is ambiguous.

    Stricter than the RFC: a response with both Transfer-Encoding and Content-Length is refused, since one of
    the two is wrong.
    """
    headers = head.headers
    keep_alive = _keeps_alive(head)
    if method == "HEAD" or head.status in (204, 304):
        return Framing(0, False, keep_alive)
    codings = headers.get_all("transfer-encoding")
    lengths = headers.get_all("content-length")
    if codings:
        if lengths or head.minor == 0 or [coding.lower() for coding in codings] != ["chunked"]:
            raise ValueError(f"ambiguous length of the body: {codings} {lengths}")
        return Framing(None, True, keep_alive)
    if lengths:
        return Framing(_content_length(lengths), False, keep_alive)
    return Framing(None, False, False)


def _content_length(values: Sequence[str]) -> int:
    distinct = {part.strip() for value in values for part in value.split(",")}
    text = distinct.pop()
    if distinct or not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise ValueError(f"malformed Content-Length: {', '.join(values)[:80]!r}")
    return int(text)


def _keeps_alive(head: Head) -> bool:
    value = head.headers.get("connection")
    if value is None:
        return head.minor == 1
    options = {
        option.strip().lower() for each in head.headers.get_all("connection") for option in each.split(",")
    }
    if "close" in options:
        return False
    return head.minor == 1 or "keep-alive" in options
