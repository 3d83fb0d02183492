"""Large objects that wait for their lane are in the journal beside failures, and are not counted as such."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from s3_sync.state.journal import QUARANTINE, RETRY, WAITING, Counts, Journal, Settlement, Unsettled
from s3_sync.state.journal_view import JournalView
from unit.state.entries import M, failed, failure, minutes, settled, stamp


def waits(*entries: Unsettled) -> Settlement:
    return Settlement(deferred=list(entries))


def states(journal: Journal) -> dict[str, str]:
    return {entry.name: entry.state for entry in journal.unsettled(M)}


def test_waiting_objects_are_due_in_the_order_they_came(journal: Journal) -> None:
    journal.settle(M, waits(failure("b")), 1.0)
    journal.settle(M, waits(failure("a")), 2.0)
    journal.settle(M, failed(failure("c")), 3.0)
    assert [entry.name for entry in journal.due_objects(M, 9.0, 10, WAITING)] == ["b", "a"]
    assert journal.due_objects(M, 9.0, 10) == []
    assert (journal.waiting(M), journal.waiting("another")) == (2, 0)
    assert journal.has(M, "a")


def test_waiting_objects_are_counted_apart_from_failures(journal: Journal, tmp_path: Path) -> None:
    journal.settle(M, waits(failure("a"), failure("b")), 1.0)
    journal.settle(M, failed(failure("c"), replace(failure("d"), state=QUARANTINE)), 3.0)
    size = failure("a").size
    assert journal.counts(M) == Counts(1, 1, 4 * size, 1.0, 2)
    troubles = JournalView(str(tmp_path / "journal")).failure_counts(M)
    assert (troubles.waiting, troubles.waiting_size) == (2, 2 * size)
    assert (troubles.retrying, sum(troubles.reasons.values())) == (1, 2)


def test_waiting_object_keeps_the_attempts_of_its_failures(journal: Journal) -> None:
    journal.settle(M, failed(failure("a")), 1.0)
    journal.settle(M, waits(failure("a")), 100.0)
    (entry,) = journal.unsettled(M)
    assert (entry.state, entry.attempts, entry.first_failure, entry.next_try) == (WAITING, 1, 1.0, 100.0)
    journal.settle(M, failed(failure("a")), 200.0)
    (entry,) = journal.unsettled(M)
    assert (entry.state, entry.attempts, entry.next_try) == (RETRY, 2, 320.0)


def test_settle_removes_the_waiting_object(journal: Journal) -> None:
    journal.settle(M, waits(failure("a", 5)), 1.0)
    journal.settle(M, settled("a", 5), 2.0)
    assert states(journal) == {}


def test_newer_waiting_version_stays_if_an_older_one_settles_or_fails(journal: Journal) -> None:
    journal.settle(M, waits(failure("a", 5), failure("b", 5)), 1.0)
    journal.settle(M, waits(failure("a", 6), failure("b", 6, deleted=True)), 2.0)
    done = Settlement(settled=[("a", stamp(5))], failures=[failure("b", 5)])
    journal.settle(M, done, 3.0)
    assert states(journal) == {"a": WAITING, "b": WAITING}
    b = journal.unsettled(M)[1]
    assert (b.deleted, b.timestamp, b.attempts, b.next_try) == (True, stamp(6), 1, 2.0)


def test_older_waiting_version_does_not_replace_a_newer_failure(journal: Journal) -> None:
    journal.settle(M, failed(failure("a", 6)), 1.0)
    journal.settle(M, waits(failure("a", 5)), 2.0)
    (entry,) = journal.unsettled(M)
    assert (entry.state, entry.timestamp) == (RETRY, stamp(6))


def test_waiting_object_is_there_in_a_reopened_journal(journal: Journal, tmp_path: Path) -> None:
    journal.settle(M, waits(failure("a")), 1.0)
    other = Journal(str(tmp_path / "journal"), minutes)
    assert (states(other), other.waiting(M)) == ({"a": WAITING}, 1)
    other.close()


def test_release_deletes_makes_a_held_waiting_delete_due(journal: Journal) -> None:
    journal.settle(M, waits(failure("a", 5, deleted=True)), 1.0)
    journal.settle(M, Settlement(postponed=[("a", float("inf"))]), 2.0)
    assert journal.due_objects(M, 10.0**9, 10, WAITING) == []
    journal.release_deletes(M, 3.0)
    assert [entry.name for entry in journal.due_objects(M, 3.0, 10, WAITING)] == ["a"]
