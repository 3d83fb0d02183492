"""The journal forgets nothing, and lets nothing stand in for something newer."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3_sync.runtime.backoff import exponential
from s3_sync.state.journal import (
    PRIMARY,
    QUARANTINE,
    RETRY,
    VERIFY,
    Counts,
    DueRange,
    Journal,
    Settlement,
)
from unit.state.entries import M, failed, failure, minutes, names, settled, stamp


class TestEntries:
    def test_failure_is_kept_with_its_attempts_and_next_try(self, journal: Journal) -> None:
        entry = failure("ü/x", 5, deleted=True, policy=3, data_timestamp=stamp(4), detail="why")
        journal.settle(M, failed(entry), 100.0)
        kept = replace(entry, attempts=1, first_failure=100.0, last_failure=100.0, next_try=160.0)
        assert journal.unsettled(M) == [kept]
        journal.settle(M, failed(replace(entry, reason="bad_digest")), 200.0)
        again = replace(kept, reason="bad_digest", attempts=2, last_failure=200.0, next_try=320.0)
        assert journal.unsettled(M) == [again]

    def test_settle_removes_only_the_failure_of_that_name(self, journal: Journal) -> None:
        journal.settle(M, failed(failure("a"), failure("b")), 0.0)
        assert journal.has(M, "a")
        journal.settle(M, settled("a"), 1.0)
        assert names(journal) == ["b"]
        assert (journal.has(M, "a"), journal.has(M, "b")) == (False, True)

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
        assert journal.has(M, "a")

    def test_settle_for_one_mapping_keeps_the_failure_of_another(self, journal: Journal) -> None:
        journal.settle("one", failed(failure("a")), 0.0)
        journal.settle("two", failed(failure("a")), 0.0)
        journal.settle("one", settled("a"), 1.0)
        assert (names(journal, "one"), names(journal, "two")) == ([], ["a"])

    def test_unsettled_in_pages_gives_every_name_in_order_of_bytes(self, journal: Journal) -> None:
        every = sorted(["a", "b/c", "é", "z", "😀", "a\x01", "  "], key=str.encode)
        journal.settle(M, failed(*(failure(name) for name in every)), 0.0)
        found: list[str] = []
        while page := journal.unsettled(M, limit=2, after=found[-1] if found else ""):
            assert len(page) <= 2
            found += [entry.name for entry in page]
        assert found == every


class TestRetries:
    def test_due_objects_come_longest_waiting_first(self, journal: Journal) -> None:
        for now, name in ((30.0, "late"), (10.0, "early"), (20.0, "middle")):
            journal.settle(M, failed(failure(name)), now)
        assert journal.due_objects(M, 69.9, 10) == []
        assert [entry.name for entry in journal.due_objects(M, 80.0, 10)] == ["early", "middle"]
        assert [entry.name for entry in journal.due_objects(M, 90.0, 2)] == ["early", "middle"]
        assert journal.due_objects("other", 1e9, 10) == []

    def test_quarantined_object_is_never_due(self, journal: Journal) -> None:
        journal.settle(M, failed(failure("a", state=QUARANTINE), failure("b")), 0.0)
        assert [entry.name for entry in journal.due_objects(M, float("inf"), 10)] == ["b"]

    def test_retry_now_makes_failures_of_the_given_reasons_due(self, journal: Journal) -> None:
        journal.settle(
            M,
            failed(failure("down"), failure("bad", reason="bad_digest"), failure("stuck", state=QUARANTINE)),
            0.0,
        )
        journal.retry_now(M, ["remote_unavailable", "remote_throttled"], 5.0)
        assert [entry.name for entry in journal.due_objects(M, 5.0, 10)] == ["down"]
        journal.retry_now("other", ["remote_unavailable"], 5.0)

    def test_retry_now_at_a_later_time_does_not_delay(self, journal: Journal) -> None:
        journal.settle(M, failed(failure("a")), 0.0)
        journal.retry_now(M, ["remote_unavailable"], 500.0)
        assert journal.due_objects(M, 60.0, 10) != []

    def test_postponed_object_is_due_from_its_new_time_on(self, journal: Journal) -> None:
        journal.settle(M, failed(failure("a"), failure("b")), 0.0)
        journal.settle(M, Settlement(postponed=[("a", 500.0), ("b", 1.0), ("unknown", 500.0)]), 61.0)
        assert [entry.name for entry in journal.due_objects(M, 100.0, 10)] == ["b"]
        assert [entry.name for entry in journal.due_objects(M, 500.0, 10)] == ["b", "a"]
        assert names(journal) == ["a", "b"]

    def test_counts_are_of_one_mapping_and_by_state(self, journal: Journal) -> None:
        assert journal.counts(M) == Counts(0, 0, 0, None)
        journal.settle(M, failed(failure("a", size=5)), 10.0)
        journal.settle(M, failed(failure("b", size=7, state=QUARANTINE), failure("c", size=1)), 20.0)
        journal.settle("other", failed(failure("d")), 1.0)
        assert journal.counts(M) == Counts(2, 1, 13, 10.0)


class TestBackoff:
    @given(st.integers(1, 10**6), st.floats(0, 1))
    @settings(deadline=None)
    def test_exponential_grows_up_to_its_ceiling(self, attempts: int, chance: float) -> None:
        pause = exponential(30.0, 3600.0, lambda: chance)(attempts)
        nominal = min(3600.0, 30.0 * 2.0 ** min(attempts - 1, 30))
        assert pause == pytest.approx(nominal * (0.8 + 0.4 * chance))

    def test_exponential_of_one_attempt_varies_at_random(self) -> None:
        pause = exponential(30.0, 3600.0)
        assert len({pause(3) for _ in range(20)}) > 10


class TestRangesAndWindows:
    def test_due_ranges_of_one_database_come_in_order_of_time(self, journal: Journal) -> None:
        assert journal.next_range(M, "db") is None
        one, two = DueRange("db", PRIMARY, 1, 50, 100.0), DueRange("db", VERIFY, 1, 60, 90.0)
        other = DueRange("other", PRIMARY, 1, 5, 1.0)
        journal.settle(M, Settlement(later=[one, two, other]), 0.0)
        assert journal.next_range(M, "db") == 90.0
        assert journal.due_ranges(M, "db", 89.0) == []
        assert journal.due_ranges(M, "db", 95.0) == [two]
        assert journal.due_ranges(M, "db", 100.0) == [two, one]
        assert journal.due_ranges("other mapping", "db", 1e9) == []

    def test_range_that_was_looked_at_is_replaced_by_its_rest(self, journal: Journal) -> None:
        one = DueRange("db", PRIMARY, 1, 50, 100.0)
        journal.settle(M, Settlement(later=[one]), 0.0)
        rest = replace(one, last_row=20, due=200.0)
        journal.settle(M, Settlement(looked_at=[one], later=[rest]), 100.0)
        assert journal.due_ranges(M, "db", 1e9) == [rest]
        journal.settle(M, Settlement(looked_at=[rest]), 200.0)
        assert journal.next_range(M, "db") is None

    def test_a_shorter_range_never_hides_a_longer_one(self, journal: Journal) -> None:
        """Rows may be read again in other batches, after a crash or with another limit."""
        long, short = DueRange("db", PRIMARY, 1, 50, 100.0), DueRange("db", PRIMARY, 1, 5, 90.0)
        journal.settle(M, Settlement(later=[long]), 0.0)
        journal.settle(M, Settlement(later=[short]), 0.0)
        covered = {
            row
            for each in journal.due_ranges(M, "db", 1e9)
            for row in range(each.first_row, each.last_row + 1)
        }
        assert covered == set(range(1, 51))

    def test_window_is_the_last_one_opened_for_mapping_and_database(self, journal: Journal) -> None:
        assert journal.window(M, "db") == 0
        journal.open_window(M, "db", 10)
        journal.open_window(M, "other", 20)
        journal.open_window("other", "db", 30)
        assert journal.window(M, "db") == 10
        journal.open_window(M, "db", 15)
        assert journal.window(M, "db") == 15

    def test_reset_forgets_failures_ranges_and_window_of_one_mapping(self, journal: Journal) -> None:
        for mapping in (M, "other"):
            journal.settle(
                mapping,
                Settlement([failure("a", state=QUARANTINE)], later=[DueRange("db", PRIMARY, 1, 2, 3.0)]),
                0.0,
            )
            journal.open_window(mapping, "db", 5)
        journal.reset(M)
        assert (names(journal), journal.window(M, "db"), journal.next_range(M, "db")) == ([], 0, None)
        assert not journal.has(M, "a")
        assert (names(journal, "other"), journal.window("other", "db")) == (["a"], 5)
        journal.settle(M, failed(failure("a")), 1.0)
        assert journal.unsettled(M)[0].attempts == 1


class TestReopenedJournal:
    def test_reopened_journal_has_its_identity_entries_and_ranges(self, path: str, journal: Journal) -> None:
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

    def test_another_journal_has_an_identity_of_its_own(self, path: str, journal: Journal) -> None:
        other = Journal(f"{path}2", minutes)
        assert len({journal.uuid, other.uuid}) == 2
        other.close()

    def test_files_are_readable_by_their_owner_only(self, path: str, journal: Journal) -> None:
        journal.open_window(M, "db", 7)
        assert {os.stat(f"{path}{each}").st_mode & 0o777 for each in ("", "-wal")} == {0o600}


def test_settle_in_several_threads_loses_nothing(journal: Journal) -> None:
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


def test_first_failures_of_two_threads_at_once_can_be_settled(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, others = journal._all, [failed(failure("other"))]

    def meanwhile(query: str, *values: object) -> list[tuple[Any, ...]]:
        found = read(query, *values)
        if others:
            journal.settle(M, others.pop(), 0.0)
        return found

    monkeypatch.setattr(journal, "_all", meanwhile)
    journal.settle(M, failed(failure("one")), 0.0)
    for name in ("one", "other"):
        journal.settle(M, settled(name), 1.0)
    assert names(journal) == []
