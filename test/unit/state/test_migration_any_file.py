"""Any content of a migrator's state files: it is read, or a StateError, and work goes on."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from s3_sync.config.settings import Mapping
from s3_sync.errors import StateError
from s3_sync.state.compare_record import CompareRecord, read_record, write_record
from s3_sync.state.migration_failures import MigrationFailures
from s3_sync.state.migration_failures_view import MigrationFailuresView
from s3_sync.state.migration_status import MigrationStatuses, PassCounts
from unit.state.entries import minutes
from unit.state.migrations import migration
from unit.state.test_migration_status import OLD
from unit.test_any_file import CHANGES, ODD, mutated


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests look at no disk after a crash."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@cache
def migrations() -> tuple[Mapping, Mapping]:
    """One of every bucket, and one of a single one."""
    with tempfile.TemporaryDirectory() as directory:
        return migration(Path(directory), aws_bucket="/*"), migration(Path(directory))


def use_status(path: Path) -> None:
    """What is written then can be read."""
    every, one = migrations()
    for each in (MigrationStatuses(str(path), observed=True), MigrationStatuses(str(path))):
        with contextlib.suppress(StateError):
            each.of(one)
            each.containers(every)
    statuses = MigrationStatuses(str(path), interval=0.0)
    statuses.save_pass(one, "m", PassCounts(scanned=1), is_reset=False, ended=True)
    statuses.save_pass(one, "n", PassCounts(scanned=1), is_reset=True)
    statuses.expect(one, 1, 1)
    statuses.prune([every])
    assert MigrationStatuses(str(path)).of(one).marker == "n"


@pytest.mark.parametrize("value", ODD, ids=[f"{value!r:.20}" for value in ODD])
def test_status_file_with_an_odd_value_is_used(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "status.json"
    status = {
        **OLD["status"],
        "started": 1.0,
        "copied_count": 1,
        "last_pass": 1.0,
        "total_count": 1,
        "source": "x",
    }
    entries = [{**OLD, key: value} for key in OLD]
    entries += [{**OLD, "status": {**status, key: value}} for key in status]
    for entry in (*entries, value):
        path.write_text(json.dumps([entry]))
        use_status(path)
    path.write_text(json.dumps(value))
    use_status(path)


@given(CHANGES)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_status_file_with_changed_bytes_is_used(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[float, int]]
) -> None:
    path = tmp_path_factory.mktemp("migration") / "status.json"
    path.write_bytes(mutated(json.dumps([OLD]).encode(), changes))
    use_status(path)


@given(CHANGES)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_failures_with_changed_bytes_are_used_or_set_aside(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[float, int]]
) -> None:
    path = str(tmp_path_factory.mktemp("failures") / "failures")
    failures = MigrationFailures(path, minutes)
    failures.record("key", "name", "reason", "message", 1000.0)
    failures.close()
    with open(path, "rb") as file:
        data = file.read()
    with open(path, "wb") as file:
        file.write(mutated(data, changes))
    view = MigrationFailuresView(path)
    for ask in (
        view.counts,
        view.whole,
        lambda: list(view.entries("key")),
        lambda: view.retry("key", ["name"]),
    ):
        with contextlib.suppress(StateError):
            ask()
    view.close()
    with contextlib.suppress(StateError):
        again = MigrationFailures(path, minutes)
        with contextlib.suppress(StateError):
            again.record("key", "other", "reason", "message", 2000.0)
            assert "other" in again.names("key")
            again.settle("key", ["name", "other"])
        again.close()


@pytest.mark.parametrize("value", ODD, ids=[f"{value!r:.20}" for value in ODD])
def test_record_of_a_comparison_with_an_odd_value_is_read(tmp_path: Path, value: Any) -> None:
    _, one = migrations()
    write_record(str(tmp_path), one, CompareRecord(1.0, 2.0, 3, {"missing": 1}, {}, 0))
    (name,) = (each for each in os.listdir(tmp_path) if each.startswith(".compare"))
    written = json.loads((tmp_path / name).read_text())
    for each in (value, *({**written, key: value} for key in written)):
        (tmp_path / name).write_text(json.dumps(each))
        found = read_record(str(tmp_path), one)
        assert found is None or found.ended < float("inf")
