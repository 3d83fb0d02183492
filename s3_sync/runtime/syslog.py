"""A log handler that sends to a syslog server, and never holds up or breaks the program for it."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from typing import Protocol

#: longest wait for a TCP server, and how long an unusable server is left alone
PATIENCE = 2.0
PAUSE = 30.0
#: what receivers commonly take as one message
_LONGEST = 8192
_FACILITY_USER = 1
_SEVERITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class SyslogTarget(Protocol):
    """Where to send to; ``proto`` is ``udp`` or ``tcp``."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def proto(self) -> str: ...


class SyslogHandler(logging.Handler):
    """RFC 3164 messages, one a datagram, or one a line over TCP (RFC 6587, 3.4.2).

    The standard library's handler connects when it is made and raises when nobody answers; this one
    connects when there is something to say, and drops lines while the server cannot be reached.
    """

    def __init__(self, target: SyslogTarget, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._target = target
        self._clock = clock
        self._paused_until = 0.0
        self._socket: socket.socket | None = None
        self._address: tuple[object, ...] = ()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            data = self._message(record)
        except Exception:  # a line that cannot be formatted; logging reports those in one place
            self.handleError(record)
            return
        if self._socket is not None and self._send(data):
            return
        # not connected, or the server closed an old connection, which only sending can tell
        if self._clock() < self._paused_until:
            return
        if not (self._connect() and self._send(data)):
            self._paused_until = self._clock() + PAUSE

    def close(self) -> None:
        self._disconnect()
        super().close()

    def _message(self, record: logging.LogRecord) -> bytes:
        priority = _FACILITY_USER * 8 + _SEVERITIES.get(record.levelno, 6)
        data = f"<{priority}>{self.format(record)}".encode("utf-8", "backslashreplace")[:_LONGEST]
        # over TCP a line break would end the message: written as syslog daemons themselves write it
        return data.replace(b"\n", b"#012") + b"\n" if self._target.proto == "tcp" else data

    def _connect(self) -> bool:
        try:
            if self._target.proto == "tcp":
                address = (self._target.host, self._target.port)
                self._socket = socket.create_connection(address, timeout=PATIENCE)
                return True
            found = socket.getaddrinfo(self._target.host, self._target.port, type=socket.SOCK_DGRAM)
            # "localhost" is often ::1 first, where few syslog servers listen
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
