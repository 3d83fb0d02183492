"""Counters, received by a real UDP socket."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from s3_sync.runtime.stats import Stats


class Collector:
    """Receives datagrams until closed; ``address`` is numeric."""

    def __init__(self, family: socket.AddressFamily = socket.AF_INET) -> None:
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        self.socket.settimeout(5)
        self.address, self.port = self.socket.getsockname()[:2]

    def packet(self) -> list[str]:
        return sorted(self.socket.recv(65536).decode("ascii").split("\n"))

    def is_silent(self) -> bool:
        self.socket.settimeout(0.2)
        try:
            self.socket.recv(65536)
        except TimeoutError:
            return True
        return False


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.socket.close()


def test_counters_are_summed_and_sent_with_prefix_in_statsd_format(collector: Collector) -> None:
    stats = Stats(collector.address, collector.port, "1space.sync")
    stats.counter("S3.AUTH_test.bucket.bucket", "copied_objects", 1)
    stats.counter("S3.AUTH_test.bucket.bucket", "copied_objects")
    stats.counter("S3.AUTH_test.bucket.bucket", "bytes", 65536)
    stats.counter("https%3A%2F%2Fx%2Ey.a%C3%B4.b%2Fp.c", "deleted_objects", 1)
    stats.close()
    assert collector.packet() == [
        "1space.sync.S3.AUTH_test.bucket.bucket.bytes:65536|c",
        "1space.sync.S3.AUTH_test.bucket.bucket.copied_objects:2|c",
        "1space.sync.https%3A%2F%2Fx%2Ey.a%C3%B4.b%2Fp.c.deleted_objects:1|c",
    ]


def test_counter_without_prefix_is_sent_by_its_own_name(collector: Collector) -> None:
    stats = Stats(collector.address, collector.port)
    stats.counter("S3.a.b.c", "bytes", 5)
    stats.close()
    assert collector.packet() == ["S3.a.b.c.bytes:5|c"]


def test_many_counts_are_sent_in_one_packet_after_the_interval(collector: Collector) -> None:
    stats = Stats(collector.address, collector.port)
    started = time.monotonic()
    for _ in range(1000):
        stats.counter("S3.a.b.c", "bytes", 65536)
    counting = time.monotonic() - started
    [line] = collector.packet()
    assert line == f"S3.a.b.c.bytes:{65536 * 1000}|c"
    assert time.monotonic() - started > 0.9
    assert counting < 0.9  # while the packet takes its second
    assert collector.is_silent()  # nothing new, nothing sent
    stats.close()
    assert collector.is_silent()


def test_counts_of_several_threads_are_all_sent(collector: Collector) -> None:
    stats = Stats(collector.address, collector.port)

    def count() -> None:
        for _ in range(5000):
            stats.counter("p", "m")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stats.close()
    total = 0
    while total < 20_000:
        total += sum(int(line.split(":")[1].split("|")[0]) for line in collector.packet())
    assert total == 20_000


def test_counter_to_ipv6_host_is_sent() -> None:
    collector = Collector(socket.AF_INET6)
    stats = Stats("::1", collector.port)
    stats.counter("p", "m", 7)
    stats.close()
    assert collector.packet() == ["p.m:7|c"]
    collector.socket.close()


@pytest.mark.parametrize("host", [None, ""])
def test_counter_without_host_starts_no_thread(host: str | None) -> None:
    threads = threading.active_count()
    stats = Stats(host)
    stats.counter("p", "m", 1)
    assert threading.active_count() == threads
    stats.close()


def test_counter_to_closed_port_raises_nothing() -> None:
    closed = Collector()
    closed.socket.close()
    stats = Stats(closed.address, closed.port)
    for _ in range(3):
        stats.counter("p", "m", 1)
        time.sleep(0.05)
    stats.close()
    stats.close()


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 300])
def test_unknown_host_is_logged_once_and_delays_nothing(
    host: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    logging.getLogger("s3-sync").propagate = True  # another test may have set up real logging
    monkeypatch.setattr("s3_sync.runtime.stats.INTERVAL", 0.05)
    stats = Stats(host)
    started = time.monotonic()
    stats.counter("p", "m", 1)
    assert time.monotonic() - started < 1
    while not caplog.records and time.monotonic() - started < 60:  # as long as the resolver takes
        time.sleep(0.05)
    time.sleep(0.2)
    started = time.monotonic()
    stats.close()
    assert time.monotonic() - started < 3
    [record] = [record for record in caplog.records if record.name == "s3-sync.stats"]
    assert f"Cannot resolve statsd host {host}" in record.getMessage()


def test_counts_are_kept_until_the_host_is_resolved(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    known = False
    lookups = []
    real = socket.getaddrinfo

    def getaddrinfo(host: str, *rest: object) -> object:
        lookups.append(host)
        if not known:
            raise socket.gaierror("unknown")
        return real("127.0.0.1", *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr("s3_sync.runtime.stats.INTERVAL", 0.02)
    stats = Stats("stats.example.org", collector.port, clock=lambda: now)
    stats.counter("p", "m", 1)
    time.sleep(0.3)
    assert len(lookups) == 2  # one for each family, and then a pause
    stats.counter("p", "m", 2)
    known = True
    now += 31
    assert collector.packet() == ["p.m:3|c"]
    stats.close()


def test_counters_are_sent_from_a_process_with_green_threads(collector: Collector) -> None:
    program = f"""
import warnings
warnings.simplefilter("ignore")
from s3_sync.runtime.concurrency import patch
patch()
import time
from s3_sync.runtime.stats import Stats
stats = Stats("{collector.address}", {collector.port})
stats.counter("p", "m", 3)
time.sleep(1.5)
stats.counter("p", "m", 4)
stats.close()
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
    assert [collector.packet(), collector.packet()] == [["p.m:3|c"], ["p.m:4|c"]]
