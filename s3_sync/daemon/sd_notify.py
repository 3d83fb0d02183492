"""Notifies systemd that the daemon is ready and alive (sd_notify(3)).

Each message is a datagram of ``NAME=value`` lines to the socket that NOTIFY_SOCKET names: a path or, where it
begins with ``@``, a name in the abstract namespace. Without that variable nothing is sent.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from typing import Protocol


class Manager(Protocol):
    """The supervisor that a process reports to. ``watchdog``: see ``ServiceManager``."""

    watchdog: float | None

    def ready(self, status: str) -> None: ...

    def alive(self) -> None: ...


class ServiceManager:
    """systemd. ``watchdog``: its watchdog timeout in seconds; None: the watchdog is off.

    WATCHDOG_PID names the process that must report, so that a child does not report for its parent.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):
            self._address = "\0" + self._address[1:]
        self.watchdog: float | None = None
        timeout, process = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
        if self._address and timeout.isdigit() and int(timeout) and process in ("", str(os.getpid())):
            self.watchdog = int(timeout) / 1e6

    def ready(self, status: str) -> None:
        self._notify(f"READY=1\nSTATUS={status}")

    def alive(self) -> None:
        self._notify("WATCHDOG=1")

    def _notify(self, message: str) -> None:
        """Send a message; errors are ignored, since the daemon does not depend on its manager."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.setblocking(False)
                channel.connect(self._address)
                channel.send(message.encode("utf-8"))
        except OSError:
            pass


class Watchdog:
    """Feeds the manager's watchdog three times per period, but only while ``is_alive``. Call ``tick``
    often."""

    def __init__(self, manager: Manager, is_alive: Callable[[], bool], now: Callable[[], float]) -> None:
        self._manager = manager
        self._is_alive = is_alive
        self._now = now
        self._next = float("-inf")

    def tick(self) -> None:
        now = self._now()
        if self._manager.watchdog is None or now < self._next:
            return
        self._next = now + self._manager.watchdog / 3
        if self._is_alive():
            self._manager.alive()
