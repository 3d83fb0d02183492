"""The port where metrics are read."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry, Counter

from s3_sync.daemon import metrics_server as exposition
from s3_sync.daemon.metrics_server import MetricsPort


@pytest.fixture
def port() -> Iterator[MetricsPort]:
    registry = CollectorRegistry()
    Counter("turns", "Of a wheel", registry=registry).inc(3)
    port = MetricsPort("127.0.0.1", 0, registry)
    yield port
    port.close()


def test_get_metrics_returns_the_registry(port: MetricsPort) -> None:
    for query in ("", "?x=y"):
        with urlopen(f"http://127.0.0.1:{port.port}/metrics{query}", timeout=10) as answer:
            assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
            assert "turns_total 3.0" in answer.read().decode()


def test_other_paths_give_404_and_other_methods_501(port: MetricsPort) -> None:
    with pytest.raises(HTTPError, match="404"):
        urlopen(f"http://127.0.0.1:{port.port}/", timeout=10)
    with pytest.raises(HTTPError, match="501"):
        urlopen(f"http://127.0.0.1:{port.port}/metrics", data=b"x", timeout=10)


def test_silent_client_does_not_block_other_clients(port: MetricsPort) -> None:
    with socket.create_connection(("127.0.0.1", port.port)):
        test_get_metrics_returns_the_registry(port)


def test_client_that_disconnects_leaves_no_traceback(
    port: MetricsPort, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    port._server.registry.collect = gone  # type: ignore[method-assign]
    with pytest.raises(OSError, match="closed|reset"):
        urlopen(f"http://127.0.0.1:{port.port}/metrics", timeout=10)
    assert capsys.readouterr().err == ""
    assert "A metrics client has disconnected" in caplog.text


def gone() -> Any:
    raise ConnectionResetError("gone")


def test_rendering_error_is_logged_once(
    port: MetricsPort, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    port._server.registry.collect = lambda: {}["defect"]  # type: ignore[method-assign]
    for _ in range(3):
        with pytest.raises(OSError, match="closed|reset"):
            urlopen(f"http://127.0.0.1:{port.port}/metrics", timeout=10)
    assert capsys.readouterr().err == ""
    assert caplog.text.count("Cannot render metrics") == 1


def test_port_survives_a_lack_of_file_descriptors(
    port: MetricsPort, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exposition, "ACCEPT_RETRY_DELAY", 0.01)
    caplog.set_level(logging.INFO)
    real, refusals = port._server.get_request, iter([OSError(errno.EMFILE, "Too many open files")] * 3)

    def accept() -> Any:
        if error := next(refusals, None):
            raise error
        return real()

    port._server.get_request = accept  # type: ignore[method-assign]
    for _ in range(2):  # the first one was being waited for already
        test_get_metrics_returns_the_registry(port)
    assert caplog.text.count("Too many open files") == 1
    assert caplog.text.count("Metrics connections are accepted again") == 1


def test_port_in_use_raises_os_error(port: MetricsPort) -> None:
    with pytest.raises(OSError, match="in use"):
        MetricsPort("127.0.0.1", port.port, CollectorRegistry())


def test_ipv6_address_is_served_until_close() -> None:
    other = MetricsPort("::1", 0, CollectorRegistry())
    try:
        with urlopen(f"http://[::1]:{other.port}/metrics", timeout=10) as answer:
            assert answer.status == 200
    finally:
        other.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("::1", other.port), 10)
