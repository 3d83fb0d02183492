from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from s3_sync.errors import StateError
from s3_sync.state.migration_failures import MigrationFailures
from s3_sync.state.migration_failures_view import MigrationFailuresView
from unit.state.entries import minutes

KEY, OTHER = "AUTH_a/c#1", "AUTH_a/d#1"


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "failures")


@pytest.fixture
def failures(path: str) -> Iterator[MigrationFailures]:
    opened = MigrationFailures(path, minutes)
    yield opened
    opened.close()


@pytest.fixture
def view(path: str) -> Iterator[MigrationFailuresView]:
    opened = MigrationFailuresView(path)
    yield opened
    opened.close()


def test_no_file_is_no_failures(view: MigrationFailuresView, path: str) -> None:
    assert (view.counts(), view.whole(), list(view.entries(KEY))) == ({}, {}, [])
    assert (view.entry(KEY, "a"), view.retry(KEY, ["a"]), view.forget(KEY, ["a"])) == (None, 0, 0)
    assert not Path(path).exists()


def test_failures_are_seen_while_they_are_recorded(
    view: MigrationFailuresView, failures: MigrationFailures
) -> None:
    assert view.counts() == {}
    for key, name, reason in ((KEY, "a", "x"), (KEY, "b", "x"), (KEY, "", "y"), (OTHER, "a", "x")):
        failures.record(key, name, reason, "why", 1000.0)
    assert view.counts() == {KEY: {"x": 2, "y": 1}, OTHER: {"x": 1}}
    assert [each.name for each in view.entries(KEY)] == ["", "a", "b"]
    assert list(view.whole()) == [KEY]
    assert view.entry(KEY, "a") == failures.page(KEY)[1]


def test_failure_to_retry_is_due_for_the_daemon(
    view: MigrationFailuresView, failures: MigrationFailures
) -> None:
    failures.record(KEY, "a", "x", "", 1000.0)
    assert view.retry(KEY, ["a", "unknown"]) == 1
    assert failures.is_due(KEY, "a", 1001.0)
    assert [each.name for each in failures.due(KEY, 1001.0, 10)] == ["a"]


def test_forgotten_failure_is_gone_and_may_come_back(
    view: MigrationFailuresView, failures: MigrationFailures
) -> None:
    failures.record(KEY, "a", "x", "", 1000.0)
    assert view.forget(KEY, ["a"]) == 1
    assert view.counts() == {}
    failures.record(KEY, "a", "x", "", 2000.0)
    assert [each.attempts for each in view.entries(KEY)] == [1]


def test_many_failures_are_listed_and_changed(
    view: MigrationFailuresView, failures: MigrationFailures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s3_sync.state.migration_failures_view._PAGE", 2)
    monkeypatch.setattr("s3_sync.state.migration_failures_view._BATCH_SIZE", 2)
    names = [str(number) for number in range(5)]
    for name in names:
        failures.record(KEY, name, "x", "", 1000.0)
    assert [each.name for each in view.entries(KEY)] == names
    assert view.retry(KEY, names) == 5


def test_another_file_is_a_state_error(path: str) -> None:
    Path(path).write_bytes(b"no database" * 1000)
    view = MigrationFailuresView(path)
    with pytest.raises(StateError):
        view.counts()
    with pytest.raises(StateError):
        view.retry(KEY, ["a"])
