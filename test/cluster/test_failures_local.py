"""Every fault that a request to an object server can meet. What arrives is right all the same, or waits.

The daemon has rings of its own, by which object servers are where a proxy of faults is.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from swift.common.ring.ring import RingData

from faults.matrix import CHANGED, FILLED, Case, Matrix, arm
from faults.proxy import (
    Call,
    Exchange,
    Fault,
    FaultProxy,
    answers,
    cut_short,
    garbles,
    goes_on,
    lost_answer,
    promises_less,
    promises_more,
    reset_before,
    stalls,
    stalls_within,
)
from servers.daemon import SyncDaemon
from servers.large import Large
from servers.pair import Store, new_pair
from servers.swift import SwiftCluster

PATIENCE = 1.0  # seconds that the daemon waits for an answer
TIMES = 6  # of each kind of request


def flips_a_bit(exchange: Exchange) -> None:
    """The answer's body has its length, and is not what was stored."""
    exchange.read_body()
    exchange.forward()
    assert exchange.answer is not None
    if exchange.answer.body:
        body = bytearray(exchange.answer.body)
        body[len(body) // 2] ^= 1
        exchange.answer.body = bytes(body)
    exchange.reply()


def rewords(exchange: Exchange) -> None:
    """The answer says something else of the same length, and sounds well."""
    exchange.read_body()
    exchange.forward()
    assert exchange.answer is not None
    exchange.answer.body = exchange.answer.body.replace(b"octet-stream", b"octet-steram")
    exchange.reply()


FAULTS: dict[str, Fault] = {
    "reset before": reset_before,
    "answer lost": lost_answer,
    "answer cut short": cut_short,
    "answer stalls": stalls_within(PATIENCE * 2),
    "answer longer": promises_more,
    "answer shorter": promises_less,
    "answer goes on": goes_on,
    "answer garbled": garbles,
    "bit flipped": flips_a_bit,
    "manifest reworded": rewords,
    "stall": stalls(PATIENCE * 2),
    "500": answers(500),
    "503": answers(503),
    "507": answers(507),
}


@pytest.fixture(scope="module")
def matrix(swift: SwiftCluster, s3api: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    server = swift.server("object")
    with FaultProxy(server.ip, server.port) as proxy:
        etc = tmp_path_factory.mktemp("etc") / "swift"
        shutil.copytree(swift.etc, etc)
        client = etc / "internal-client.conf"
        client.write_text(client.read_text().replace(str(swift.etc), str(etc)))
        for path in etc.glob("object*.ring.gz"):
            move(path, proxy)
        cases = {fault: Case(fault, Large(new_pair(swift, s3api))) for fault in FAULTS}
        mappings = [case.pair.mapping for case in cases.values()]
        directory = tmp_path_factory.mktemp("local")
        daemon = SyncDaemon(swift, directory, mappings, workers=8, swift_dir=str(etc))
        daemon.alter(
            patience=PATIENCE,
            values={"s3_sync.runtime.logs:LIBRARIES": []},
            pauses={"s3_sync.sync.app:_retry_pause": 0.3, "s3_sync.daemon.job_backoff:backoff_delay": 0.2},
            in_use=str(directory / "in use"),
        )
        matrix = Matrix(cases, daemon)
        for case in cases.values():
            case.fill()
        matrix.start()
        try:
            matrix.settle()
            for case in cases.values():
                methods = ("GET",) if FAULTS[case.fault] is rewords else ("GET", "HEAD")
                arm(proxy, case, FAULTS[case.fault], dict.fromkeys(methods, TIMES), is_it)
                case.change()
            matrix.settle()
            matrix.stop()
            yield matrix
        finally:
            daemon.stop()


def move(ring: Path, proxy: FaultProxy) -> None:
    data = RingData.load(str(ring))
    for device in filter(None, data.devs):
        device["ip"], device["port"] = proxy.address
    data.save(str(ring))


def is_it(case: Case, method: str, call: Call) -> bool:
    """What is in the container, or in that of its segments."""
    container, _, name = call.path.split("/", 4)[4].partition("/")
    if FAULTS[case.fault] is rewords and name not in ("slo", "slo meta"):
        return False
    return call.method == method and container.startswith(case.pair.container)


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_of_the_object_server_leaves_both_sides_equal(matrix: Matrix, fault: str) -> None:
    case = matrix.cases[fault]
    assert {method for method, rule in case.rules.items() if not rule.hits} == set()
    case.check()
    assert case.large.open_uploads() == []
    matrix.check_counters(case, FILLED + CHANGED)


def test_faults_leave_no_connection_open_and_log_no_traceback(matrix: Matrix) -> None:
    matrix.check_connections()
    log = matrix.daemon.log_text()
    assert "Traceback" not in log
    assert "internal_error" not in log
