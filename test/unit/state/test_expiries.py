"""What the journal keeps about stored copies that expire."""

from __future__ import annotations

from dataclasses import replace

import pytest

from s3_sync.errors import ObjectLocked
from s3_sync.state.expiries import Entry, Expiries, Expiry
from s3_sync.state.journal import Journal
from unit.state.entries import M, failed, failure, stamp

OLD = Expiry("o", 100, stamp(1), stamp(1))
NEW = Expiry("o", 200, stamp(2), stamp(2))


@pytest.fixture
def expiries(journal: Journal) -> Expiries:
    return journal.expiries


def due(expiries: Expiries, delete_at: float, next_try: float = 0.0) -> list[Expiry]:
    return [entry.expiry for entry in expiries.due(M, delete_at, next_try, 10)]


def test_due_gives_expired_copies_in_order_of_delete_at(expiries: Expiries) -> None:
    other = replace(OLD, name="a", delete_at=150)
    for expiry in (other, OLD, replace(NEW, name="later")):
        expiries.note(M, expiry)
    expiries.note("another", OLD)
    assert due(expiries, 99) == []
    assert due(expiries, 150) == [OLD, other]
    assert expiries.due(M, 150, 0.0, 1) == [Entry(OLD)]


def test_clock_set_back_makes_a_postponed_expiry_due(journal: Journal, expiries: Expiries) -> None:
    expiries.note(M, OLD)
    expiries.settle(M, [], [Entry(OLD, 1, 9000.0, "reason", "detail")])
    assert due(expiries, 300, 500.0) == []
    journal.clock_set_back(M, 500.0)
    assert due(expiries, 300, 500.0) == [OLD]


def test_settle_of_older_version_keeps_the_newer_expiry(expiries: Expiries) -> None:
    expiries.note(M, OLD)
    expiries.note(M, NEW)
    assert due(expiries, 300) == [NEW]
    expiries.settle(M, [OLD], [Entry(OLD, 1, 1000.0, "reason", "detail")])
    assert expiries.entries(M) == [Entry(NEW)]
    expiries.settle(M, [NEW])
    assert expiries.entries(M) == []


def test_locked_copy_is_due_again_after_a_day(expiries: Expiries) -> None:
    entry = expiries.failed(Entry(OLD), 1000.0, ObjectLocked.reason, "WORM")
    assert entry.next_try == 1000.0 + 86400.0


def test_failed_expiry_is_due_after_a_growing_backoff(expiries: Expiries) -> None:
    expiries.note(M, OLD)
    once = expiries.failed(Entry(OLD), 1000.0, "reason", "detail")
    assert once == Entry(OLD, 1, 1060.0, "reason", "detail")
    expiries.settle(M, [], [once])
    assert expiries.entries(M) == [once]
    assert (due(expiries, 100, 1059.0), due(expiries, 100, 1060.0)) == ([], [OLD])
    expiries.settle(M, [], [expiries.failed(once, 2000.0, "other", "more")])
    assert expiries.entries(M) == [Entry(OLD, 2, 2120.0, "other", "more")]
    assert (expiries.failing(M), expiries.failing("another")) == (1, 0)
    expiries.settle(M, [], [Entry(OLD, next_try=3000.0)])
    assert (expiries.failing(M), due(expiries, 100, 2999.0)) == (0, [])


def test_entries_in_pages_come_in_order_of_name(expiries: Expiries) -> None:
    for name in "cab":
        expiries.note(M, replace(OLD, name=name))
    assert [entry.expiry.name for entry in expiries.entries(M, 2)] == ["a", "b"]
    assert [entry.expiry.name for entry in expiries.entries(M, 2, after="b")] == ["c"]


def test_reset_of_the_journal_keeps_expiries(journal: Journal, expiries: Expiries) -> None:
    journal.settle(M, failed(failure("o")), 0.0)
    expiries.note(M, OLD)
    journal.reset(M)
    assert journal.unsettled(M) == []
    assert due(expiries, 100) == [OLD]
