"""Notifications to systemd, received as systemd receives them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from s3_sync.daemon.sd_notify import ServiceManager, Watchdog


class Systemd:
    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)

    def received(self) -> list[str]:
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return messages


@pytest.fixture(params=["path", "abstract"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Systemd, dict[str, str]]]:
    name = str(tmp_path / "notify")
    systemd = Systemd("\0" + name if request.param == "abstract" else name)
    yield systemd, {"NOTIFY_SOCKET": "@" + name if request.param == "abstract" else name}
    systemd.socket.close()


Place = tuple[Systemd, dict[str, str]]


def test_ready_and_alive_send_their_notifications(place: Place) -> None:
    systemd, environment = place
    manager = ServiceManager(environment)
    manager.ready("7 mappings")
    manager.alive()
    assert systemd.received() == ["READY=1\nSTATUS=7 mappings", "WATCHDOG=1"]


def test_alive_without_a_listener_raises_nothing(place: Place) -> None:
    systemd, environment = place
    systemd.socket.close()
    ServiceManager(environment).alive()
    ServiceManager({}).alive()


@pytest.mark.parametrize(
    ("more", "period"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "90000000"}, 90.0),
        ({"WATCHDOG_USEC": "90000000", "WATCHDOG_PID": str(os.getpid())}, 90.0),
        ({"WATCHDOG_USEC": "90000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "nonsense"}, None),
    ],
)
def test_watchdog_period_is_read_from_the_environment(more: dict[str, str], period: float | None) -> None:
    assert ServiceManager({"NOTIFY_SOCKET": "/nowhere", **more}).watchdog == period
    assert ServiceManager(more).watchdog is None


def test_watchdog_is_notified_only_while_the_daemon_is_alive(place: Place) -> None:
    systemd, environment = place
    time, alive = [0.0], [True]
    watchdog = Watchdog(
        ServiceManager({**environment, "WATCHDOG_USEC": "30000000"}), lambda: alive[0], lambda: time[0]
    )

    def fed(seconds: int) -> int:
        for _ in range(seconds * 2):
            watchdog.tick()
            time[0] += 0.5
        return systemd.received().count("WATCHDOG=1")

    assert fed(30) == 3
    alive[0] = False
    assert fed(60) == 0
    alive[0] = True
    assert fed(30) == 3


def test_watchdog_without_a_period_sends_nothing(place: Place) -> None:
    systemd, environment = place
    Watchdog(ServiceManager(environment), lambda: True, lambda: 0.0).tick()
    assert systemd.received() == []
