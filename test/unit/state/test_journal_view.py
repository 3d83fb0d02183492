"""A journal, read beside its writer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from s3_sync.errors import StateError
from s3_sync.state.expiries import Expiry
from s3_sync.state.journal import PRIMARY, QUARANTINE, RETRY, DueRange, Journal, Settlement, Unsettled
from s3_sync.state.journal_view import FailureCounts, JournalView
from s3_sync.state.left_segments import LeftSegment

KEY = "AUTH_a/c#0123"


def failure(name: str, timestamp: str, state: str = RETRY, reason: str = "remote_denied") -> Unsettled:
    return Unsettled(name, state, 0, False, timestamp, timestamp, 10, reason, "why")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a?b#c%20"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = Journal(str(path), lambda attempts: 60.0)
    yield journal
    journal.close()


@pytest.fixture
def view(path: Path) -> Iterator[JournalView]:
    view = JournalView(str(path))
    yield view
    view.close()


def test_view_without_a_journal_is_empty_and_makes_no_file(view: JournalView, path: Path) -> None:
    assert (view.uuid, view.failure_counts(KEY), view.unsettled(KEY)) == ("", FailureCounts(), [])
    assert not path.exists()


def test_view_of_an_empty_file_is_empty(view: JournalView, path: Path) -> None:
    path.touch()
    assert (view.uuid, view.ranges(KEY, "db")) == ("", ())


def test_view_gives_counts_entries_and_ranges_of_one_mapping(journal: Journal, view: JournalView) -> None:
    assert view.uuid == journal.uuid
    failures = [failure("b", "0000000002.00000"), failure("a", "0000000001.00000")]
    failures.append(failure("q", "0000000000.00000", QUARANTINE, "too_large"))
    failures.append(replace(failure("d", "0000000003.00000"), deleted=True, size=0))
    later = [DueRange("db", PRIMARY, 5, 9, 100.0), DueRange("db", PRIMARY, 1, 2, 200.0)]
    journal.settle(KEY, Settlement(failures=failures, later=later), 1000.0)
    journal.settle("other", Settlement(failures=failures), 1000.0)
    for name in "xy":
        journal.expiries.note(KEY, Expiry(name, 5, "1", "1"))
    entry = journal.expiries.due(KEY, 5.0, 1000.0, 1)[0]
    journal.expiries.settle(KEY, [], [journal.expiries.failed(entry, 1000.0, "remote_denied", "no")])
    segments = [LeftSegment("b_segments", name, "0" * 32) for name in ("s/1", "s/2", "s/3")]
    journal.left_segments.note(KEY, segments, 5.0)
    first, second, _ = journal.left_segments.due(KEY, 5.0, 3)
    failed = journal.left_segments.postponed(first, 1000.0, "remote_denied", "not listed")
    journal.left_segments.settle(KEY, [], [failed, replace(second, due=9.0, attempts=1)])
    assert view.failed_segments(KEY) == [failed]
    assert view.failed_segments("other") == []
    assert view.failure_counts(KEY) == FailureCounts(
        retrying=3,
        quarantined=1,
        expiring=1,
        segments=1,
        retrying_size=20,
        oldest="0000000001.00000",
        oldest_delete="0000000003.00000",
        reasons={"remote_denied": 5, "too_large": 1},
    )
    assert view.names(KEY, RETRY) == {"a", "b", "d"}
    assert [entry.name for entry in view.unsettled(KEY)] == ["a", "b", "d", "q"]
    assert view.unsettled(KEY, after="a", limit=1) == journal.unsettled(KEY, after="a", limit=1)
    found = view.entry(KEY, "q")
    assert found is not None
    assert (found.state, found.attempts, found.next_try) == (QUARANTINE, 1, 1060.0)
    assert view.entry(KEY, "z") is None
    assert [(each.first_row, each.due) for each in view.ranges(KEY, "db")] == [(1, 200.0), (5, 100.0)]
    assert view.ranges(KEY, "another") == ()


def test_view_shows_what_was_written_after_its_first_read(journal: Journal, view: JournalView) -> None:
    assert view.failure_counts(KEY).retrying == 0
    journal.settle(KEY, Settlement(failures=[failure("a", "0000000001.00000")]), 1000.0)
    assert view.failure_counts(KEY).retrying == 1


def test_view_of_a_replaced_journal_reads_the_new_one(
    journal: Journal, view: JournalView, path: Path
) -> None:
    first = view.uuid
    journal.close()
    path.rename(path.with_name("aside"))
    other = Journal(str(path), lambda attempts: 60.0)
    assert view.uuid == other.uuid != first
    other.close()


def test_view_after_a_read_does_not_block_a_wal_checkpoint(journal: Journal, view: JournalView) -> None:
    """The journal can be written, and its -wal file truncated."""
    view.failure_counts(KEY)
    journal.settle(KEY, Settlement(failures=[failure("a", "0000000001.00000")]), 1000.0)
    busy, _, _ = journal._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert busy == 0


def test_view_of_a_damaged_journal_raises_state_error(view: JournalView, path: Path) -> None:
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StateError, match="cannot read the journal"):
        _ = view.uuid


def test_end_of_another_reader_loses_nothing_beside_view_and_writer(
    path: Path, journal: Journal, view: JournalView
) -> None:
    """The writer keeps its locks: a reader that ends is not the last one, and leaves the -wal file."""
    journal.settle(KEY, Settlement(failures=[failure("before", "1")]), 0.0)
    assert view.names(KEY, RETRY) == {"before"}
    query = "SELECT name FROM unsettled ORDER BY name"
    reader = f"import sqlite3; print(sqlite3.connect({str(path)!r}).execute({query!r}).fetchall())"

    def read_elsewhere() -> str:
        command = [sys.executable, "-c", reader]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert read_elsewhere() == "[('before',)]\n"
    journal.settle(KEY, Settlement(failures=[failure("after", "1")]), 0.0)
    assert read_elsewhere() == "[('after',), ('before',)]\n"
