"""Every operation that the daemon asks of Azure and of Google, by both of its APIs, with every fault that it
can meet, in one daemon. The stores are strict ones, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from faults.proxy import (
    FaultProxy,
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
from faults.store_api import APIS, REFUSALS, corrupts_media
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
from servers.azure_pair import AzurePair
from servers.daemon import SyncDaemon
from servers.fake_azure import FakeAzure
from servers.fake_gcs import FakeGcs
from servers.gcs_pair import GcsPair
from servers.google import FakeGoogle
from servers.large import Large
from servers.pair import Pair, Store, new_pair
from servers.swift import SwiftCluster

PATIENCE = 1.0  # seconds that the daemon waits for an answer


def faults_of(store: str) -> Faults:
    api = APIS[store]
    every, tell, told = api.reads + api.writes, api.tell, api.told
    corruption = corrupts_media if store == "gcs" else corrupts
    found: Faults = {
        "reset before": (reset_before, every),
        "reset within": (reset_within, tell),
        "reset after": (reset_after, every),
        "answer lost": (lost_answer, every),
        "answer cut short": (cut_short, every),
        "answer stalls": (stalls_within(PATIENCE * 2), told),
        "answer longer": (promises_more, told),
        "answer shorter": (promises_less, told),
        "answer goes on": (goes_on, told),
        "answer garbled": (garbles, told),
        "corrupted": (corruption, tell),
        "stall": (stalls(PATIENCE * 2), every),
        "stall after": (stalls(PATIENCE * 2, after=True), every),
        "web server": (web_server, every),
        "empty 200": (empty_ok, every),
        "page of 404": (nobody_here, every),
        **{name: (fault, every) for name, fault in REFUSALS[store].items()},
    }
    return {name: (fault, possible(store, name, asked)) for name, (fault, asked) in found.items()}


def possible(store: str, fault: str, operations: tuple[str, ...]) -> tuple[str, ...]:
    """An upload session whose request is refused for good is not asked for its state, and one that is said
    to be gone is not ended; nor is one, always, whose chunks are kept, since it may come to its end."""
    refused = ("empty 200", "401 token", "403 denied", "page of 404")
    kept = ("answer lost", "answer cut short", "stall after")
    left_out = {
        *(("AskSession",) if fault in refused else ()),
        *(("EndSession",) if fault in ("page of 404", *kept) else ()),
    }
    return tuple(name for name in operations if store != "gcs" or name not in left_out)


#: what is not S3's own transport, which has met all the others
GOOGLE_FAULTS = ("reset after", "answer lost", "answer cut short", "answer garbled", "corrupted")
GOOGLE_FAULTS += ("stall after", "page of 404", *REFUSALS["google"])
FAULTS = {
    f"{store}: {fault}": meets
    for store in APIS
    for fault, meets in faults_of(store).items()
    if store != "google" or fault in GOOGLE_FAULTS
}


@pytest.fixture(scope="module")
def matrix(
    swift: SwiftCluster,
    azure: FakeAzure,
    gcs: FakeGcs,
    google: FakeGoogle,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Attacked]:
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setattr(gcs, "step", 1024)
        servers = {"azure": azure, "gcs": gcs, "google": google}
        proxies = {
            name: stack.enter_context(FaultProxy.before(each.endpoint)) for name, each in servers.items()
        }

        def pair(store: str) -> Pair:
            through = proxies[store].endpoint
            if store == "azure":
                return AzurePair(swift, azure, through=through)
            if store == "gcs":
                return GcsPair(swift, gcs, through=through)
            return new_pair(swift, Store.server(google).behind(through), store="google")

        def case(name: str) -> StoreCase:
            store, _, fault = name.partition(": ")
            large = Large(pair(store))
            return StoreCase(fault, large, proxy=proxies[store], api=APIS[store], meets=FAULTS[name])

        cases = {name: case(name) for name in FAULTS}
        mappings = [case.pair.mapping | {"read_timeout": PATIENCE} for case in cases.values()]
        daemon = SyncDaemon(swift, tmp_path_factory.mktemp("matrix"), mappings, workers=WORKERS)
        stack.callback(daemon.stop)
        matrix = Attacked(cases, daemon)
        attack(matrix)
        yield matrix


@pytest.mark.parametrize("fault", FAULTS)
class TestProviderFault(StoreFaultTests):
    pass


def test_all_faults_leave_no_connection_open(matrix: Attacked) -> None:
    check_connections(matrix)


def test_all_faults_leave_no_temporary_file(matrix: Attacked) -> None:
    check_no_temporary_file(matrix)


def test_all_faults_log_no_traceback_and_no_internal_error(matrix: Attacked) -> None:
    check_log(matrix)
