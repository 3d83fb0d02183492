"""One connection to an HTTP server: connect, send a request, receive the response head."""

from __future__ import annotations

import fcntl
import socket
import ssl
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from s3_sync.http.message import MAX_HEAD, Head, HttpError, parse_head
from s3_sync.streams.reader import CHUNK

#: seconds; Swift's servers close a connection that was idle for client_timeout, 60 s by default
MAX_IDLE = 50.0
#: how often a blocked upload polls for an early response, in seconds
_POLL_INTERVAL = 1.0
#: bytes sent without blocking after which other green threads run; small, to keep their waits short
_YIELD_AFTER = 512 * 1024
#: a burst of that many bytes faster than the first is followed by a pause of twice its time, at most the
#: second (seconds)
_FAST_BURST, _MAX_PAUSE = 0.06, 0.05
#: maximum number of 1xx responses before the final one
_MAX_INTERIM = 16
_TCP_INFO = getattr(socket, "TCP_INFO", None)
_ESTABLISHED = 1  # tcpi_state, the first byte of Linux's struct tcp_info


@dataclass(frozen=True)
class Origin:
    """The server that requests are sent to."""

    host: str
    port: int
    tls: bool = False

    @property
    def authority(self) -> str:
        """For the Host header: the port only when it is not the default one, brackets around IPv6."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


@dataclass(frozen=True)
class Proxy(Origin):
    """A forward proxy. ``authorization``: value of Proxy-Authorization, empty for none."""

    authorization: str = field(default="", repr=False)


@dataclass(frozen=True)
class Timeouts:
    """In seconds. ``read``: between two pieces of data, in either direction. ``acquire``: for a free
    connection."""

    connect: float = 10.0
    read: float = 60.0
    acquire: float = 60.0


@dataclass(frozen=True, slots=True)
class Receiving:
    """``buffer``: size of the kernel's receive buffer; None: the kernel's default. ``gather``: minimum bytes
    per read, at most 1 MiB, of a long body that arrives fast: halves the CPU time."""

    buffer: int | None = None
    gather: int = 1


class StaleConnection(Exception):
    """The server closed the connection before the first byte of a response."""


class Connection:
    """A connected socket, and the bytes received but not yet consumed.

    Raises HttpError for every network error, and StaleConnection where documented.
    """

    def __init__(self, sock: socket.socket, timeouts: Timeouts) -> None:
        self._sock = sock
        self._timeouts = timeouts
        self._tls = isinstance(sock, ssl.SSLSocket)
        self._buffer = b""
        self._idle_since = 0.0
        #: whether the server has sent any response head since the request began
        self._responded = False
        #: a final response that arrived while the body was being sent
        self._early: Head | None = None
        #: see ``gather``
        self._at_least = 1
        self._sock.settimeout(timeouts.read)

    def close(self) -> None:
        self._sock.close()

    def park(self) -> bool:
        """Mark the connection as idle. Returns False when stray bytes make it unusable."""
        self._idle_since = time.monotonic()
        return not self._buffer

    def usable(self) -> bool:
        """Whether this idle connection can be used, as far as this host knows.

        On Linux the TCP state shows that the server has closed its side; elsewhere only the next request
        does.
        """
        if time.monotonic() - self._idle_since > MAX_IDLE:
            return False
        if _TCP_INFO is None:
            return True
        state: int = self._sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, 1)[0]
        return state == _ESTABLISHED

    def send(self, data: bytes) -> bool:
        """Send the first bytes of a request. Returns False when the server stopped reading."""
        self._responded = False
        try:
            self._sock.sendall(data)
        except TimeoutError as error:
            raise HttpError(f"timed out sending the request: {error}", True, timed_out=True) from error
        except OSError:
            return False
        return True

    def upload(self, chunks: Iterator[bytes]) -> bool:
        """Send a long body. Returns False as soon as the server responds, or stops reading, in the middle.

        If both sides are so fast that no call ever blocks, no other green thread would run, neither here nor
        in a Swift server, which switches only when it blocks on a client. So a fast burst is followed by a
        pause, which costs nothing: the server's buffers fill up meanwhile.
        """
        timeout = self._timeouts.read
        self._sock.settimeout(min(_POLL_INTERVAL, timeout))
        burst, began = 0, time.monotonic()
        try:
            for chunk in chunks:
                if not self._send_unless_responded(chunk):
                    return False
                burst += len(chunk)
                if burst >= _YIELD_AFTER:
                    took = time.monotonic() - began
                    time.sleep(min(2 * took, _MAX_PAUSE) if took < _FAST_BURST else 0)
                    burst, began = 0, time.monotonic()
            return True
        finally:
            self._sock.settimeout(timeout)

    def _send_unless_responded(self, chunk: bytes) -> bool:
        rest = memoryview(chunk)
        deadline = time.monotonic() + self._timeouts.read
        while rest:
            if self._is_readable() and self._receive_early_response():
                return False
            try:
                count = self._sock.send(rest)
            except TimeoutError as error:
                if time.monotonic() >= deadline:
                    raise HttpError(f"timed out sending the body: {error}", True, timed_out=True) from error
            except OSError:
                return False
            else:
                rest = rest[count:]
                deadline = time.monotonic() + self._timeouts.read
        return True

    def _is_readable(self) -> bool:
        """Whether bytes of a response can be read. Always False with TLS, where they may belong to the TLS
        protocol itself."""
        if self._buffer:
            return True
        if self._tls:
            return False
        waiting = fcntl.ioctl(self._sock.fileno(), termios.FIONREAD, bytes(4))
        return any(waiting)

    def _receive_early_response(self) -> bool:
        """Read a response head that has begun to arrive. Returns False for an interim one (a late 100
        Continue)."""
        self._sock.settimeout(self._timeouts.read)
        head = self._receive_one_head()
        self._sock.settimeout(min(_POLL_INTERVAL, self._timeouts.read))
        if head.status >= 200:
            self._early = head
        return self._early is not None

    def wait_for_continue(self, seconds: float) -> Head | None:
        """Wait for 100 Continue. Returns that, or the final response if the server sends one instead; None if
        it is silent for so long."""
        self._sock.settimeout(min(seconds, self._timeouts.read))
        try:
            for _ in range(_MAX_INTERIM):
                head = self._receive_one_head()
                if head.status >= 200 or head.status == 100:
                    return head
            raise HttpError("too many interim responses", True)
        except HttpError as error:
            if error.timed_out:
                return None
            raise
        finally:
            self._sock.settimeout(self._timeouts.read)

    def receive_head(self) -> Head:
        """The head of the final response. Raises StaleConnection when the connection ended before its first
        byte."""
        if self._early is not None:
            return self._early
        for _ in range(_MAX_INTERIM):
            head = self._receive_one_head()
            if head.status == 101:
                raise HttpError("unsolicited 101 Switching Protocols", True)
            if head.status >= 200:
                return head
        raise HttpError("too many interim responses", True)

    def _receive_one_head(self) -> Head:
        end = -1
        while (end := self._buffer.find(b"\r\n\r\n", 0, MAX_HEAD)) < 0:
            if len(self._buffer) >= MAX_HEAD:
                raise HttpError(f"the response head is larger than {MAX_HEAD} bytes", True)
            self._buffer += self._receive_more()
        block, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
        self._responded = True
        try:
            return parse_head(block)
        except ValueError as error:
            raise HttpError(f"malformed response: {error}", True) from error

    def _receive_more(self) -> bytes:
        try:
            data = self._sock.recv(CHUNK)
        except TimeoutError as error:
            raise HttpError("timed out waiting for the response", True, timed_out=True) from error
        except OSError as error:
            if not (self._buffer or self._responded):
                raise StaleConnection(str(error)) from error
            raise HttpError(f"connection broke in the response head: {error}", True) from error
        if not data:
            if not (self._buffer or self._responded):
                raise StaleConnection("the server closed the connection")
            raise HttpError("connection closed in the response head", True)
        return data

    def read(self, size: int) -> bytes:
        """At least one and at most ``size`` bytes of the body; b"" at the end of the connection."""
        if self._buffer:
            data, self._buffer = self._buffer[:size], self._buffer[size:]
            return data
        try:
            return self._sock.recv(size)
        except TimeoutError as error:
            if self._at_least > 1:
                self.gather(1)
                if self._is_readable():  # fewer bytes than SO_RCVLOWAT, but some
                    return self.read(size)
            raise HttpError("timed out in the response body", True, timed_out=True) from error
        except OSError as error:
            raise HttpError(f"connection broke in the response body: {error}", True) from error

    def gather(self, size: int) -> None:
        """Set the minimum number of bytes that ``read`` waits for (SO_RCVLOWAT); 1 = any. It returns fewer at
        the end of the connection or after the read timeout. At least that many bytes must be left to come.

        A reader that is faster than the sender would otherwise wake up for each packet.
        """
        if size != self._at_least:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)
            self._at_least = size

    def read_line(self, limit: int) -> bytes:
        """Read up to the next CRLF, and drop that."""
        while (end := self._buffer.find(b"\r\n", 0, limit + 2)) < 0:
            if len(self._buffer) >= limit + 2:
                raise HttpError(f"a line of the response is longer than {limit} bytes", True)
            kept, self._buffer = self._buffer, b""
            more = self.read(CHUNK)
            if not more:
                raise HttpError("the response ended early", True)
            self._buffer = kept + more
        line, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        return line


def connect(
    origin: Origin,
    timeouts: Timeouts,
    tls_context: ssl.SSLContext | None,
    proxy: Origin | None,
    receive_buffer: int | None = None,
) -> Connection:
    """Open a connection, through ``proxy`` if given. Raises HttpError(sent=False).

    ``receive_buffer``: see ``Receiving.buffer``.

    Through a proxy, an https origin is reached by CONNECT (RFC 9110 section 9.3.6), a plain one by an
    absolute request target.
    """
    via = proxy or origin
    try:
        sock = socket.create_connection((via.host, via.port), timeout=timeouts.connect)
    except OSError as error:
        timed_out = isinstance(error, TimeoutError)
        raise HttpError(f"cannot connect to {via.authority}: {error}", False, timed_out=timed_out) from error
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if origin.tls:
            if proxy:
                _open_tunnel(sock, origin, proxy, timeouts)
            assert tls_context is not None
            sock = tls_context.wrap_socket(sock, server_hostname=origin.host)
        return Connection(sock, timeouts)
    except OSError as error:
        sock.close()
        if isinstance(error, HttpError):
            raise
        timed_out = isinstance(error, TimeoutError)
        message = f"TLS handshake with {origin.authority} failed: {error}"
        raise HttpError(message, False, timed_out=timed_out) from error


def _open_tunnel(sock: socket.socket, origin: Origin, proxy: Origin, timeouts: Timeouts) -> None:
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    lines = [f"CONNECT {host}:{origin.port} HTTP/1.1", f"Host: {host}:{origin.port}"]
    if isinstance(proxy, Proxy) and proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
    try:
        head = Connection(sock, timeouts).receive_head()
    except (StaleConnection, HttpError) as error:
        raise HttpError(f"proxy {proxy.authority} did not respond: {error}", False) from error
    if not 200 <= head.status < 300:
        raise HttpError(f"proxy {proxy.authority} responded {head.status} {head.reason}", False)
