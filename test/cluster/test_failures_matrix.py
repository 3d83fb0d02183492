"""Every operation that the daemon asks of a store, with every fault that it can meet, in one daemon.

Each fault has a container of its own at each of two stores, one that honours conditions and one that does
not. It happens to the first requests of each operation there: to so many that the repetitions of a request
are used up and the object goes through the journal.
"""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from faults.digests import corrupts_in_vain
from faults.matrix import CHANGED, FILLED, GONE, ROWS, Case, Matrix, arm
from faults.proxy import (
    Call,
    Exchange,
    Fault,
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
from faults.strangers import empty_ok, nobody_here, web_server
from servers.daemon import SyncDaemon
from servers.large import Large
from servers.moto import MotoServer
from servers.operations import operation
from servers.pair import Store, new_pair
from servers.process import wait_until
from servers.server import AnyServer
from servers.swift import SwiftCluster

PATIENCE = 1.5  # seconds that the daemon waits for an answer
WORKERS = 16
#: how often each operation fails, where a request is repeated once; parts fail until an upload is aborted
TIMES = 3

ABORT = "AbortMultipartUpload"
READS = ("HeadObject", "GetObject", "ListObjects", "ListMultipartUploads")
WRITES = ("PutObject", "CopyObject", "DeleteObjects", "CreateMultipartUpload", "UploadPart")
WRITES += ("UploadPartCopy", "CompleteMultipartUpload", ABORT)
#: operations with a body, and those whose answers have one
TELL = ("PutObject", "UploadPart", "DeleteObjects", "CompleteMultipartUpload")
TOLD = ("GetObject", "ListObjects", "ListMultipartUploads", "CopyObject", "DeleteObjects")
TOLD += ("CreateMultipartUpload", "UploadPartCopy", "CompleteMultipartUpload")

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
    "403 wrong key": (answers(403, "SignatureDoesNotMatch"), READS + WRITES),
    "403 denied": (answers(403, "AccessDenied"), READS + WRITES),
    "web server": (web_server, READS + WRITES),
    "empty 200": (empty_ok, READS + WRITES),
    "page of 404": (nobody_here, READS + WRITES),
}
#: the store with conditions meets what may leave something in the way, or look as if it had
CONDITIONAL = ("reset within", "reset after", "answer lost", "answer cut short", "answer garbled")
CONDITIONAL += ("corrupted", "stall after", "503 SlowDown", "403 wrong key")
CELLS = [("s3api", fault) for fault in FAULTS] + [("moto", fault) for fault in CONDITIONAL]
#: a comparison also looks for uploads that were left open
COMPARED = ("GetObject", "ListObjects", "ListMultipartUploads")


@dataclass
class Attacked(Matrix):
    """What became of it all."""

    proxies: list[FaultProxy] = field(default_factory=list)
    asked: list[Call] = field(default_factory=list)  # by the first run
    changed: list[Call] = field(default_factory=list)  # while writes failed
    compared: list[Call] = field(default_factory=list)  # the same of a comparison, while reads failed
    descriptors: tuple[int, int] = (0, 0)  # open before and after

    def arm(self, operations: tuple[str, ...]) -> None:
        for case in self.cases.values():
            fault, possible = FAULTS[case.fault]
            if fault is corrupts and case.pair.store.name == "moto":
                fault = corrupts_in_vain  # moto compares nothing
            times: dict[str, int | None] = {name: TIMES for name in sorted(set(operations) & set(possible))}
            if ABORT in times:
                times["UploadPart"] = None  # until an abort has been tried
            proxy = next(p for p in self.proxies if p.endpoint == case.pair.store.through)
            arm(proxy, case, fault, times, is_it)
        for proxy in self.proxies:  # moto says of every upload that it is as old as moto itself
            proxy.when(has_just_begun, where=lambda call: operation(call) == "ListMultipartUploads")

    def calls(self) -> list[Call]:
        return sorted((call for proxy in self.proxies for call in proxy.calls()), key=lambda call: call.at)

    def heal(self) -> None:
        for proxy in self.proxies:
            proxy.heal()

    def left_behind(self) -> int:
        """Uploads that the journal knows, or knows that there may be."""
        with closing(sqlite3.connect(self.daemon.status_dir / ".journal.sqlite")) as db:
            (count,) = db.execute(
                "SELECT (SELECT count(*) FROM uploads) + (SELECT count(*) FROM begins)"
            ).fetchone()
        return int(count)

    def let_a_day_pass(self) -> None:
        """Since uploads were listed, and since the store was asked to complete one."""
        with closing(sqlite3.connect(self.daemon.status_dir / ".journal.sqlite")) as db, db:
            db.execute("UPDATE meta SET value = '0.0' WHERE key LIKE 'uploads listed of %'")
            db.execute("UPDATE completions SET asked = asked - 86400")


def has_just_begun(exchange: Exchange) -> None:
    """A listing of uploads, all of which are told to be of this moment."""
    exchange.read_body()
    exchange.forward()
    assert exchange.answer is not None
    now = time.strftime("<Initiated>%Y-%m-%dT%H:%M:%S.000Z</Initiated>", time.gmtime()).encode()
    exchange.answer.body = re.sub(rb"<Initiated>[^<]{24}</Initiated>", now, exchange.answer.body)
    exchange.reply()


def is_mine(case: Case, call: Call) -> bool:
    return call.path.split("/")[1] == case.pair.bucket


def is_it(case: Case, name: str, call: Call) -> bool:
    if name == "UploadPart" and ABORT in case.rules and case.rules[ABORT].hits:
        return is_mine(case, call) and operation(call) == name and case.rules[name].hits < TIMES
    return is_mine(case, call) and operation(call) == name


@pytest.fixture(scope="module")
def matrix(
    start_server: Callable[[AnyServer], AnyServer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Attacked]:
    cluster = start_server(SwiftCluster(min_part_size=1))
    stores = [Store.s3api(cluster), Store.server(start_server(MotoServer(min_part=1)))]
    with ExitStack() as stack:
        proxies = [stack.enter_context(FaultProxy.before(store.endpoint)) for store in stores]
        behind = {s.name: s.behind(p.endpoint) for s, p in zip(stores, proxies, strict=True)}
        options: dict[str, dict[str, Any]] = {"s3api": {}, "moto": {"conditional_put": True}}
        cases = {
            f"{store}: {fault}": Case(fault, Large(new_pair(cluster, behind[store], **options[store])))
            for store, fault in CELLS
        }
        mappings = [case.pair.mapping | {"read_timeout": PATIENCE} for case in cases.values()]
        daemon = SyncDaemon(cluster, tmp_path_factory.mktemp("matrix"), mappings, workers=WORKERS)
        matrix = Attacked(cases, daemon, proxies=proxies)
        stack.callback(daemon.stop)
        attack(matrix)
        yield matrix


def make_impatient(daemon: SyncDaemon, **values: Any) -> None:
    daemon.alter(
        limits={"min_part": 1, "max_copy": 1500},
        retries={"attempts": 2, "base": 0.1},
        values={
            "s3_sync.runtime.logs:LIBRARIES": [],
            "s3_sync.sync.rows.bulk_deletes:MIN_BULK_DELETES": len(GONE),
            "s3_sync.providers.wrappers.adaptive_throttle:RECOVERY": 0.5,
            "s3_sync.providers.wrappers.adaptive_throttle:MIN_RATE": 1000.0,
            **values,
        },
        pauses={
            "s3_sync.sync.app:_retry_pause": 0.5,
            "s3_sync.daemon.job_backoff:backoff_delay": 0.2,
        },
        in_use=str(daemon.directory / "in use"),
    )


def attack(matrix: Attacked) -> None:
    daemon = matrix.daemon
    make_impatient(daemon)
    for case in matrix.cases.values():
        case.fill()
    pid = matrix.start()
    matrix.settle()
    before = len(os.listdir(f"/proc/{pid}/fd"))
    since = len(matrix.calls())
    matrix.arm(WRITES + ("HeadObject",))
    for case in matrix.cases.values():
        case.change()
    matrix.settle()
    matrix.asked = matrix.calls()
    matrix.changed = matrix.asked[since:]
    matrix.heal()
    matrix.descriptors = (before, len(os.listdir(f"/proc/{pid}/fd")))
    matrix.stop()

    for case in matrix.cases.values():
        (daemon.status_dir / case.pair.swift.account / case.pair.container).unlink()
    matrix.let_a_day_pass()
    # uploads that cannot be looked for are looked for again soon
    make_impatient(daemon, **{"s3_sync.sync.container_crawl:ORPHAN_CHECK_INTERVAL": 1.0})
    since = len(matrix.calls())
    matrix.arm(COMPARED)
    matrix.start()
    matrix.settle()
    wait_until(lambda: not matrix.left_behind(), 60, "the end of all uploads")
    matrix.stop()
    matrix.compared = matrix.calls()[since:]
    matrix.heal()


@pytest.mark.parametrize("fault", [f"{store}: {fault}" for store, fault in CELLS])
class TestStoreFault:
    def test_fault_leaves_both_sides_equal(self, matrix: Attacked, fault: str) -> None:
        matrix.cases[fault].check()

    def test_fault_occurs_in_each_operation_it_applies_to(self, matrix: Attacked, fault: str) -> None:
        case = matrix.cases[fault]
        assert {name for name, rule in case.rules.items() if not rule.hits} == set()
        assert case.rules.keys() == set(FAULTS[case.fault][1])

    def test_fault_leaves_no_upload_open(self, matrix: Attacked, fault: str) -> None:
        """Uploads that were not aborted, or created without an answer, are gone after the next start."""
        assert matrix.cases[fault].large.open_uploads() == []

    def test_fault_causes_at_most_one_repeated_transfer_for_each_hit(
        self, matrix: Attacked, fault: str
    ) -> None:
        case = matrix.cases[fault]
        taken = Counter(
            (operation(call), call.path, call.query if "partNumber" in call.query else "")
            for call in matrix.changed
            if is_mine(case, call) and operation(call) in ("PutObject", "UploadPart") and call.status == 200
        )
        again = sum(taken.values()) - len(taken)
        met = sum(rule.hits for name, rule in case.rules.items() if name in WRITES)
        assert again <= met, f"{again} again, {met} faults: {taken}"

    def test_comparison_with_failing_reads_sends_no_object(self, matrix: Attacked, fault: str) -> None:
        case = matrix.cases[fault]
        sent = [call for call in matrix.compared if is_mine(case, call) and operation(call) in WRITES[:-1]]
        # whether conditions hold is tried at each start, with a key that is nobody's
        sent = [
            call for call in sent if call.path.partition(f"/{case.pair.bucket}/")[2] in case.possible_keys()
        ]
        # a manifest that was not read as it is cannot be known to be there
        manifests = 2 if case.fault in ("answer garbled", "answer shorter") else 0
        assert len([call for call in sent if "/.manifests/" in call.path]) <= manifests
        assert [call for call in sent if "/.manifests/" not in call.path] == []

    def test_counters_equal_rows_settled_and_writes_accepted(self, matrix: Attacked, fault: str) -> None:
        """Each row was settled once, and the store has accepted each transfer that is counted."""
        case = matrix.cases[fault]
        matrix.check_counters(case, FILLED + CHANGED, ROWS)
        first, second = (run[case.label] for run in matrix.runs)
        done = Counter(operation(c) for c in matrix.asked if is_mine(case, c) and c.status == 200)
        assert first["copied"] <= done["PutObject"] + done["CompleteMultipartUpload"]
        assert first["updated"] <= done["CopyObject"] + done["CompleteMultipartUpload"] + done["PutObject"]
        assert first["deleted"] <= len(GONE)
        assert second["copied"] == second["deleted"] == 0


def test_all_faults_leave_no_connection_open(matrix: Attacked) -> None:
    """Except those kept for reuse: one for each worker, to each store and to the object server."""
    before, after = matrix.descriptors
    assert after <= before + 4 * WORKERS
    matrix.check_connections()


def test_all_faults_leave_no_temporary_file(matrix: Attacked) -> None:
    account = next(iter(matrix.cases.values())).pair.swift.account
    status = matrix.daemon.status_dir
    expected = {Path(account) / case.pair.container for case in matrix.cases.values()}
    found = {path.relative_to(status) for path in status.rglob("*") if path.is_file()}
    left = {path for path in found - expected if not path.name.startswith(".journal.sqlite")}
    assert left == {Path(".lock"), Path("swift-s3-sync-0.recon")}


def test_all_faults_log_no_traceback_and_no_internal_error(matrix: Attacked) -> None:
    log = matrix.daemon.log_text()
    assert "Traceback" not in log
    assert "internal_error" not in log
