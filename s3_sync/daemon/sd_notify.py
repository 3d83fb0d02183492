"""Talking to systemd: the daemon is ready, stops, and is alive (sd_notify(3)).

Each message is a datagram of ``NAME=value`` lines to the socket that NOTIFY_SOCKET names: a path or, where it
begins with ``@``, a name in the abstract namespace. Without that variable nothing is sent.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from typing import Protocol


class Manager(Protocol):
    """Who wants to know about this process. ``watchdog``: as of ``ServiceManager``."""

    watchdog: float | None

    def ready(self, status: str) -> None: ...

    def alive(self) -> None: ...


class ServiceManager:
    """``watchdog``: every so many seconds a sign of life is wanted; None = nobody asks.

    WATCHDOG_PID says which process that is, so that a child does not answer for its parent.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):
            self._address = "\0" + self._address[1:]
        self.watchdog: float | None = None
        wanted, process = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
        if self._address and wanted.isdigit() and int(wanted) and process in ("", str(os.getpid())):
            self.watchdog = int(wanted) / 1e6

    def ready(self, status: str) -> None:
        self._say(f"READY=1\nSTATUS={status}")

    def alive(self) -> None:
        self._say("WATCHDOG=1")

    def _say(self, message: str) -> None:
        """A manager that does not listen any more is not our business."""
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
    """``tick`` it often: it feeds the manager's watchdog three times in its period, but only while
    ``is_alive``."""

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
