"""Every operation that the daemon asks of some stores, with every fault that it can meet, in one daemon.

Each fault has a container of its own at each store. It happens to the first requests of each operation there:
to so many that the repetitions of a request are used up and the object goes through the journal.
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults.matrix import CHANGED, FILLED, GONE, ROWS, Case, Matrix, arm
from faults.proxy import Call, Exchange, Fault, FaultProxy
from faults.store_api import S3, Api
from servers.daemon import SyncDaemon
from servers.process import wait_until

WORKERS = 16
#: how often each operation fails, where a request is repeated once; parts fail until an upload is aborted
TIMES = 3

#: fault -> what it is, and the operations that it can happen to
Faults = Mapping[str, tuple[Fault, tuple[str, ...]]]


@dataclass
class StoreCase(Case):
    """``meets``: what its fault is there, and the operations that it is for."""

    proxy: FaultProxy = field(kw_only=True)
    api: Api = field(kw_only=True)
    meets: tuple[Fault, tuple[str, ...]] = field(kw_only=True)

    def is_mine(self, call: Call) -> bool:
        return self.api.place(call)[0] == self.pair.bucket

    def is_it(self, name: str, call: Call) -> bool:
        if not self.is_mine(call) or self.api.operation(call) != name:
            return False
        given_up = self.rules.get(self.api.gives_up)
        if name == self.api.piece and given_up is not None and given_up.hits:
            return self.rules[name].hits < TIMES
        return True

    def arm(self, operations: tuple[str, ...]) -> None:
        fault, possible = self.meets
        times: dict[str, int | None] = {name: TIMES for name in sorted(set(operations) & set(possible))}
        if self.api.gives_up in times:
            times[self.api.piece] = None  # until it has been tried
        arm(self.proxy, self, fault, times, StoreCase.is_it)

    def of(self, calls: list[Call], operations: tuple[str, ...]) -> list[Call]:
        """The calls about this bucket, of these operations."""
        return [call for call in calls if self.is_mine(call) and self.api.operation(call) in operations]


@dataclass
class Attacked(Matrix):
    """What became of it all."""

    cases: Mapping[str, StoreCase]
    asked: list[Call] = field(default_factory=list)  # by the first run
    changed: list[Call] = field(default_factory=list)  # while writes failed
    compared: list[Call] = field(default_factory=list)  # the same of a comparison, while reads failed
    descriptors: tuple[int, int] = (0, 0)  # open before and after

    @property
    def proxies(self) -> list[FaultProxy]:
        return list(dict.fromkeys(case.proxy for case in self.cases.values()))

    def arm(self, *, compared: bool) -> None:
        for case in self.cases.values():
            case.arm(case.api.compared if compared else case.api.asked)
        for proxy in {case.proxy for case in self.cases.values() if case.api is S3}:
            # moto says of every upload that it is as old as moto itself
            proxy.when(has_just_begun, where=lambda call: S3.operation(call) == "ListMultipartUploads")

    def calls(self) -> list[Call]:
        return sorted((call for proxy in self.proxies for call in proxy.calls()), key=lambda call: call.at)

    def heal(self) -> None:
        for proxy in self.proxies:
            proxy.heal()


def has_just_begun(exchange: Exchange) -> None:
    """A listing of uploads, all of which are told to be of this moment."""
    exchange.pass_on()
    assert exchange.answer is not None
    now = time.strftime("<Initiated>%Y-%m-%dT%H:%M:%S.000Z</Initiated>", time.gmtime()).encode()
    exchange.answer.body = re.sub(rb"<Initiated>[^<]{24}</Initiated>", now, exchange.answer.body)
    exchange.reply()


def make_impatient(daemon: SyncDaemon, **values: Any) -> None:
    daemon.alter(
        limits={"min_part": 1, "max_copy": 1500},
        retries={"attempts": 2, "base": 0.1},
        values={
            "s3_sync.runtime.logs:LIBRARIES": [],
            "s3_sync.sync.rows.bulk_deletes:MIN_BULK_DELETES": len(GONE),
            "s3_sync.providers.wrappers.adaptive_throttle:RECOVERY": 0.5,
            "s3_sync.providers.wrappers.adaptive_throttle:MIN_RATE": 1000.0,
            # large objects are sessions of several requests
            "s3_sync.providers.gcs.writes:MAX_AT_ONCE": 1500,
            "s3_sync.providers.gcs.resumable:CHUNK_SIZE": 1024,
            "s3_sync.providers.gcs.resumable:_ATTEMPTS": 1,
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
    matrix.arm(compared=False)
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
    matrix.arm(compared=True)
    matrix.start()
    matrix.settle()
    wait_until(lambda: not matrix.left_behind(), 60, "the end of all uploads")
    matrix.stop()
    matrix.compared = matrix.calls()[since:]
    matrix.heal()


class StoreFaultTests:
    """For each ``fault``, which is a key of the cases."""

    def test_fault_leaves_both_sides_equal(self, matrix: Attacked, fault: str) -> None:
        matrix.cases[fault].check()

    def test_fault_occurs_in_each_operation_it_applies_to(self, matrix: Attacked, fault: str) -> None:
        case = matrix.cases[fault]
        missed = [name for name, rule in case.rules.items() if not rule.hits]
        assert missed == [], f"not asked: {missed}"
        assert case.rules.keys() == set(case.meets[1])

    def test_fault_leaves_no_upload_open(self, matrix: Attacked, fault: str) -> None:
        """Uploads that were not aborted, or created without an answer, are gone after the next start; those
        that nobody can list end by themselves."""
        case = matrix.cases[fault]
        met = sum(rule.hits for name, rule in case.rules.items() if name in case.api.forgets)
        assert len(case.large.open_uploads()) <= met

    def test_fault_causes_at_most_one_repeated_transfer_for_each_hit(
        self, matrix: Attacked, fault: str
    ) -> None:
        case = matrix.cases[fault]
        api = case.api
        taken = Counter(
            (api.operation(call), api.place(call), api.part(call))
            for call in case.of(matrix.changed, api.sends)
            if is_taken(call)
        )
        repeats: dict[object, list[int]] = {}
        for transfer, count in taken.items():
            repeats.setdefault(transfer[:2] if api.is_session else transfer, []).append(count - 1)
        again = sum(max(counts) for counts in repeats.values())
        met = sum(rule.hits for name, rule in case.rules.items() if name in api.writes)
        assert again <= met, f"{again} again, {met} faults: {taken}"

    def test_comparison_with_failing_reads_sends_no_object(self, matrix: Attacked, fault: str) -> None:
        case = matrix.cases[fault]
        api = case.api
        changing = tuple(name for name in api.writes if name != api.gives_up)
        # whether conditions hold is tried at each start, with a key that is nobody's
        sent = [api.place(call)[1] for call in case.of(matrix.compared, changing)]
        sent = [key for key in sent if key in case.possible_keys()]
        # a manifest that was not read as it is cannot be known to be there
        manifests = 2 if case.fault in ("answer garbled", "answer shorter") else 0
        assert len([key for key in sent if "/.manifests/" in key]) <= manifests
        assert [key for key in sent if "/.manifests/" not in key] == []

    def test_counters_equal_rows_settled_and_writes_accepted(self, matrix: Attacked, fault: str) -> None:
        """Each row was settled once, and the store has accepted each transfer that is counted."""
        case = matrix.cases[fault]
        api = case.api
        matrix.check_counters(case, FILLED + CHANGED, ROWS)
        first, second = (run[case.label] for run in matrix.runs)
        done = Counter(api.operation(call) for call in case.of(matrix.asked, api.writes) if is_taken(call))
        assert first["copied"] <= sum(done[name] for name in api.makes)
        assert first["updated"] <= sum(done[name] for name in api.updates)
        assert first["deleted"] <= len(GONE)
        assert second["copied"] == second["deleted"] == 0


def is_taken(call: Call) -> bool:
    """Whether the store did what it was asked, or has kept a chunk of an upload session."""
    return call.status // 100 == 2 or call.status == 308


def check_connections(matrix: Attacked) -> None:
    """None is open but those kept for reuse: one for each worker, to each store and to the object server."""
    before, after = matrix.descriptors
    assert after <= before + 2 * len(matrix.proxies) * WORKERS
    matrix.check_connections()


def check_no_temporary_file(matrix: Attacked) -> None:
    account = next(iter(matrix.cases.values())).pair.swift.account
    status = matrix.daemon.status_dir
    expected = {Path(account) / case.pair.container for case in matrix.cases.values()}
    found = {path.relative_to(status) for path in status.rglob("*") if path.is_file()}
    left = {path for path in found - expected if not path.name.startswith(".journal.sqlite")}
    assert left == {Path(".lock"), Path("swift-s3-sync-0.recon")}


def check_log(matrix: Attacked) -> None:
    log = matrix.daemon.log_text()
    assert "Traceback" not in log
    assert "internal_error" not in log
