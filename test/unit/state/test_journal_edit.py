"""The operator changes a journal that a daemon has open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from s3_sync.errors import StateError
from s3_sync.state.expiries import Expiry
from s3_sync.state.journal import QUARANTINE, RETRY, WAITING, Journal, Settlement, Unsettled
from s3_sync.state.journal_edit import BATCH_SIZE, JournalEdit
from s3_sync.state.left_segments import LeftSegment

KEY = "AUTH_a/c#0123"


def failure(name: str, state: str = RETRY, timestamp: str = "0000000001.00000") -> Unsettled:
    return Unsettled(name, state, 0, False, timestamp, timestamp, 10, "remote_denied", "why")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = Journal(str(path), lambda attempts: 3600.0)
    yield journal
    journal.close()


def test_retry_and_forget_without_a_journal_change_nothing(path: Path) -> None:
    assert JournalEdit(str(path)).retry(KEY, ["a"], 1.0) == 0
    assert JournalEdit(str(path)).forget(KEY, [("a", "1")]) == 0
    assert not path.exists()


def test_retry_makes_the_named_failures_due_but_not_waiting_ones(journal: Journal, path: Path) -> None:
    names = [f"o{number:04}" for number in range(BATCH_SIZE + 5)]
    failures = [failure(name) for name in names]
    journal.settle(
        KEY, Settlement(failures=[*failures, failure("q", QUARANTINE), failure("w", WAITING)]), 50.0
    )
    journal.settle("other", Settlement(failures=failures), 50.0)
    assert journal.due_objects(KEY, 60.0, 10) == []
    assert JournalEdit(str(path)).retry(KEY, [*names[1:], "q", "w", "nobody"], 60.0) == len(names)
    due = {entry.name for entry in journal.due_objects(KEY, 60.0, 10_000)}
    assert due == {*names[1:], "q"}
    assert journal.due_objects("other", 60.0, 10) == []
    assert [entry.name for entry in journal.due_objects(KEY, 1e9, 10, WAITING)] == ["w"]


def test_retry_of_a_segment_that_could_not_be_deleted_makes_it_due(journal: Journal, path: Path) -> None:
    segments = [LeftSegment("b_segments", name, "0" * 32) for name in ("s/1", "s/2")]
    journal.left_segments.note(KEY, segments, 50.0)
    failed, in_use = journal.left_segments.due(KEY, 50.0, 2)
    later = [journal.left_segments.postponed(failed, 50.0, "remote_denied"), replace(in_use, due=99.0)]
    journal.left_segments.settle(KEY, [], later)
    assert JournalEdit(str(path)).retry(KEY, ["b_segments/s/1", "b_segments/s/2"], 60.0) == 1
    assert [each.segment for each in journal.left_segments.due(KEY, 60.0, 9)] == segments[:1]


def test_retry_in_a_journal_without_the_table_of_segments_works(journal: Journal, path: Path) -> None:
    journal.settle(KEY, Settlement(failures=[failure("a")]), 50.0)
    journal._db.execute("DROP TABLE left_segments")
    assert JournalEdit(str(path)).retry(KEY, ["a"], 60.0) == 1


def test_retry_of_a_failed_expiry_makes_it_due(journal: Journal, path: Path) -> None:
    journal.expiries.note(KEY, Expiry("x", 5, "1", "1"))
    [entry] = journal.expiries.due(KEY, 5.0, 50.0, 1)
    journal.expiries.settle(KEY, [], [journal.expiries.failed(entry, 50.0, "remote_denied", "no")])
    assert journal.expiries.due(KEY, 5.0, 60.0, 1) == []
    assert JournalEdit(str(path)).retry(KEY, ["x"], 60.0) == 1
    assert len(journal.expiries.due(KEY, 5.0, 60.0, 1)) == 1


def test_forget_removes_only_the_listed_versions(journal: Journal, path: Path) -> None:
    """The daemon's journal agrees at its next turn, and a later failure counts as a new one."""
    journal.settle(KEY, Settlement(failures=[failure("a"), failure("b"), failure("w", WAITING)]), 50.0)
    journal.settle(KEY, Settlement(failures=[failure("b", timestamp="0000000002.00000")]), 51.0)
    listed = [(name, "0000000001.00000") for name in "abw"]
    assert JournalEdit(str(path)).forget(KEY, listed) == 1
    assert [entry.name for entry in journal.unsettled(KEY)] == ["b", "w"]
    assert journal.has(KEY, "a")
    journal.due_objects(KEY, 1.0, 1)  # the daemon's next turn
    assert not journal.has(KEY, "a")
    assert journal.has(KEY, "b")
    journal.settle(KEY, Settlement(failures=[failure("a")]), 52.0)
    assert journal.has(KEY, "a")
    assert {entry.name for entry in journal.due_objects(KEY, 1e9, 10)} == {"a", "b"}


def test_retry_in_a_file_that_is_no_journal_raises_state_error(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StateError, match="cannot write the journal"):
        JournalEdit(str(path)).retry(KEY, ["a"], 1.0)
