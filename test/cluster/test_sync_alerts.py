"""Something is really wrong with a real daemon: what its port says then makes the right alerts fire."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from faults.proxy import FaultProxy, answers, waits_for
from servers.alerts import check_alerts
from servers.daemon import NewDaemon, SyncDaemon
from servers.metrics import MetricsOf, Scrape
from servers.pair import Pair, Store, new_pair, sync
from servers.process import wait_until
from servers.prometheus import JOB, Prometheus, alert_expressions, dashboard_expressions
from servers.swift import SwiftCluster

#: how often what is pending is counted, and a store asked that has refused; in seconds
OFTEN = {
    "values": {"s3_sync.daemon.monitor:UPDATE_INTERVAL": 0.2},
    "pauses": {"s3_sync.daemon.job_backoff:backoff_delay": 0.5},
}


@pytest.fixture
def metrics() -> Iterator[MetricsOf]:
    metrics = MetricsOf()
    yield metrics
    metrics.close()


@pytest.fixture
def prometheus(tmp_path: Path, metrics: MetricsOf) -> Iterator[Prometheus]:
    prometheus = Prometheus(tmp_path / "prometheus", metrics.settings["metrics_port"])
    prometheus.start()
    yield prometheus
    prometheus.stop()


class Systemd:
    """Its end of the socket that a service talks to."""

    def __init__(self, directory: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(directory / "notify"))
        self._socket.settimeout(0.05)
        self.environment = {"NOTIFY_SOCKET": str(directory / "notify"), "WATCHDOG_USEC": "600000"}

    def received(self, seconds: float) -> list[str]:
        """What comes in so long a time."""
        until, messages = time.monotonic() + seconds, []
        while time.monotonic() < until:
            with contextlib.suppress(TimeoutError):
                messages.append(self._socket.recv(4096).decode())
        return messages

    def wait(self, alive: bool) -> list[str]:
        """Until signs of life come, or have stopped for as long as it waits for them."""
        seen: list[str] = []

        def is_so() -> bool:
            seen.extend(now := self.received(1.0))
            return ("WATCHDOG=1" in now) == alive

        wait_until(is_so, 30, "signs of life" if alive else "silence")
        return seen


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    systemd = Systemd(tmp_path)
    yield systemd
    systemd._socket.close()


def readings(
    metrics: MetricsOf, begins: Callable[[Scrape], bool], goes_on: Callable[[Scrape, Scrape], bool]
) -> tuple[Scrape, Scrape]:
    """The first that is so, and one at least two seconds later that goes on from there."""
    found: list[Scrape] = []

    def first() -> bool:
        found[:] = [metrics.read()]
        return begins(found[0])

    def second() -> bool:
        found[1:] = [metrics.read()]
        return found[1].at - found[0].at >= 2.0 and goes_on(*found)

    wait_until(first, 60, "the beginning")
    wait_until(second, 60, "what comes after it")
    return found[0], found[1]


def store_of(pair: Pair) -> str:
    return str(pair.mapping["aws_endpoint"]).removeprefix("http://")


def test_store_faults_and_stopped_process_fire_exactly_their_alerts(
    swift: SwiftCluster,
    s3api: Store,
    rclone_store: Store,
    new_daemon: NewDaemon,
    metrics: MetricsOf,
    prometheus: Prometheus,
) -> None:
    """One store hangs, one refuses, one fails a few requests; then the process is stopped, and killed.
    Meanwhile Prometheus reads the same port."""
    never = threading.Event()
    place = rclone_store.endpoint
    with ExitStack() as stack:
        freezes, refuses = (stack.enter_context(FaultProxy.before(place)) for _ in range(2))
        hurries = stack.enter_context(FaultProxy.before(s3api.endpoint))
        frozen = new_pair(swift, rclone_store.behind(freezes.endpoint))
        refused = new_pair(swift, rclone_store.behind(refuses.endpoint))
        well = new_pair(swift, s3api.behind(hurries.endpoint))
        daemon = new_daemon(frozen, refused, well, altered=OFTEN, **metrics.settings)
        for pair in (frozen, refused, well):
            pair.put("a")
        sync(daemon, frozen, refused, well)
        fine = readings(metrics, lambda now: now.up, lambda before, now: now.up)
        check_alerts(prometheus.directory, *fine, 30, {})
        freezes.when(waits_for(never), method="PUT")
        refuses.when(answers(403, "SignatureDoesNotMatch"))
        hurries.when(answers(500, "InternalError"), times=1)
        # of two objects: then it is the account that is too fast
        hurries.when(answers(503, "SlowDown"), times=1, where=lambda call: call.path.endswith("/b"))
        hurries.when(answers(503, "SlowDown"), times=1, where=lambda call: call.path.endswith("/other"))
        for pair in (frozen, refused, well):
            pair.put("b")
        well.put("other")
        at = {"store": store_of(refused)}
        then = readings(
            metrics,
            lambda now: (
                now.sum("store_silent_seconds") > 0
                and now.sum("objects_pending") == 2
                and now.sum("turns_running", container=frozen.container) == 0
                and now.sum("request_errors_total", store=store_of(well)) >= 3
            ),
            lambda before, now: (
                now.sum("request_errors_total", **at) > before.sum("request_errors_total", **at)
            ),
        )
        every_expression_gives_data(prometheus)
        never.set()
    stuck, denied = {"container": frozen.container}, {"container": refused.container}
    expected = {
        "SwiftS3SyncStoreSilent": [{"store": store_of(frozen)}],
        "SwiftS3SyncRequestHangs": [{"store": store_of(frozen)}],
        "SwiftS3SyncNoProgress": [stuck, denied],
        "SwiftS3SyncTroubled": [denied],
        "SwiftS3SyncDenied": [{"store": store_of(refused)}],
    }
    check_alerts(prometheus.directory, *then, 32, expected)
    for scrape in stopped_and_killed(daemon, metrics):
        check_alerts(prometheus.directory, fine[1], scrape, 30, {"SwiftS3SyncDown": [{}]})


def stopped_and_killed(daemon: SyncDaemon, metrics: MetricsOf) -> tuple[Scrape, Scrape]:
    """What can be read when the process stands still, and when it has ended."""
    child = daemon.child
    assert child is not None
    child.signal(signal.SIGSTOP)
    stands_still = metrics.read(timeout=1.0)
    child.signal(signal.SIGKILL)
    wait_until(lambda: not daemon.running, 10, "the end")
    return stands_still, metrics.read()


def every_expression_gives_data(prometheus: Prometheus) -> None:
    """What dashboard and alerts ask for is there, under the labels that they expect."""
    prometheus.wait_ready()
    asked = [*dashboard_expressions(), *alert_expressions()]
    assert len(asked) > 50
    missing: list[tuple[str, str]] = []

    def nothing_is_missing() -> bool:
        missing[:] = [(name, each) for name, each in missing or asked if not prometheus.series(each)]
        return not missing

    with contextlib.suppress(TimeoutError):
        wait_until(nothing_is_missing, 30, "readings")
    assert missing == []
    rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} == {"ok"}

    def is_read() -> bool:
        [target] = prometheus.ask("targets")["activeTargets"]
        return (target["health"], target["lastError"], target["labels"]["job"]) == ("up", "", JOB)

    wait_until(is_read, 30, "a reading without an error")


def test_watchdog_messages_stop_while_a_turn_is_stalled(
    swift: SwiftCluster, rclone_store: Store, new_daemon: NewDaemon, systemd: Systemd
) -> None:
    goes_on = threading.Event()
    with FaultProxy.before(rclone_store.endpoint) as proxy:
        pair = new_pair(swift, rclone_store.behind(proxy.endpoint))
        wedged = {"values": {"s3_sync.daemon.activity:STALL_LIMIT": 1.0}}
        daemon = new_daemon(pair, altered=wedged, environment=systemd.environment)
        proxy.when(waits_for(goes_on), method="PUT", times=1)
        daemon.start()
        assert systemd.wait(alive=True)[0] == "READY=1\nSTATUS=1 mappings"
        pair.put("a")
        systemd.wait(alive=False)
        goes_on.set()
        systemd.wait(alive=True)
        pair.check()
