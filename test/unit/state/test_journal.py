"""The journal forgets nothing, and lets nothing stand in for something newer."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3_sync.errors import StateError
from s3_sync.state.journal import (
    PRIMARY,
    QUARANTINE,
    RETRY,
    VERIFY,
    Counts,
    DueRange,
    Journal,
    Settlement,
    Unsettled,
    exponential,
)

M = "AUTH_a/c#fingerprint"


def minutes(attempts: int) -> float:
    return 60.0 * attempts


def stamp(number: int, offset: int = 0) -> str:
    return f"{number:010d}.00000" + (f"_{offset:016x}" if offset else "")


def failure(name: str, time: int = 1, **changed: Any) -> Unsettled:
    entry = Unsettled(name, RETRY, 0, False, stamp(time), stamp(time), 10, "remote_unavailable", "no answer")
    return replace(entry, **changed)


def failed(*entries: Unsettled) -> Settlement:
    return Settlement(failures=list(entries))


def settled(name: str, time: int = 1, offset: int = 0) -> Settlement:
    return Settlement(settled=[(name, stamp(time, offset))])


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "journal")


@pytest.fixture
def journal(path: str) -> Iterator[Journal]:
    opened = Journal(path, minutes)
    yield opened
    opened.close()


def names(journal: Journal, mapping: str = M) -> list[str]:
    return [entry.name for entry in journal.unsettled(mapping)]


class TestEntries:
    def test_what_is_kept_of_a_failure(self, journal: Journal) -> None:
        entry = failure("ü/x", 5, deleted=True, policy=3, data_timestamp=stamp(4), detail="why")
        journal.settle(M, failed(entry), 100.0)
        kept = replace(entry, attempts=1, first_failure=100.0, last_failure=100.0, next_try=160.0)
        assert journal.unsettled(M) == [kept]
        journal.settle(M, failed(replace(entry, reason="bad_digest")), 200.0)
        again = replace(kept, reason="bad_digest", attempts=2, last_failure=200.0, next_try=320.0)
        assert journal.unsettled(M) == [again]

    def test_settling_removes(self, journal: Journal) -> None:
        journal.settle(M, failed(failure("a"), failure("b")), 0.0)
        assert journal.holds(M, "a")
        journal.settle(M, settled("a"), 1.0)
        assert names(journal) == ["b"]
        assert (journal.holds(M, "a"), journal.holds(M, "b")) == (False, True)

    @pytest.mark.parametrize(
        ("time", "offset", "stays"), [(4, 0, True), (5, 0, False), (5, 1, False), (6, 0, False)]
    )
    def test_an_older_success_does_not_remove_a_newer_failure(
        self, journal: Journal, time: int, offset: int, stays: bool
    ) -> None:
        journal.settle(M, failed(failure("a", 5)), 0.0)
        journal.settle(M, settled("a", time, offset), 1.0)
        assert names(journal) == (["a"] if stays else [])

    def test_an_older_failure_does_not_replace_a_newer_one(self, journal: Journal) -> None:
        journal.settle(M, failed(failure("a", 5, deleted=True)), 0.0)
        journal.settle(M, failed(failure("a", 4, reason="other")), 100.0)
        [entry] = journal.unsettled(M)
        assert (entry.timestamp, entry.deleted, entry.reason) == (stamp(5), True, "remote_unavailable")
        assert (entry.attempts, entry.next_try) == (2, 100.0 + 120.0)
        journal.settle(M, settled("a", 4), 200.0)
        assert names(journal) == ["a"]

    def test_a_newer_failure_replaces_an_older_one_quarantine_included(self, journal: Journal) -> None:
        journal.settle(M, failed(failure("a", 4, state=QUARANTINE, reason="name_too_long")), 0.0)
        journal.settle(M, failed(failure("a", 5)), 100.0)
        [entry] = journal.unsettled(M)
        assert (entry.state, entry.timestamp, entry.first_failure) == (RETRY, stamp(5), 0.0)

    def test_failure_and_success_of_one_name_in_one_batch_is_a_failure(self, journal: Journal) -> None:
        """Two policies can have a row each for one name."""
        both = Settlement(failures=[failure("a", 5)], settled=[("a", stamp(6))])
        journal.settle(M, failed(failure("a", 3)), 0.0)
        journal.settle(M, both, 1.0)
        assert names(journal) == ["a"]
        assert journal.holds(M, "a")

    def test_mappings_keep_apart(self, journal: Journal) -> None:
        journal.settle("one", failed(failure("a")), 0.0)
        journal.settle("two", failed(failure("a")), 0.0)
        journal.settle("one", settled("a"), 1.0)
        assert (names(journal, "one"), names(journal, "two")) == ([], ["a"])

    def test_pages(self, journal: Journal) -> None:
        every = sorted(["a", "b/c", "é", "z", "😀", "a\x01", "  "], key=str.encode)
        journal.settle(M, failed(*(failure(name) for name in every)), 0.0)
        found: list[str] = []
        while page := journal.unsettled(M, limit=2, after=found[-1] if found else ""):
            assert len(page) <= 2
            found += [entry.name for entry in page]
        assert found == every


class TestRetries:
    def test_due_ones_longest_waiting_first(self, journal: Journal) -> None:
        for now, name in ((30.0, "late"), (10.0, "early"), (20.0, "middle")):
            journal.settle(M, failed(failure(name)), now)
        assert journal.due_objects(M, 69.9, 10) == []
        assert [entry.name for entry in journal.due_objects(M, 80.0, 10)] == ["early", "middle"]
        assert [entry.name for entry in journal.due_objects(M, 90.0, 2)] == ["early", "middle"]
        assert journal.due_objects("other", 1e9, 10) == []

    def test_quarantined_ones_are_not_retried(self, journal: Journal) -> None:
        journal.settle(M, failed(failure("a", state=QUARANTINE), failure("b")), 0.0)
        assert [entry.name for entry in journal.due_objects(M, float("inf"), 10)] == ["b"]

    def test_hasten(self, journal: Journal) -> None:
        journal.settle(
            M,
            failed(failure("down"), failure("bad", reason="bad_digest"), failure("stuck", state=QUARANTINE)),
            0.0,
        )
        journal.hasten(M, ["remote_unavailable", "remote_throttled"], 5.0)
        assert [entry.name for entry in journal.due_objects(M, 5.0, 10)] == ["down"]
        journal.hasten("other", ["remote_unavailable"], 5.0)

    def test_hasten_never_delays(self, journal: Journal) -> None:
        journal.settle(M, failed(failure("a")), 0.0)
        journal.hasten(M, ["remote_unavailable"], 500.0)
        assert journal.due_objects(M, 60.0, 10) != []

    def test_postponed_until_there_is_sense_in_it(self, journal: Journal) -> None:
        journal.settle(M, failed(failure("a"), failure("b")), 0.0)
        journal.settle(M, Settlement(postponed=[("a", 500.0), ("b", 1.0), ("unknown", 500.0)]), 61.0)
        assert [entry.name for entry in journal.due_objects(M, 100.0, 10)] == ["b"]
        assert [entry.name for entry in journal.due_objects(M, 500.0, 10)] == ["b", "a"]
        assert names(journal) == ["a", "b"]

    def test_counts(self, journal: Journal) -> None:
        assert journal.counts(M) == Counts(0, 0, 0, None)
        journal.settle(M, failed(failure("a", size=5)), 10.0)
        journal.settle(M, failed(failure("b", size=7, state=QUARANTINE), failure("c", size=1)), 20.0)
        journal.settle("other", failed(failure("d")), 1.0)
        assert journal.counts(M) == Counts(2, 1, 13, 10.0)


class TestBackoff:
    @given(st.integers(1, 10**6), st.floats(0, 1))
    @settings(deadline=None)
    def test_grows_to_its_ceiling(self, attempts: int, chance: float) -> None:
        pause = exponential(30.0, 3600.0, lambda: chance)(attempts)
        nominal = min(3600.0, 30.0 * 2.0 ** min(attempts - 1, 30))
        assert pause == pytest.approx(nominal * (0.8 + 0.4 * chance))

    def test_is_spread(self) -> None:
        pause = exponential(30.0, 3600.0)
        assert len({pause(3) for _ in range(20)}) > 10


class TestRangesAndWindows:
    def test_ranges(self, journal: Journal) -> None:
        assert journal.next_range(M, "db") is None
        one, two = DueRange("db", PRIMARY, 1, 50, 100.0), DueRange("db", VERIFY, 1, 60, 90.0)
        other = DueRange("other", PRIMARY, 1, 5, 1.0)
        journal.settle(M, Settlement(later=[one, two, other]), 0.0)
        assert journal.next_range(M, "db") == 90.0
        assert journal.due_ranges(M, "db", 89.0) == []
        assert journal.due_ranges(M, "db", 95.0) == [two]
        assert journal.due_ranges(M, "db", 100.0) == [two, one]
        assert journal.due_ranges("other mapping", "db", 1e9) == []

    def test_a_range_that_was_looked_at_gives_way_to_what_is_left_of_it(self, journal: Journal) -> None:
        one = DueRange("db", PRIMARY, 1, 50, 100.0)
        journal.settle(M, Settlement(later=[one]), 0.0)
        rest = replace(one, last_row=20, due=200.0)
        journal.settle(M, Settlement(looked_at=[one], later=[rest]), 100.0)
        assert journal.due_ranges(M, "db", 1e9) == [rest]
        journal.settle(M, Settlement(looked_at=[rest]), 200.0)
        assert journal.next_range(M, "db") is None

    def test_a_shorter_range_never_hides_a_longer_one(self, journal: Journal) -> None:
        """The same rows may be read again in other batches, after a crash or with another limit."""
        long, short = DueRange("db", PRIMARY, 1, 50, 100.0), DueRange("db", PRIMARY, 1, 5, 90.0)
        journal.settle(M, Settlement(later=[long]), 0.0)
        journal.settle(M, Settlement(later=[short]), 0.0)
        covered = {
            row
            for each in journal.due_ranges(M, "db", 1e9)
            for row in range(each.first_row, each.last_row + 1)
        }
        assert covered == set(range(1, 51))

    def test_windows(self, journal: Journal) -> None:
        assert journal.window(M, "db") == 0
        journal.open_window(M, "db", 10)
        journal.open_window(M, "other", 20)
        journal.open_window("other", "db", 30)
        assert journal.window(M, "db") == 10
        journal.open_window(M, "db", 15)
        assert journal.window(M, "db") == 15

    def test_reset(self, journal: Journal) -> None:
        for mapping in (M, "other"):
            journal.settle(
                mapping,
                Settlement([failure("a", state=QUARANTINE)], later=[DueRange("db", PRIMARY, 1, 2, 3.0)]),
                0.0,
            )
            journal.open_window(mapping, "db", 5)
        journal.reset(M)
        assert (names(journal), journal.window(M, "db"), journal.next_range(M, "db")) == ([], 0, None)
        assert not journal.holds(M, "a")
        assert (names(journal, "other"), journal.window("other", "db")) == (["a"], 5)
        journal.settle(M, failed(failure("a")), 1.0)
        assert journal.unsettled(M)[0].attempts == 1


class TestReopening:
    def test_everything_is_there_again(self, path: str, journal: Journal) -> None:
        journal.open_window(M, "db", 7)
        later = DueRange("db", PRIMARY, 1, 2, 3.0)
        journal.settle(M, Settlement([failure("a", 5)], later=[later]), 1.0)
        before = (journal.uuid, journal.unsettled(M))
        journal.close()
        again = Journal(path, minutes)
        assert (again.uuid, again.unsettled(M)) == before
        assert (again.window(M, "db"), again.due_ranges(M, "db", 9.0)) == (7, [later])
        again.settle(M, settled("a", 4), 2.0)  # what it keeps in memory is there again, too
        assert names(again) == ["a"]
        again.settle(M, settled("a", 5), 2.0)
        assert names(again) == []
        again.close()

    def test_every_journal_has_its_own_identity(self, path: str, journal: Journal) -> None:
        other = Journal(f"{path}2", minutes)
        assert len({journal.uuid, other.uuid}) == 2
        other.close()

    def test_only_the_owner_reads_it(self, path: str, journal: Journal) -> None:
        journal.open_window(M, "db", 7)
        assert {os.stat(f"{path}{each}").st_mode & 0o777 for each in ("", "-wal")} == {0o600}


class TestDamage:
    @pytest.mark.parametrize("how", ["not a database", "torn page", "torn header"])
    def test_set_aside_with_its_companions(self, path: str, how: str) -> None:
        journal = Journal(path, minutes)
        journal.settle(M, failed(*(failure(f"name{number}" * 20) for number in range(500))), 0.0)
        uuid = journal.uuid
        journal.close()
        journal = Journal(path, minutes)
        journal.settle(M, settled("name7" * 20), 0.0)
        wal = Path(f"{path}-wal").read_bytes()
        journal.close()
        content = bytearray(Path(path).read_bytes())
        if how == "torn page":
            content[8192:40960] = os.urandom(32768)
        elif how == "torn header":
            content[16:100] = os.urandom(84)
        else:
            content = bytearray(b"this is no database\n" * 1000)
        Path(path).write_bytes(content)
        Path(f"{path}-wal").write_bytes(wal)  # as after a crash: it belongs to the damaged file
        again = Journal(path, minutes)
        assert again.uuid != uuid
        assert names(again) == []
        assert Path(f"{path}.corrupted.1").read_bytes()[:8192] == bytes(content)[:8192]
        again.settle(M, failed(failure("a")), 0.0)
        again.close()
        assert names(Journal(path, minutes)) == ["a"]

    def test_what_follows_a_damaged_one_survives_a_crash(self, path: str) -> None:
        """Its commits are in a -wal file of the same name, which the damaged one's must not take along."""
        Path(path).write_bytes(b"this is no database\n" * 1000)
        again = Journal(path, minutes)
        again.settle(M, failed(failure("a")), 0.0)
        copy = Path(f"{path}-copy")
        for each in ("", "-wal"):
            Path(f"{copy}{each}").write_bytes(Path(f"{path}{each}").read_bytes())
        assert names(Journal(str(copy), minutes)) == ["a"]
        again.close()

    def test_no_place_for_it(self, tmp_path: Path) -> None:
        with pytest.raises(StateError, match="cannot open the journal"):
            Journal(str(tmp_path / "missing" / "journal"), minutes)
        (tmp_path / "directory").mkdir()
        with pytest.raises(StateError, match="cannot open the journal"):
            Journal(str(tmp_path / "directory"), minutes)
        assert sorted(os.listdir(tmp_path)) == ["directory"]

    def test_a_full_disk(self, path: str, journal: Journal) -> None:
        journal.settle(M, failed(failure("before")), 0.0)
        pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
        journal._db.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(StateError, match="full"):
            journal.settle(
                M,
                Settlement([failure(f"name{number}" * 50) for number in range(500)], [("before", stamp(9))]),
                0.0,
            )
        assert names(journal) == ["before"]
        assert journal.holds(M, "before")
        journal._db.execute("PRAGMA max_page_count = 100000")
        journal.settle(M, failed(failure("after")), 0.0)
        assert names(journal) == ["after", "before"]

    def test_errors_while_reading_are_ours_too(self, journal: Journal) -> None:
        journal.settle(M, failed(failure("a")), 0.0)
        journal.close()
        reads = [
            lambda: journal.window(M, "db"),
            lambda: journal.unsettled(M),
            lambda: journal.due_objects(M, 1e9, 1),
            lambda: journal.due_ranges(M, "db", 1e9),
            lambda: journal.next_range(M, "db"),
            lambda: journal.counts(M),
            lambda: journal.settle(M, settled("a"), 0.0),
            lambda: journal.open_window(M, "db", 1),
            lambda: journal.hasten(M, ["x"], 1.0),
            lambda: journal.reset(M),
        ]
        for act in reads:
            with pytest.raises(StateError):
                act()

    def test_locked_by_somebody_else(self, path: str, journal: Journal) -> None:
        journal._db.execute("PRAGMA busy_timeout = 10")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateError, match="locked"):
            journal.settle(M, failed(failure("a")), 0.0)
        assert not journal.holds(M, "a")
        other.execute("ROLLBACK")
        other.close()
        journal.settle(M, failed(failure("a")), 0.0)
        assert names(journal) == ["a"]


def test_threads_share_it(journal: Journal) -> None:
    def work(number: int) -> None:
        for step in range(20):
            journal.settle(M, failed(failure(f"{number}-{step}")), 0.0)
            journal.open_window(M, str(number), step)
            if step % 2:
                journal.settle(M, settled(f"{number}-{step}"), 0.0)
            journal.due_objects(M, 1e9, 5)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(journal) == sorted(f"{number}-{step}" for number in range(4) for step in range(0, 20, 2))


_WRITER = """
import sys
from s3_sync.state.journal import DueRange, Journal, PRIMARY, RETRY, Settlement, Unsettled
journal = Journal(sys.argv[1], lambda attempts: 1.0)
number = 0
while True:
    number += 1
    entries = [
        Unsettled(f"{number}-{each}", RETRY, 0, False, "1", "1", 1, "r", "d" * 200) for each in range(50)
    ]
    journal.open_window("m", "db", number)
    journal.settle("m", Settlement(entries, later=[DueRange("db", PRIMARY, number, number, 1.0)]), 1.0)
    print(number, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 7, 30])
def test_kill_9_in_the_middle(path: str, lines: int) -> None:
    """Whatever was reported as written is there; the batch in flight is there whole or not at all."""
    with subprocess.Popen([sys.executable, "-c", _WRITER, path], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for _ in range(lines):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        told = [lines, *(int(line) for line in child.stdout.read().split())][-1]
    journal = Journal(path, minutes)
    found = {entry.name for entry in journal.unsettled("m", limit=10**6)}
    done = len(found) // 50
    assert told <= done <= told + 1
    assert found == {f"{number}-{each}" for number in range(1, done + 1) for each in range(50)}
    assert len(journal.due_ranges("m", "db", 9.0)) == done
    assert done <= journal.window("m", "db") <= done + 1
    journal.close()
