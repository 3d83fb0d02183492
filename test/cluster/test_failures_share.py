"""A share whose calls fail in the ways of file systems, hangs, or goes away in the middle of a run."""

from __future__ import annotations

import fcntl
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from faults.matrix import CHANGED, FILLED, ROWS, Case, Matrix
from servers.daemon import NewDaemon, SyncDaemon
from servers.file_pair import FilePair
from servers.large import Large
from servers.process import wait_until
from servers.shared_directory import SharedDirectory
from servers.swift import SwiftCluster

#: error -> the reason that the journal has for it
ERRORS = {
    "ENOSPC": "quota_exceeded",
    "EDQUOT": "quota_exceeded",
    "EIO": "remote_unavailable",
    "EROFS": "remote_unavailable",
    "ESTALE": "remote_unavailable",
    "ENOTCONN": "remote_unavailable",
    "EACCES": "remote_denied",
}
FILE = "s3_sync.providers.file"
#: what fails while changes are copied, and while a comparison finds out what is there
CHANGING = {
    "open": f"{FILE}.share:Share.open_bucket",
    "write": f"{FILE}.files:write_all",
    "sync": f"{FILE}.files:os.fsync",
    "lock": f"{FILE}.site:Site.lock",
    "place": f"{FILE}.site:Site.place",
    "record": f"{FILE}.record:AttributeRecords.write",
    "remove": f"{FILE}.site:Site.remove",
    "begin an upload": f"{FILE}.uploads:write_small",
    "join": f"{FILE}.uploads:_append",
}
COMPARING = {
    "list": f"{FILE}.bucket:list_page",
    "read": f"{FILE}.files:os.pread",
}
#: how often each fails, where a call is repeated once
TIMES = 3


class Attacked(Matrix):
    """Each error has a container of its own. ``hits``: (call, error) -> how often it was met."""

    def __init__(self, cases: dict[str, Case], daemon: SyncDaemon) -> None:
        super().__init__(cases, daemon)
        self.hits: Counter[tuple[str, str]] = Counter()

    def alter(self, calls: dict[str, str]) -> None:
        """Nothing fails before ``arm``."""
        self._plans = {call: self.daemon.directory / f"{call}.plan" for call in calls}
        self.daemon.alter(
            fails={place: str(self._plans[call]) for call, place in calls.items()},
            retries={"attempts": 2, "base": 0.1},
            pauses={"s3_sync.sync.app:_retry_pause": 0.3, "s3_sync.daemon.job_backoff:backoff_delay": 0.2},
            # uploads that cannot be looked for are looked for again soon
            values={"s3_sync.sync.container_crawl:ORPHAN_CHECK_INTERVAL": 1.0},
        )

    def arm(self) -> None:
        faults = {case.pair.bucket: (error, TIMES) for error, case in self.cases.items()}
        for plan in self._plans.values():
            plan.write_text(json.dumps(faults))

    def heal(self) -> None:
        errors = {case.pair.bucket: error for error, case in self.cases.items()}
        for call, plan in self._plans.items():
            plan.unlink()
            hits = plan.with_suffix(".hits")
            for bucket in hits.read_text().split() if hits.exists() else ():
                self.hits[call, errors[bucket]] += 1
            hits.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def matrix(swift: SwiftCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    share = SharedDirectory()
    cases = {error: Case(error, Large(FilePair(swift, share))) for error in ERRORS}
    mappings = [case.pair.mapping for case in cases.values()]
    daemon = SyncDaemon(swift, tmp_path_factory.mktemp("share"), mappings, workers=8)
    matrix = Attacked(cases, daemon)
    try:
        matrix.alter(CHANGING)
        for case in cases.values():
            case.fill()
        matrix.start()
        matrix.settle()
        matrix.arm()
        for case in cases.values():
            case.change()
        matrix.settle()
        matrix.heal()
        matrix.stop()
        for case in cases.values():
            (daemon.status_dir / case.pair.swift.account / case.pair.container).unlink()
        matrix.let_a_day_pass()
        matrix.alter(COMPARING)
        matrix.arm()
        matrix.start()
        matrix.settle()
        wait_until(lambda: not matrix.left_behind(), 60, "the end of all uploads")
        matrix.heal()
        matrix.stop()
        yield matrix
    finally:
        daemon.stop()
        share.remove()


@pytest.mark.parametrize("error", ERRORS)
class TestErrorOfTheShare:
    def test_error_of_each_call_leaves_both_sides_equal_and_nothing_else(
        self, matrix: Attacked, error: str
    ) -> None:
        case = matrix.cases[error]
        case.check()
        assert isinstance(case.pair, FilePair)
        assert case.pair.open_uploads() == []
        assert case.pair.temporary_files() == []
        met = {call for call, each in matrix.hits if each == error}
        assert met == {*CHANGING, *COMPARING}

    def test_rows_are_settled_once_and_failures_have_the_reason_of_the_error(
        self, matrix: Attacked, error: str
    ) -> None:
        case = matrix.cases[error]
        matrix.check_counters(case, FILLED + CHANGED, ROWS)
        log = matrix.daemon.log_text()
        summaries = [line for line in log.splitlines() if f"{case.label}: scanned" in line]
        assert f"({ERRORS[error]} " in summaries[0]
        assert matrix.runs[1][case.label]["copied"] == 0


def test_errors_of_the_share_log_no_traceback(matrix: Attacked) -> None:
    log = matrix.daemon.log_text()
    assert "Traceback" not in log
    assert "internal_error" not in log


@pytest.fixture
def pair(swift: SwiftCluster, share: SharedDirectory) -> FilePair:
    return FilePair(swift, share, read_timeout=1.0)


def unmounted(pair: FilePair) -> Callable[[], None]:
    pair.share.unmount()

    def mount() -> None:
        assert list(pair.share.path.iterdir()) == [], "the mount point"
        pair.share.mount()

    return mount


def without_marker(pair: FilePair) -> Callable[[], None]:
    marker = pair.directory / "%swift-s3-sync.json"
    away = marker.rename(pair.share.path / "away")
    return lambda: (away.rename(marker), None)[1]


def locked(pair: FilePair) -> Callable[[], None]:
    """Calls that change something hang, as if another node held every lock."""
    stack = ExitStack()
    for number in range(256):
        lock = stack.enter_context((pair.directory / "%locks" / f"{number:02x}").open("w"))
        fcntl.flock(lock, fcntl.LOCK_EX)
    return stack.close


@pytest.mark.parametrize(
    ("break_it", "word"), [(unmounted, "not mounted"), (without_marker, "not mounted"), (locked, "no answer")]
)
def test_share_that_goes_away_is_an_outage_that_ends_with_its_return(
    pair: FilePair, new_daemon: NewDaemon, break_it: Callable[[FilePair], Callable[[], None]], word: str
) -> None:
    for name in ("over", "gone"):
        pair.put(name, b"1")
    daemon = new_daemon(pair, workers=2)
    daemon.alter(
        retries={"attempts": 2, "base": 0.1},
        pauses={"s3_sync.sync.app:_retry_pause": 0.3, "s3_sync.daemon.job_backoff:backoff_delay": 0.2},
    )
    daemon.start()
    wait_until(lambda: sorted(pair.arrived()) == ["gone", "over"], 30, "the first copies")
    mend = break_it(pair)
    pair.put("over", b"2")
    pair.delete("gone")
    for number in range(20):
        pair.put(f"new{number:02}")
    wait_until(lambda: "Failed to process" in daemon.log_text(), 30, "the pause")
    assert {reason for _, reason, _ in daemon.unsettled().values()} <= {"remote_unavailable"}
    mend()
    wait_until(lambda: len(pair.arrived()) == 21 and not daemon.unsettled(), 60, "recovery")
    daemon.stop()
    pair.check()
    assert pair.temporary_files() == []
    assert word in daemon.log_text()
    assert daemon.log_text().count("Failed to process") == 1


#: what each right permits
RIGHTS = {"write": CHANGING["place"], "delete": CHANGING["remove"], "list": COMPARING["list"]}


def test_permission_that_is_lost_concerns_its_own_calls_and_its_mapping_only(
    swift: SwiftCluster, share: SharedDirectory, new_daemon: NewDaemon, tmp_path: Path
) -> None:
    pairs = {right: FilePair(swift, share) for right in RIGHTS}
    plans = {right: tmp_path / f"{right}.plan" for right in RIGHTS}
    daemon = new_daemon(*pairs.values(), workers=2)
    daemon.alter(fails={place: str(plans[right]) for right, place in RIGHTS.items()})
    for right, pair in pairs.items():
        for number in range(3):
            pair.put(f"{right}-old{number}")
    assert daemon.once().returncode == 0, daemon.log_text()
    for right, pair in pairs.items():
        plans[right].write_text(json.dumps({pair.bucket: ("EACCES", 1000)}))
        pair.put(f"{right}-new0")
        pair.delete(f"{right}-old0")
        pair.put(f"{right}-new1")
    listed = pairs["list"]
    (daemon.status_dir / listed.swift.account / listed.container).unlink()  # all of it is compared
    assert daemon.once().returncode == 1
    found = daemon.unsettled()
    assert {reason for _, reason, _ in found.values()} == {"remote_denied"}
    assert {name for name in found if not name.startswith("write")} == {"delete-old0"}
    assert {name for name in found if name.startswith("write")} <= {"write-new0", "write-new1"}
    assert len(pairs["delete"].arrived()) == 5
    listed.check()
    for plan in plans.values():
        plan.unlink()
    daemon.ctl("failed", "--retry")
    assert daemon.once().returncode == 0, daemon.log_text()
    assert daemon.unsettled() == {}
    for pair in pairs.values():
        pair.check()
        assert pair.temporary_files() == []


def test_file_system_that_refuses_large_files_refuses_that_object_only(
    pair: FilePair, new_daemon: NewDaemon
) -> None:
    """The kernel says so, in the middle of a write."""
    pair.put("large", b"x" * 3_000_000)
    for number in range(5):
        pair.put(f"small{number}")
    daemon = new_daemon(pair, workers=2)
    daemon.alter(largest_file=1_500_000)
    assert daemon.once().returncode == 1
    assert {name: (state, reason) for name, (state, reason, _) in daemon.unsettled().items()} == {
        "large": ("retry", "remote_refused")
    }
    assert len(pair.arrived()) == 5
    assert pair.temporary_files() == []
    daemon.alter()
    daemon.ctl("failed", "--retry")
    assert daemon.once().returncode == 0
    pair.check()
