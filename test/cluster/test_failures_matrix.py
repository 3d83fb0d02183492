"""Every operation that the daemon asks of an S3 store, with every fault that it can meet, in one daemon.

There are two stores, one that honours conditions and one that does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from faults.digests import corrupts_in_vain
from faults.proxy import (
    FaultProxy,
    answers,
    corrupts,
    cut_short,
    garbles,
    goes_on,
    lost_answer,
    promises_less,
    promises_more,
    reset_after,
    reset_before,
    reset_within,
    stalls,
    stalls_within,
)
from faults.store_api import S3
from faults.store_matrix import (
    WORKERS,
    Attacked,
    Faults,
    StoreCase,
    StoreFaultTests,
    attack,
    check_connections,
    check_log,
    check_no_temporary_file,
)
from faults.strangers import empty_ok, nobody_here, web_server
from servers.daemon import SyncDaemon
from servers.large import Large
from servers.moto import MotoServer
from servers.pair import Store, new_pair
from servers.server import AnyServer
from servers.swift import SwiftCluster

PATIENCE = 1.5  # seconds that the daemon waits for an answer
ALL, TELL, TOLD = S3.reads + S3.writes, S3.tell, S3.told

FAULTS: Faults = {
    "reset before": (reset_before, ALL),
    "reset within": (reset_within, TELL),
    "reset after": (reset_after, ALL),
    "answer lost": (lost_answer, ALL),
    "answer cut short": (cut_short, ALL),
    "answer stalls": (stalls_within(PATIENCE * 2), TOLD),
    "answer longer": (promises_more, TOLD),
    "answer shorter": (promises_less, TOLD),
    "answer goes on": (goes_on, TOLD + ("PutObject", "UploadPart")),
    "answer garbled": (garbles, TOLD),
    "corrupted": (corrupts, TELL),
    "stall": (stalls(PATIENCE * 2), ALL),
    "stall after": (stalls(PATIENCE * 2, after=True), ALL),
    "503 SlowDown": (answers(503, "SlowDown", retry_after=0.1), ALL),
    "429": (answers(429, "TooManyRequests"), ALL),
    "500": (answers(500, "InternalError"), ALL),
    "403 expired": (answers(403, "ExpiredToken"), ALL),
    "403 wrong key": (answers(403, "SignatureDoesNotMatch"), ALL),
    "403 denied": (answers(403, "AccessDenied"), ALL),
    "web server": (web_server, ALL),
    "empty 200": (empty_ok, ALL),
    "page of 404": (nobody_here, ALL),
}
#: the store with conditions meets what may leave something in the way, or look as if it had
CONDITIONAL = ("reset within", "reset after", "answer lost", "answer cut short", "answer garbled")
CONDITIONAL += ("corrupted", "stall after", "503 SlowDown", "403 wrong key")
CELLS = [("s3api", fault) for fault in FAULTS] + [("moto", fault) for fault in CONDITIONAL]


@pytest.fixture(scope="module")
def matrix(
    start_server: Callable[[AnyServer], AnyServer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Attacked]:
    cluster = start_server(SwiftCluster(min_part_size=1))
    stores = {"s3api": Store.s3api(cluster), "moto": Store.server(start_server(MotoServer(min_part=1)))}
    options: dict[str, dict[str, Any]] = {"s3api": {}, "moto": {"conditional_put": True}}
    with ExitStack() as stack:
        proxies = {
            name: stack.enter_context(FaultProxy.before(each.endpoint)) for name, each in stores.items()
        }

        def case(name: str, fault: str) -> StoreCase:
            pair = new_pair(cluster, stores[name].behind(proxies[name].endpoint), **options[name])
            how, possible = FAULTS[fault]
            if how is corrupts and name == "moto":
                how = corrupts_in_vain  # moto compares nothing
            return StoreCase(fault, Large(pair), proxy=proxies[name], api=S3, meets=(how, possible))

        cases = {f"{name}: {fault}": case(name, fault) for name, fault in CELLS}
        mappings = [case.pair.mapping | {"read_timeout": PATIENCE} for case in cases.values()]
        daemon = SyncDaemon(cluster, tmp_path_factory.mktemp("matrix"), mappings, workers=WORKERS)
        stack.callback(daemon.stop)
        matrix = Attacked(cases, daemon)
        attack(matrix)
        yield matrix


@pytest.mark.parametrize("fault", [f"{store}: {fault}" for store, fault in CELLS])
class TestStoreFault(StoreFaultTests):
    pass


def test_all_faults_leave_no_connection_open(matrix: Attacked) -> None:
    check_connections(matrix)


def test_all_faults_leave_no_temporary_file(matrix: Attacked) -> None:
    check_no_temporary_file(matrix)


def test_all_faults_log_no_traceback_and_no_internal_error(matrix: Attacked) -> None:
    check_log(matrix)
