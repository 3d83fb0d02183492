from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from s3_sync.state.migration_failures import MigrationFailure, MigrationFailures
from unit.state.entries import minutes
from unit.state.migrations import migration

KEY, OTHER = "AUTH_a/c#1", "AUTH_a/d#1"


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "failures")


@pytest.fixture
def failures(path: str) -> Iterator[MigrationFailures]:
    opened = MigrationFailures(path, minutes)
    yield opened
    opened.close()


def test_failure_is_recorded_with_its_reason(failures: MigrationFailures) -> None:
    made = failures.record(KEY, "a", "bad_digest", "not the digest", 1000.0, version="v1")
    assert made == MigrationFailure("a", "v1", "bad_digest", "not the digest", 1, 1000.0, 1000.0, 1060.0)
    assert failures.page(KEY) == [made]
    assert failures.names(KEY) == {"a"}
    assert failures.names(OTHER) == frozenset()


def test_repeated_failure_keeps_its_beginning_and_waits_longer(failures: MigrationFailures) -> None:
    failures.record(KEY, "a", "bad_digest", "first", 1000.0)
    made = failures.record(KEY, "a", "remote_unavailable", "second", 2000.0)
    assert made == MigrationFailure("a", "", "remote_unavailable", "second", 2, 1000.0, 2000.0, 2120.0)
    assert failures.page(KEY) == [made]


def test_failure_of_a_new_version_counts_from_one(failures: MigrationFailures) -> None:
    failures.record(KEY, "a", "bad_digest", "", 1000.0, "v1")
    made = failures.record(KEY, "a", "bad_digest", "", 2000.0, "v2")
    assert made
    assert (made.attempts, made.first_failed, made.next_try) == (1, 1000.0, 2060.0)


def test_settled_names_are_gone(failures: MigrationFailures) -> None:
    for name in "abc":
        failures.record(KEY, name, "bad_digest", "", 1000.0)
    failures.record(OTHER, "a", "bad_digest", "", 1000.0)
    failures.settle(KEY, ["a", "c", "unknown"])
    failures.settle("AUTH_a/e#1", ["a"])
    assert failures.names(KEY) == {"b"}
    assert [each.name for each in failures.page(KEY)] == ["b"]
    assert failures.names(OTHER) == {"a"}


def test_name_is_due_after_its_pause(failures: MigrationFailures) -> None:
    failures.record(KEY, "a", "bad_digest", "", 1000.0, "v1")
    assert not failures.is_due(KEY, "a", 1059.0, "v1")
    assert failures.is_due(KEY, "a", 1060.0, "v1")
    assert failures.due(KEY, 1059.0, 10) == []
    assert [each.name for each in failures.due(KEY, 1060.0, 10)] == ["a"]


def test_new_version_is_due_at_once(failures: MigrationFailures) -> None:
    failures.record(KEY, "a", "bad_digest", "", 1000.0, "v1")
    assert failures.is_due(KEY, "a", 1001.0, "v2")
    assert failures.is_due(KEY, "never failed", 1001.0)


def test_clock_that_was_set_back_makes_a_name_due(failures: MigrationFailures) -> None:
    failures.record(KEY, "a", "bad_digest", "", 1_000_000.0)
    assert failures.is_due(KEY, "a", 1000.0)
    assert [each.name for each in failures.due(KEY, 1000.0, 10)] == ["a"]


def test_archived_object_waits_for_an_hour_at_least(failures: MigrationFailures) -> None:
    made = failures.record(KEY, "a", "remote_archived", "", 1000.0)
    assert made
    assert made.next_try == 4600.0


def test_end_of_an_outage_makes_its_failures_due(failures: MigrationFailures) -> None:
    failures.record(KEY, "a", "remote_unavailable", "", 1000.0)
    failures.record(KEY, "b", "bad_digest", "", 1000.0)
    failures.retry_now(KEY, ["remote_unavailable"], 1001.0)
    assert [each.name for each in failures.due(KEY, 1001.0, 10)] == ["a"]


def test_failures_survive_a_restart(failures: MigrationFailures, path: str) -> None:
    failures.record(KEY, "a", "bad_digest", "", 1000.0)
    again = MigrationFailures(path, minutes)
    assert again.names(KEY) == {"a"}
    again.settle(KEY, ["a"])
    again.close()
    assert failures.page(KEY) == []
    assert failures.is_due(KEY, "a", 1001.0)


def test_damaged_file_is_set_aside(path: str) -> None:
    Path(path).write_bytes(b"no database" * 1000)
    opened = MigrationFailures(path, minutes)
    opened.record(KEY, "a", "bad_digest", "", 1000.0)
    assert opened.names(KEY) == {"a"}
    opened.close()
    assert os.path.exists(f"{path}.corrupted.1")


def test_failures_beyond_the_limit_are_not_kept(path: str, caplog: pytest.LogCaptureFixture) -> None:
    opened = MigrationFailures(path, minutes, limit=2)
    made = [opened.record(KEY, name, "bad_digest", "", 1000.0) for name in "aabc"]
    assert [each is not None for each in made] == [True, True, True, False]
    assert opened.is_due(KEY, "c", 1000.0)
    assert caplog.text.count("further ones are not listed") == 1
    opened.settle(KEY, ["a"])
    assert opened.record(KEY, "c", "bad_digest", "", 1000.0) is not None
    opened.close()


def test_pages_are_in_the_order_of_names(failures: MigrationFailures) -> None:
    for name in ("b", "", "a"):
        failures.record(KEY, name, "bad_digest", "", 1000.0)
    assert [each.name for each in failures.page(KEY, 2)] == ["", "a"]
    assert [each.name for each in failures.page(KEY, 2, "a")] == ["b"]


def test_prune_removes_migrations_that_are_gone(failures: MigrationFailures, tmp_path: Path) -> None:
    one = migration(tmp_path)
    every = migration(tmp_path, account="AUTH_all", aws_bucket="/*")
    kept = [each.journal_key for each in (one, every, every.of_container("c"))]
    gone = [KEY, one.journal_key + "0", "AUTH_all/c#1"]
    for key in (*kept, *gone):
        failures.record(key, "a", "bad_digest", "", 1000.0)
    failures.prune([one, every])
    assert [failures.names(key) for key in kept] == [{"a"}] * 3
    assert [failures.names(key) for key in gone] == [frozenset()] * 3
    assert failures.page(KEY) == []


def test_message_is_kept_in_part_and_can_always_be_written(failures: MigrationFailures) -> None:
    made = failures.record(KEY, "a", "bad_digest", "\ud800" + "x" * 10_000, 1000.0)
    assert made
    assert made.message == "\\ud800" + "x" * 499
    assert failures.record(KEY, "\ud800", "bad_digest", "", 1000.0) is None


def test_several_threads_record_and_settle(failures: MigrationFailures) -> None:
    def run(letter: str) -> None:
        for number in range(20):
            failures.record(KEY, f"{letter}{number}", "bad_digest", "", 1000.0)
        failures.settle(KEY, [f"{letter}{number}" for number in range(10)])

    threads = [threading.Thread(target=run, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failures.names(KEY)) == len(failures.page(KEY)) == 40
