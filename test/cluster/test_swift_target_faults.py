"""Every kind of request that the daemon sends to another Swift, with every fault that it can meet, in one
daemon and one container: each fault has names of its own, and meets the first requests of each kind for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

import pytest

from faults.matrix import Case, Matrix
from faults.proxy import (
    Call,
    Fault,
    FaultProxy,
    Rule,
    answers,
    cut_short,
    lost_answer,
    reset_after,
    reset_before,
    reset_within,
    stalls,
)
from servers.daemon import SyncDaemon
from servers.large import SegmentFile
from servers.process import wait_until
from servers.server import AnyServer
from servers.swift import SwiftCluster
from servers.swift_large import SwiftLarge

PATIENCE = 1.0  # seconds that the daemon waits for an answer
#: how often each kind fails: a request is repeated once, and then the object goes through the journal
TIMES = 2

WRITES = ("PUT", "PUT segment", "PUT manifest", "POST", "DELETE", "DELETE segment")
READS = ("HEAD", "HEAD segment", "GET manifest", "list")
FAULTS: dict[str, tuple[Fault, tuple[str, ...]]] = {
    "503": (answers(503, retry_after=0.1), READS + WRITES),
    "500": (answers(500), READS + WRITES),
    "reset before": (reset_before, READS + WRITES),
    "reset within": (reset_within, ("PUT", "PUT segment", "PUT manifest")),
    "reset after": (reset_after, READS + WRITES),
    "answer cut short": (cut_short, READS + WRITES),
    "answer lost": (lost_answer, READS + WRITES),
    "hang": (stalls(PATIENCE * 1.5), READS + WRITES),
    "hang after": (stalls(PATIENCE * 1.5, after=True), WRITES),
}
PLAIN, LARGE = ("meta", "new", "over"), ("slo meta", "slo new", "slo over")


@dataclass
class Names:
    """What one fault has in the container."""

    fault: str
    large: SwiftLarge
    segments: list[SegmentFile] = field(default_factory=list)

    def of(self, *names: str) -> list[str]:
        return [f"{self.fault}/{name}" for name in names]

    def segment(self, name: str, size: int) -> SegmentFile:
        return self.large.segment(f"{self.fault}/{name}", size)

    def fill(self) -> None:
        self.segments = [self.segment(str(number), 1000 + number) for number in range(3)]
        for name in self.of("over", "meta", "gone"):
            self.large.pair.put(name, b"1")
        for name in ("slo meta", "slo over", "slo gone"):
            self.large.put_slo(*self.of(name), [self.segments[0], self.segment(f"old {name}", 500)])

    def change(self) -> None:
        new, over, meta, gone, *larges = self.of("new", "over", "meta", "gone", *LARGE, "slo gone")
        pair = self.large.pair
        pair.put(new, b"new")
        pair.put(over, b"2", {"X-Object-Meta-Colour": "blue"})
        pair.post(meta, {"X-Object-Meta-Colour": "red"})
        pair.post(larges[0], {"X-Object-Meta-Colour": "green"})
        for name in larges[1:3]:
            self.large.put_slo(name, self.segments)
        for name in (gone, larges[3]):
            pair.delete(name)


@dataclass(kw_only=True)
class Attacked(Matrix):
    """``rules``: by fault and kind, of all runs. ``there``: names and segments at the other Swift."""

    large: SwiftLarge
    proxy: FaultProxy
    names: dict[str, Names]
    rules: dict[tuple[str, str], list[Rule]] = field(default_factory=dict)
    compared: list[Call] = field(default_factory=list)
    there: tuple[list[str], list[str]] = ([], [])

    def arm(self, kinds: tuple[str, ...]) -> None:
        for name, (fault, possible) in FAULTS.items():
            for kind in possible:
                if kind in kinds:
                    rule = self.proxy.when(fault, times=TIMES, where=partial(self.is_it, name, kind))
                    self.rules.setdefault((name, kind), []).append(rule)

    def run(self, kinds: tuple[str, ...] = ()) -> list[Call]:
        """Until everything has arrived, while requests of these kinds fail; what was asked."""
        seen = len(self.proxy.calls())
        self.arm(kinds)
        self.start()
        self.settle()
        left = "SELECT name FROM left_segments"
        wait_until(lambda: not self.daemon.journal_rows(left), 60, "the end of segments that nothing names")
        self.stop()
        self.proxy.heal()
        return self.proxy.calls(since=seen)

    def place(self, call: Call) -> tuple[str, str]:
        """The kind of a request, and the name that it concerns; empty: another one's."""
        container, _, name = call.path.removeprefix(f"/v1/{self.large.there.account}/").partition("/")
        if container == self.large.segments and name:
            return f"{call.method} segment", name
        if container != self.large.pair.bucket:
            return "", ""
        if "multipart-manifest" in call.query and call.method != "DELETE":
            return f"{call.method} manifest", name
        return (call.method if name else "list"), name

    def is_it(self, fault: str, kind: str, call: Call) -> bool:
        found, name = self.place(call)
        return found == kind and (kind == "list" or name.startswith(f"{fault}/"))


@pytest.fixture(scope="module")
def matrix(
    start_server: Callable[[AnyServer], AnyServer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Attacked]:
    swift = start_server(SwiftCluster())  # sweeps read whole accounts
    with ExitStack() as stack:
        proxy = stack.enter_context(FaultProxy.before(swift.s3_endpoint))
        large = SwiftLarge(swift, through=proxy.endpoint, read_timeout=PATIENCE)
        daemon = SyncDaemon(swift, tmp_path_factory.mktemp("matrix"), [large.pair.mapping], workers=16)
        stack.callback(daemon.stop)
        make_impatient(daemon)
        names = {fault: Names(fault, large) for fault in FAULTS}
        matrix = Attacked({"": Case("", large)}, daemon, large=large, proxy=proxy, names=names)
        for each in names.values():
            each.fill()
        matrix.run()
        for each in names.values():
            each.change()
        matrix.run(READS + WRITES)  # listings are those of sweeps
        (daemon.status_dir / large.pair.swift.account / large.pair.container).unlink()
        # fewer rows are compared without a listing after one has failed
        proxy.when(cut_short, times=TIMES, where=partial(matrix.is_it, "", "list"))
        matrix.compared = matrix.run(("HEAD", "GET manifest"))
        matrix.there = large.names(), large.names(large.segments)
        yield matrix


def make_impatient(daemon: SyncDaemon) -> None:
    daemon.alter(
        retries={"attempts": 2, "base": 0.1},
        values={
            "s3_sync.runtime.logs:LIBRARIES": [],
            "s3_sync.providers.wrappers.adaptive_throttle:RECOVERY": 0.5,
            "s3_sync.providers.wrappers.adaptive_throttle:MIN_RATE": 1000.0,
            "s3_sync.sync.rows.upload_ledger:LEFT_SEGMENT_PAUSE": 0.5,
            "s3_sync.sync.lifecycle.left_segments:IN_USE_PAUSE": 0.5,
            "s3_sync.sync.lifecycle.segment_sweep:SWEEP_INTERVAL": 0.2,
            "s3_sync.sync.lifecycle.segment_sweep:SWEEP_REST_FACTOR": 0.1,
        },
        pauses={
            "s3_sync.sync.app:_retry_pause": 0.3,
            "s3_sync.daemon.job_backoff:backoff_delay": 0.2,
        },
        in_use=str(daemon.directory / "in use"),
    )


@pytest.mark.parametrize("fault", FAULTS)
class TestFaultAtOtherSwift:
    def test_both_sides_are_equal_without_segments_left_behind(self, matrix: Attacked, fault: str) -> None:
        names, segments = ([name for name in each if name.startswith(f"{fault}/")] for each in matrix.there)
        mine = matrix.names[fault]
        assert names == mine.of(*PLAIN, *LARGE)
        for name in mine.of(*PLAIN):
            matrix.large.pair.check_object(name)
        matrix.large.check_there(*mine.of(*LARGE))
        assert segments == [*(each.name for each in mine.segments), *mine.of("old slo meta")]

    def test_fault_occurs_in_each_kind_of_request(self, matrix: Attacked, fault: str) -> None:
        met = {
            kind: {rule.hits for rule in rules} for (of, kind), rules in matrix.rules.items() if of == fault
        }
        assert met == dict.fromkeys(FAULTS[fault][1], {TIMES})

    def test_comparison_with_failing_reads_writes_nothing(self, matrix: Attacked, fault: str) -> None:
        assert "cut_short" in {call.fault for call in matrix.compared if matrix.place(call)[0] == "list"}
        asked = Counter(
            kind for kind, name in map(matrix.place, matrix.compared) if name.startswith(f"{fault}/")
        )
        assert [kind for kind in asked if kind in WRITES] == []


def test_all_faults_log_no_traceback_and_keep_no_connection(matrix: Attacked) -> None:
    log = matrix.daemon.log_text()
    assert "Traceback" not in log
    assert "internal_error" not in log
    assert set((matrix.daemon.directory / "in use").read_text().splitlines()) == {"own 0"}
