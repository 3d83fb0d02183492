"""A syslog handler that never blocks the program for long, and never raises."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from typing import Protocol

#: seconds to connect to a TCP server, and between attempts while the server is unreachable
CONNECT_TIMEOUT = 2.0
RECONNECT_DELAY = 30.0
#: message size in bytes that receivers commonly accept
_MAX_MESSAGE = 8192
_FACILITY_USER = 1
_SEVERITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class SyslogTarget(Protocol):
    """The address of a syslog server; ``proto`` is ``udp`` or ``tcp``."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def proto(self) -> str: ...


class SyslogHandler(logging.Handler):
    """Sends RFC 3164 messages, one per datagram, or one per line over TCP (RFC 6587, 3.4.2).

    Unlike the standard library's handler, which connects in its constructor and raises on failure, this one
    connects at the first message, and drops messages while the server is unreachable.
    """

    def __init__(self, target: SyslogTarget, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._target = target
        self._clock = clock
        self._reconnect_at = 0.0
        self._socket: socket.socket | None = None
        self._address: tuple[object, ...] = ()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            data = self._message(record)
        except Exception:  # the message cannot be formatted; logging reports that in one place
            self.handleError(record)
            return
        if self._socket is not None and self._send(data):
            return
        # not connected, or the server closed the connection, which only a send detects
        if self._clock() < self._reconnect_at:
            return
        if not (self._connect() and self._send(data)):
            self._reconnect_at = self._clock() + RECONNECT_DELAY

    def close(self) -> None:
        self._disconnect()
        super().close()

    def _message(self, record: logging.LogRecord) -> bytes:
        priority = _FACILITY_USER * 8 + _SEVERITIES.get(record.levelno, 6)
        data = f"<{priority}>{self.format(record)}".encode("utf-8", "backslashreplace")[:_MAX_MESSAGE]
        # over TCP a line break would end the message: escaped as syslog daemons do
        return data.replace(b"\n", b"#012") + b"\n" if self._target.proto == "tcp" else data

    def _connect(self) -> bool:
        try:
            if self._target.proto == "tcp":
                address = (self._target.host, self._target.port)
                self._socket = socket.create_connection(address, timeout=CONNECT_TIMEOUT)
                return True
            found = socket.getaddrinfo(self._target.host, self._target.port, type=socket.SOCK_DGRAM)
            # "localhost" often resolves to ::1 first, where few syslog servers listen
            found.sort(key=lambda entry: entry[0] != socket.AF_INET)
            family, kind, protocol, _, self._address = found[0]
            self._socket = socket.socket(family, kind, protocol)
            return True
        except (OSError, UnicodeError):
            return False

    def _send(self, data: bytes) -> bool:
        assert self._socket is not None
        try:
            if self._target.proto == "tcp":
                self._socket.sendall(data)
            else:
                self._socket.sendto(data, self._address)
            return True
        except OSError:
            self._disconnect()
            return False

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
