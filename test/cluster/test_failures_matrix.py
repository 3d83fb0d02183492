"""Every operation that the daemon asks of a store, with every fault that it can meet, in one daemon.

Each fault has a container of its own, and happens to the first requests of each operation there: to so many
that the repetitions of a request are used up and the object goes through the journal.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from faults.proxy import (
    Call,
    Fault,
    FaultProxy,
    Rule,
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
from servers.daemon import SyncDaemon
from servers.large import Large
from servers.operations import operation
from servers.pair import Pair, Store, new_pair
from servers.process import wait_until
from servers.swift import SwiftCluster

PATIENCE = 1.5  # seconds that the daemon waits for an answer
WORKERS = 16
#: how often each operation fails, where a request is repeated once; parts fail until an upload is aborted
TIMES = 3

ABORT = "AbortMultipartUpload"
READS = ("HeadObject", "GetObject", "ListObjects")
WRITES = ("PutObject", "CopyObject", "DeleteObjects", "CreateMultipartUpload", "UploadPart")
WRITES += ("UploadPartCopy", "CompleteMultipartUpload", ABORT)
#: operations with a body, and those whose answers have one
TELL = ("PutObject", "UploadPart", "DeleteObjects", "CompleteMultipartUpload")
TOLD = ("GetObject", "ListObjects", "CopyObject", "DeleteObjects", "CreateMultipartUpload")
TOLD += ("UploadPartCopy", "CompleteMultipartUpload")

FAULTS: dict[str, tuple[Fault, tuple[str, ...]]] = {
    "reset before": (reset_before, READS + WRITES),
    "reset within": (reset_within, TELL),
    "reset after": (reset_after, READS + WRITES),
    "answer lost": (lost_answer, READS + WRITES),
    "answer cut short": (cut_short, READS + WRITES),
    "answer stalls": (stalls_within(PATIENCE * 2), TOLD),
    "answer longer": (promises_more, TOLD),
    "answer shorter": (promises_less, TOLD),
    "answer goes on": (goes_on, TOLD + ("PutObject", "UploadPart")),
    "answer garbled": (garbles, TOLD),
    "corrupted": (corrupts, TELL),
    "stall": (stalls(PATIENCE * 2), READS + WRITES),
    "stall after": (stalls(PATIENCE * 2, after=True), READS + WRITES),
    "503 SlowDown": (answers(503, "SlowDown", retry_after=0.1), READS + WRITES),
    "429": (answers(429, "TooManyRequests"), READS + WRITES),
    "500": (answers(500, "InternalError"), READS + WRITES),
    "403 expired": (answers(403, "ExpiredToken"), READS + WRITES),
    "403 denied": (answers(403, "AccessDenied"), READS + WRITES),
}
GONE = ["gone1", "gone2"]


@dataclass
class Case:
    """One fault and its container. ``rules``: by operation; ``since``: calls of before the faults."""

    fault: str
    large: Large
    rules: dict[str, Rule] = field(default_factory=dict)

    @property
    def pair(self) -> Pair:
        return self.large.pair

    def fill(self) -> None:
        self.segments = [self.large.segment(str(number), 1000 + number) for number in range(3)]
        for name in ("over", "meta", *GONE):
            self.pair.put(name, b"1")
        self.large.put_slo("slo meta", self.segments)

    def change(self) -> None:
        """Something for each operation."""
        self.pair.put("new", b"new")
        self.pair.put("over", b"2", {"X-Object-Meta-Colour": "blue"})
        self.pair.post("meta", {"X-Object-Meta-Colour": "red"})
        self.pair.post("slo meta", {"X-Object-Meta-Colour": "green"})
        self.large.put_slo("slo", self.segments)
        for name in GONE:
            self.pair.delete(name)

    def is_mine(self, call: Call) -> bool:
        return call.path.split("/")[1] == self.pair.bucket


def only(case: Case, name: str, call: Call) -> bool:
    if name == "UploadPart" and ABORT in case.rules:
        enough = case.rules[ABORT].hits and case.rules[name].hits >= TIMES
        return bool(not enough) and case.is_mine(call) and operation(call) == name
    return case.is_mine(call) and operation(call) == name


@dataclass
class Matrix:
    """What became of it all."""

    cases: dict[str, Case]
    daemon: SyncDaemon
    proxy: FaultProxy
    changed: list[Call] = field(default_factory=list)  # what was asked while writes failed
    compared: list[Call] = field(default_factory=list)  # the same of a comparison, while reads failed
    descriptors: tuple[int, int] = (0, 0)  # open before and after

    def arm(self, operations: tuple[str, ...]) -> None:
        for case in self.cases.values():
            fault, possible = FAULTS[case.fault]
            for name in sorted(set(operations) & set(possible)):  # the abort comes before the parts
                for_ever = name == "UploadPart" and ABORT in case.rules
                case.rules[name] = self.proxy.when(
                    fault, times=None if for_ever else TIMES, where=partial(only, case, name)
                )

    def settle(self) -> None:
        """Until every container has been read to its end, and nothing is left in the journal."""
        ends = [(case.pair, *case.pair.database()) for case in self.cases.values()]

        def settled() -> bool:
            return not self.daemon.unsettled() and all(
                self.daemon.status(pair.swift.account, pair.container).get(identity, {}).get("last_row", -1)
                >= last
                for pair, identity, last in ends
            )

        wait_until(settled, 240, "the end")

    def open_descriptors(self, pid: int) -> int:
        return len(os.listdir(f"/proc/{pid}/fd"))


@pytest.fixture(scope="module")
def matrix(
    start_server: Callable[[SwiftCluster], SwiftCluster], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Matrix]:
    cluster = start_server(SwiftCluster(min_part_size=1))
    store = Store.s3api(cluster)
    with FaultProxy.before(store.endpoint) as proxy:
        cases = {
            fault: Case(fault, Large(new_pair(cluster, store.behind(proxy.endpoint)))) for fault in FAULTS
        }
        mappings = [case.pair.mapping for case in cases.values()]
        daemon = SyncDaemon(cluster, tmp_path_factory.mktemp("matrix"), mappings, workers=WORKERS)
        daemon.alter(
            limits={"min_part": 1, "max_copy": 1500},
            retries={"attempts": 2, "base": 0.1},
            values={
                "s3_sync.providers.s3.client:READ_TIMEOUT": PATIENCE,
                "s3_sync.sync.bulk:FEW": len(GONE),
                "s3_sync.providers.wrappers.pace:RECOVERY": 0.5,
                "s3_sync.providers.wrappers.pace:SLOWEST": 1000.0,
            },
            pauses={
                "s3_sync.sync.main:_retry_pause": 0.5,
                "s3_sync.sync.crawler:setback_pause": 0.2,
            },
        )
        matrix = Matrix(cases, daemon, proxy)
        try:
            attack(matrix)
            yield matrix
        finally:
            daemon.stop()


def attack(matrix: Matrix) -> None:
    daemon, proxy = matrix.daemon, matrix.proxy
    for case in matrix.cases.values():
        case.fill()
    process = daemon.start()
    matrix.settle()
    before = matrix.open_descriptors(process.pid)
    since = len(proxy.calls())
    matrix.arm(WRITES + ("HeadObject",))
    for case in matrix.cases.values():
        case.change()
    matrix.settle()
    matrix.changed = proxy.calls(since=since)
    proxy.heal()
    matrix.descriptors = (before, matrix.open_descriptors(process.pid))
    daemon.stop()

    for case in matrix.cases.values():
        (daemon.status_dir / case.pair.swift.account / case.pair.container).unlink()
    since = len(proxy.calls())
    matrix.arm(("GetObject", "ListObjects"))
    daemon.start()
    matrix.settle()
    daemon.stop()
    matrix.compared = proxy.calls(since=since)
    proxy.heal()


@pytest.mark.parametrize("fault", FAULTS)
class TestEachFault:
    def test_both_sides_agree(self, matrix: Matrix, fault: str) -> None:
        case = matrix.cases[fault]
        stored = sorted(name for name in case.pair.arrived())
        assert stored == ["meta", "new", "over", "slo", "slo meta"]
        for name in stored:
            case.pair.check_object(name)
        for name in ("slo", "slo meta"):
            assert case.large.manifest(name) == case.large.raw_manifest(name)

    def test_it_was_met_by_every_operation(self, matrix: Matrix, fault: str) -> None:
        case = matrix.cases[fault]
        assert {name for name, rule in case.rules.items() if not rule.hits} == set()
        assert case.rules.keys() == set(FAULTS[fault][1])

    def test_no_upload_stays_open(self, matrix: Matrix, fault: str) -> None:
        """What could not be aborted, or was begun without an answer, is gone after the next start."""
        assert matrix.cases[fault].large.open_uploads() == []

    def test_only_what_may_have_been_lost_is_sent_again(self, matrix: Matrix, fault: str) -> None:
        case = matrix.cases[fault]
        taken = Counter(
            (operation(call), call.path, call.query if "partNumber" in call.query else "")
            for call in matrix.changed
            if case.is_mine(call) and operation(call) in ("PutObject", "UploadPart") and call.status == 200
        )
        again = sum(taken.values()) - len(taken)
        met = sum(rule.hits for name, rule in case.rules.items() if name in WRITES)
        assert again <= met

    def test_a_comparison_sends_nothing(self, matrix: Matrix, fault: str) -> None:
        case = matrix.cases[fault]
        sent = [call for call in matrix.compared if case.is_mine(call) and operation(call) in WRITES[:-1]]
        # a manifest that was not read as it is cannot be known to be there
        manifests = 2 if fault in ("answer garbled", "answer shorter") else 0
        assert len([call for call in sent if "/.manifests/" in call.path]) <= manifests
        assert [call for call in sent if "/.manifests/" not in call.path] == []


def test_no_connection_is_left_open(matrix: Matrix) -> None:
    """Beyond those that are kept for later: as many as workers to the store and to each object server."""
    before, after = matrix.descriptors
    assert after <= before + 4 * WORKERS


def test_no_temporary_file_is_left(matrix: Matrix) -> None:
    account = next(iter(matrix.cases.values())).pair.swift.account
    status = matrix.daemon.status_dir
    expected = {Path(account) / case.pair.container for case in matrix.cases.values()}
    found = {path.relative_to(status) for path in status.rglob("*") if path.is_file()}
    assert {path for path in found - expected if not path.name.startswith(".journal.sqlite")} == {
        Path(".lock")
    }


def test_every_failure_is_said_and_none_is_a_defect(matrix: Matrix) -> None:
    log = matrix.daemon.log_text()
    assert "Traceback" not in log
    assert "internal_error" not in log
