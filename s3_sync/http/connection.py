"""One connection to an HTTP server: opening it, sending a request, receiving the head of the answer."""

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

#: Swift's servers close a connection that was idle for client_timeout, 60 s by default; S3's sooner or later
MAX_IDLE = 50.0
#: how often a blocked upload looks whether the server has answered already, in seconds
_LOOK = 1.0
#: after so many bytes that nobody kept us waiting for, others have their turn; few, or they wait for long
_TURN = 512 * 1024
#: a turn that took less is followed by a rest of twice the time, up to so long (seconds)
_FAST, _REST = 0.06, 0.05
#: at most so many 1xx answers before the final one
_MAX_INTERIM = 16
_TCP_INFO = getattr(socket, "TCP_INFO", None)
_ESTABLISHED = 1  # tcpi_state, the first byte of Linux's struct tcp_info


@dataclass(frozen=True)
class Origin:
    """Where requests go."""

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
    """Seconds. ``read``: between two pieces of data, either way. ``acquire``: for a free connection."""

    connect: float = 10.0
    read: float = 60.0
    acquire: float = 60.0


@dataclass(frozen=True, slots=True)
class Receiving:
    """``buffer``: bytes that the kernel may hold of a connection; None leaves that to it. ``gather``: so many
    bytes, at most 1 MiB, of a body that is long and arrives fast are waited for at a time: half the CPU."""

    buffer: int | None = None
    gather: int = 1


class Dead(Exception):
    """The server had closed the connection before it answered anything."""


class Connection:
    """A connected socket, and the bytes that were received but not yet consumed.

    Raises HttpError for everything that goes wrong on the network, and Dead where it says so.
    """

    def __init__(self, sock: socket.socket, timeouts: Timeouts) -> None:
        self._sock = sock
        self._timeouts = timeouts
        self._tls = isinstance(sock, ssl.SSLSocket)
        self._buffer = b""
        self._idle_since = 0.0
        #: whether the server has said anything since the request began
        self._heard = False
        #: a final answer that came while the body was being sent
        self._early: Head | None = None
        #: see ``gather``
        self._at_least = 1
        self._sock.settimeout(timeouts.read)

    def close(self) -> None:
        self._sock.close()

    def park(self) -> bool:
        """Note that the connection is idle from now on; False when stray bytes make it unusable."""
        self._idle_since = time.monotonic()
        return not self._buffer

    def usable(self) -> bool:
        """Whether the next request may go out on this idle connection, as far as this host knows.

        On Linux the TCP state tells that the server has closed its side; elsewhere that shows only when
        the connection is used.
        """
        if time.monotonic() - self._idle_since > MAX_IDLE:
            return False
        if _TCP_INFO is None:
            return True
        state: int = self._sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, 1)[0]
        return state == _ESTABLISHED

    def send(self, data: bytes) -> bool:
        """Begin a request with these bytes; False when the server stopped listening."""
        self._heard = False
        try:
            self._sock.sendall(data)
        except TimeoutError as error:
            raise HttpError(f"time-out while sending: {error}", True, timed_out=True) from error
        except OSError:
            return False
        return True

    def upload(self, chunks: Iterator[bytes]) -> bool:
        """Send a long body; False as soon as the server answers, or stops listening, in the middle.

        Where both sides are so fast that nobody is ever kept waiting, no other green thread would have a
        turn, neither here nor in a Swift server, which serves others only when a client keeps it waiting. So
        a fast turn is followed by a rest, in which the server's buffers fill up: the bytes are there
        afterwards, and nothing is lost.
        """
        patience = self._timeouts.read
        self._sock.settimeout(min(_LOOK, patience))
        in_a_row, began = 0, time.monotonic()
        try:
            for chunk in chunks:
                if not self._send_unless_answered(chunk):
                    return False
                in_a_row += len(chunk)
                if in_a_row >= _TURN:
                    took = time.monotonic() - began
                    time.sleep(min(2 * took, _REST) if took < _FAST else 0)
                    in_a_row, began = 0, time.monotonic()
            return True
        finally:
            self._sock.settimeout(patience)

    def _send_unless_answered(self, chunk: bytes) -> bool:
        rest = memoryview(chunk)
        deadline = time.monotonic() + self._timeouts.read
        while rest:
            if self._answer_waits() and self._answered():
                return False
            try:
                count = self._sock.send(rest)
            except TimeoutError as error:
                if time.monotonic() >= deadline:
                    raise HttpError(f"time-out while sending: {error}", True, timed_out=True) from error
            except OSError:
                return False
            else:
                rest = rest[count:]
                deadline = time.monotonic() + self._timeouts.read
        return True

    def _answer_waits(self) -> bool:
        """Whether bytes from the server wait to be read (with TLS they may be no answer: never say so)."""
        if self._buffer:
            return True
        if self._tls:
            return False
        waiting = fcntl.ioctl(self._sock.fileno(), termios.FIONREAD, bytes(4))
        return any(waiting)

    def _answered(self) -> bool:
        """Read an answer that has begun to arrive; False for an interim one (a late 100 Continue)."""
        self._sock.settimeout(self._timeouts.read)
        head = self._receive_one_head()
        self._sock.settimeout(min(_LOOK, self._timeouts.read))
        if head.status >= 200:
            self._early = head
        return self._early is not None

    def wait_for_continue(self, seconds: float) -> Head | None:
        """The final answer, if the server gives one instead of 100 Continue; None = send the body now."""
        self._sock.settimeout(min(seconds, self._timeouts.read))
        try:
            head = self._receive_one_head()
            while head.status < 200:
                if head.status == 100:
                    return None
                head = self._receive_one_head()
            return head
        except HttpError as error:
            if error.timed_out:
                return None
            raise
        finally:
            self._sock.settimeout(self._timeouts.read)

    def receive_head(self) -> Head:
        """The final answer's head. Raises Dead when the connection ended before its first byte."""
        if self._early is not None:
            return self._early
        for _ in range(_MAX_INTERIM):
            head = self._receive_one_head()
            if head.status == 101:
                raise HttpError("the server switched protocols unasked", True)
            if head.status >= 200:
                return head
        raise HttpError("too many interim answers", True)

    def _receive_one_head(self) -> Head:
        end = -1
        while (end := self._buffer.find(b"\r\n\r\n", 0, MAX_HEAD)) < 0:
            if len(self._buffer) >= MAX_HEAD:
                raise HttpError(f"the head of the answer is larger than {MAX_HEAD} bytes", True)
            self._buffer += self._receive_more()
        block, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
        self._heard = True
        try:
            return parse_head(block)
        except ValueError as error:
            raise HttpError(f"malformed answer: {error}", True) from error

    def _receive_more(self) -> bytes:
        try:
            data = self._sock.recv(CHUNK)
        except TimeoutError as error:
            raise HttpError("time-out while waiting for the answer", True, timed_out=True) from error
        except OSError as error:
            if not (self._buffer or self._heard):
                raise Dead(str(error)) from error
            raise HttpError(f"connection broke in the head of the answer: {error}", True) from error
        if not data:
            if not (self._buffer or self._heard):
                raise Dead("the server closed the connection")
            raise HttpError("the answer ended in its head", True)
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
                if self._answer_waits():  # too few, but not nothing
                    return self.read(size)
            raise HttpError("time-out in the body of the answer", True, timed_out=True) from error
        except OSError as error:
            raise HttpError(f"connection broke in the body of the answer: {error}", True) from error

    def gather(self, size: int) -> None:
        """From now on ``read`` waits until so many bytes are there, or the connection ends, or for as long as
        for the first of them; 1 = for any. There must be as many to come.

        Whoever is faster than the sender would be woken up for each packet, and go to sleep again.
        """
        if size != self._at_least:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)
            self._at_least = size

    def read_line(self, limit: int) -> bytes:
        """Up to the next CRLF, without it."""
        while (end := self._buffer.find(b"\r\n", 0, limit + 2)) < 0:
            if len(self._buffer) >= limit + 2:
                raise HttpError(f"a line of the answer is longer than {limit} bytes", True)
            kept, self._buffer = self._buffer, b""
            more = self.read(CHUNK)
            if not more:
                raise HttpError("the answer ended early", True)
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
    """Open a connection, through ``proxy`` where there is one. Raises HttpError(sent=False).

    ``receive_buffer``: bytes that the kernel may hold for us; None leaves that to the kernel.

    An https origin is reached by CONNECT (RFC 9110 section 9.3.6); a plain one is asked for at the proxy.
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
        raise HttpError(f"no TLS with {origin.authority}: {error}", False, timed_out=timed_out) from error


def _open_tunnel(sock: socket.socket, origin: Origin, proxy: Origin, timeouts: Timeouts) -> None:
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    lines = [f"CONNECT {host}:{origin.port} HTTP/1.1", f"Host: {host}:{origin.port}"]
    if isinstance(proxy, Proxy) and proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
    try:
        head = Connection(sock, timeouts).receive_head()
    except (Dead, HttpError) as error:
        raise HttpError(f"proxy {proxy.authority} did not answer: {error}", False) from error
    if not 200 <= head.status < 300:
        raise HttpError(f"proxy {proxy.authority} answered {head.status} {head.reason}", False)
