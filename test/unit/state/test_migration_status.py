from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from s3_sync.errors import StateError
from s3_sync.state.migration_entries import is_same
from s3_sync.state.migration_status import ContainerStatus, MigrationStatuses, PassCounts
from unit.state.migrations import migration

#: one container's entry as version 0.1.57 wrote it
OLD: dict[str, Any] = {
    "account": "AUTH_new", "aws_bucket": "photos", "container": "photos", "aws_identity": "mover",
    "aws_endpoint": "https://old/auth/v1.0", "protocol": "swift", "all_buckets": True, "custom_prefix": "",
    "status": {"marker": "2018/zz.jpg", "moved_count": 12, "scanned_count": 1000, "bytes_count": 734003200,
               "finished": 1553000000.12, "last_moved_count": 40, "last_scanned_count": 90210,
               "last_bytes_count": 99, "last_finished": 1552999000.5},
}  # fmt: skip
IDLE = PassCounts(scanned=3, listed_bytes=30)
BUSY = PassCounts(scanned=3, listed_bytes=30, moved=2, bytes=20)


class Clock:
    time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "status.json"


@pytest.fixture
def statuses(path: Path, clock: Clock) -> MigrationStatuses:
    return MigrationStatuses(str(path), now=clock, interval=0.0)


def written(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())
    return found


def old_file(path: Path, *entries: dict[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(entries))


def test_no_file_is_an_empty_status(statuses: MigrationStatuses, tmp_path: Path) -> None:
    assert statuses.of(migration(tmp_path)) == ContainerStatus()


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"aws_secret": "another"},
        {"container": "photos"},
        {"older_than": 60, "max_deletes": 5, "storage_policy": "gold"},
        {"prefix": ""},
    ],
)
def test_status_of_an_earlier_version_is_taken_over(
    statuses: MigrationStatuses, path: Path, tmp_path: Path, changed: dict[str, Any]
) -> None:
    old_file(path, OLD)
    found = statuses.of(migration(tmp_path, **changed))
    assert found.marker == "2018/zz.jpg"
    assert found.counts == PassCounts(moved=12, scanned=1000, bytes=734003200)
    assert found.last_counts == PassCounts(moved=40, scanned=90210, bytes=99)
    assert (found.finished, found.last_finished) == (1553000000.12, 1552999000.5)
    assert not found.is_clean


def test_status_of_an_earlier_account_wide_migration_is_taken_over(
    statuses: MigrationStatuses, path: Path, tmp_path: Path
) -> None:
    old_file(path, OLD)
    every = migration(tmp_path, aws_bucket="/*")
    assert [each.container for each in statuses.containers(every)] == ["photos"]
    assert statuses.of(every.of_container("photos")).marker == "2018/zz.jpg"
    assert statuses.of(every.of_container("others")) == ContainerStatus()


def test_containers_of_other_sources_are_not_those_of_an_account_wide_migration(
    statuses: MigrationStatuses, path: Path, tmp_path: Path
) -> None:
    old_file(path, OLD, {**OLD, "aws_bucket": "films", "account": "AUTH_other"})
    every = migration(tmp_path, aws_bucket="/*")
    assert [each.container for each in statuses.containers(every)] == ["photos"]


def test_status_of_many_containers_is_found_at_once(
    statuses: MigrationStatuses, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by a search among all of them, which would take minutes for a large account."""
    every = migration(tmp_path, aws_bucket="/*")
    old_file(path, *({**OLD, "aws_bucket": str(number), "container": str(number)} for number in range(100)))
    compared: list[object] = []
    monkeypatch.setattr(
        "s3_sync.state.migration_status.is_same", lambda *both: compared.append(both) or is_same(*both)
    )
    assert statuses.of(every.of_container("99")).marker == "2018/zz.jpg"
    assert len(compared) == 1


def test_status_before_bytes_were_counted_is_taken_over(
    statuses: MigrationStatuses, path: Path, tmp_path: Path
) -> None:
    status = {"marker": "m", "moved_count": 1, "scanned_count": 2, "finished": 3.0}
    old_file(path, {**OLD, "status": status})
    statuses.save_pass(migration(tmp_path), "n", PassCounts(scanned=1, moved=1, bytes=5), is_reset=False)
    assert statuses.of(migration(tmp_path)).counts == PassCounts(scanned=3, moved=2, bytes=5)


def test_totals_begin_with_what_an_earlier_version_counted(
    statuses: MigrationStatuses, path: Path, tmp_path: Path
) -> None:
    old_file(path, OLD)
    statuses.save_pass(migration(tmp_path), "n", BUSY, is_reset=True)
    statuses.save_pass(migration(tmp_path), "n", BUSY, is_reset=True)
    status = statuses.of(migration(tmp_path))
    assert (status.copied_objects, status.copied_bytes) == (12 + 40 + 4, 734003200 + 99 + 40)


@pytest.mark.parametrize(
    "changed",
    [
        {"account": "AUTH_other"},
        {"aws_bucket": "films"},
        {"container": "renamed"},
        {"aws_identity": "someone"},
        {"aws_endpoint": "https://other/auth/v1.0"},
        {"remote_account": "AUTH_other"},
        {"prefix": "2018/"},
    ],
)
def test_status_of_other_objects_is_not_used(
    statuses: MigrationStatuses, path: Path, tmp_path: Path, changed: dict[str, Any]
) -> None:
    old_file(path, OLD)
    assert statuses.of(migration(tmp_path, **changed)) == ContainerStatus()


def test_container_in_one_entry_only_does_not_matter(
    statuses: MigrationStatuses, path: Path, tmp_path: Path
) -> None:
    old_file(path, {key: value for key, value in OLD.items() if key != "container"})
    assert statuses.of(migration(tmp_path, container="renamed")).marker == "2018/zz.jpg"


def test_changed_source_starts_over_and_is_logged(
    statuses: MigrationStatuses, path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old_file(path, OLD)
    with caplog.at_level(logging.INFO):
        statuses.save_pass(migration(tmp_path, prefix="2018/"), "m", BUSY, is_reset=True)
    assert "another prefix than before" in caplog.text
    assert len(written(path)) == 2


def test_changed_custom_prefix_starts_over(statuses: MigrationStatuses, path: Path, tmp_path: Path) -> None:
    statuses.save_pass(migration(tmp_path, protocol="s3"), "m", IDLE, is_reset=True, ended=True)
    assert statuses.of(migration(tmp_path, protocol="s3", custom_prefix="x/")) == ContainerStatus()


def test_saved_entry_has_the_configuration_without_secrets(
    statuses: MigrationStatuses, path: Path, tmp_path: Path
) -> None:
    old_file(path, {**OLD, "aws_session_token": "the old token", "aws_bucket": "other"})
    found = migration(tmp_path, aws_session_token="the token", protocol="s3", aws_endpoint="http://s3")
    statuses.save_pass(found, "m", BUSY, is_reset=True)
    assert "the " not in path.read_text()
    entry = written(path)[1]
    del entry["status"]
    assert entry == {
        "account": "AUTH_new", "aws_bucket": "photos", "container": "photos", "aws_identity": "mover",
        "aws_endpoint": "http://s3", "protocol": "s3", "custom_prefix": "",
    }  # fmt: skip


def test_saved_entry_of_an_account_wide_migration_is_as_earlier_versions_wrote_it(
    statuses: MigrationStatuses, path: Path, tmp_path: Path
) -> None:
    every = migration(tmp_path, aws_bucket="/*")
    statuses.save_pass(every.of_container("photos"), "m", BUSY, is_reset=True)
    assert {**written(path)[0], "status": 0} == {**OLD, "status": 0}


def test_file_has_the_mode_of_state_files(statuses: MigrationStatuses, path: Path, tmp_path: Path) -> None:
    statuses.save_pass(migration(tmp_path), "m", BUSY, is_reset=True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(path.parent) == [path.name]


def test_counts_add_up_within_a_pass(statuses: MigrationStatuses, tmp_path: Path, clock: Clock) -> None:
    found = migration(tmp_path)
    statuses.save_pass(found, "a", BUSY, is_reset=True)
    clock.time = 1010.0
    statuses.save_pass(found, "b", PassCounts(scanned=1, failed=1, waiting=2, deleted=3), is_reset=False)
    status = statuses.of(found)
    assert status.counts == PassCounts(
        scanned=4, listed_bytes=30, moved=2, bytes=20, failed=1, waiting=2, deleted=3
    )
    assert (status.marker, status.started, status.finished) == ("b", 1000.0, 1010.0)
    assert (status.last_pass, status.last_change) == (0.0, 1010.0)


def test_last_counts_are_those_of_the_last_pass_that_did_something(
    statuses: MigrationStatuses, tmp_path: Path, clock: Clock
) -> None:
    found = migration(tmp_path)
    for counts in (BUSY, IDLE, IDLE, IDLE):
        statuses.save_pass(found, "z", counts, is_reset=True, ended=True)
        clock.time += 10
    status = statuses.of(found)
    assert (status.last_counts, status.last_finished) == (PassCounts(scanned=3, moved=2, bytes=20), 1000.0)
    assert status.counts == IDLE
    statuses.save_pass(found, "z", PassCounts(scanned=4), is_reset=True)
    statuses.save_pass(found, "z", PassCounts(scanned=4), is_reset=True)
    assert statuses.of(found).last_counts == PassCounts(scanned=4)


@pytest.mark.parametrize(
    ("counts", "clean"),
    [
        (IDLE, True),
        (BUSY, False),
        (PassCounts(scanned=1, failed=1), False),
        (PassCounts(scanned=1, waiting=1), False),
        (PassCounts(scanned=1, deleted=1), False),
    ],
)
def test_pass_is_clean_if_it_had_nothing_to_do(
    statuses: MigrationStatuses, tmp_path: Path, clock: Clock, counts: PassCounts, clean: bool
) -> None:
    found = migration(tmp_path)
    statuses.save_pass(found, "z", counts, is_reset=True, ended=True)
    status = statuses.of(found)
    assert status.is_clean is clean
    assert (status.last_pass, status.last_clean_pass) == (1000.0, 1000.0 if clean else 0.0)
    assert (status.total_objects, status.total_bytes) == (counts.scanned, counts.listed_bytes)


def test_pass_that_began_under_an_earlier_version_is_not_clean(
    statuses: MigrationStatuses, path: Path, tmp_path: Path
) -> None:
    old_file(path, {**OLD, "status": {"marker": "m", "scanned_count": 5, "finished": 3.0}})
    found = migration(tmp_path)
    statuses.save_pass(found, "z", IDLE, is_reset=False, ended=True)
    assert not statuses.of(found).is_clean
    statuses.save_pass(found, "z", IDLE, is_reset=True, ended=True)
    assert statuses.of(found).is_clean


def test_change_after_a_clean_pass_ends_that(
    statuses: MigrationStatuses, tmp_path: Path, clock: Clock
) -> None:
    found = migration(tmp_path)
    statuses.save_pass(found, "z", IDLE, is_reset=True, ended=True)
    clock.time = 2000.0
    statuses.save_pass(found, "a", BUSY, is_reset=True)
    status = statuses.of(found)
    assert (status.is_clean, status.last_clean_pass, status.last_change) == (False, 1000.0, 2000.0)


def test_size_told_by_the_source_holds_until_a_pass_has_counted(
    statuses: MigrationStatuses, tmp_path: Path
) -> None:
    found = migration(tmp_path)
    statuses.expect(found, None, None)
    assert statuses.of(found).total_bytes is None
    statuses.expect(found, 10, 1000)
    assert statuses.of(found).total_bytes == 1000
    statuses.save_pass(found, "z", IDLE, is_reset=True, ended=True)
    statuses.expect(found, 10, 1000)
    assert (statuses.of(found).total_objects, statuses.of(found).total_bytes) == (3, 30)


def test_another_process_goes_on_from_the_file(
    statuses: MigrationStatuses, path: Path, tmp_path: Path
) -> None:
    found = migration(tmp_path)
    statuses.save_pass(found, "a", BUSY, is_reset=True)
    assert MigrationStatuses(str(path)).of(found) == statuses.of(found)


def test_saves_within_the_interval_are_written_by_flush(path: Path, tmp_path: Path, clock: Clock) -> None:
    statuses, found = MigrationStatuses(str(path), now=clock, interval=10.0), migration(tmp_path)
    for marker in "abc":
        statuses.save_pass(found, marker, IDLE, is_reset=False)
    assert written(path)[0]["status"]["marker"] == "a"
    statuses.flush()
    assert written(path)[0]["status"]["marker"] == "c"


def test_prune_keeps_what_was_handled(statuses: MigrationStatuses, path: Path, tmp_path: Path) -> None:
    old_file(path, OLD, {**OLD, "aws_bucket": "films", "container": "films"}, {**OLD, "account": "AUTH_gone"})
    every = migration(tmp_path, aws_bucket="/*")
    statuses.prune([every])
    assert [each["aws_bucket"] for each in written(path)] == ["photos", "films"]
    statuses.prune([every.of_container("films"), every.of_container("others")])
    assert [each["aws_bucket"] for each in written(path)] == ["films"]
    statuses.prune([])
    assert written(path) == []


def test_empty_file_is_an_empty_list(statuses: MigrationStatuses, path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    path.write_text("")
    assert statuses.of(migration(tmp_path)) == ContainerStatus()
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("content", ['[{"account": ', '{"a": 1}', "\xff", "[" * 100_000])
def test_damaged_file_is_set_aside(
    path: Path, tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    for number in (1, 2):
        path.write_text(content, encoding="latin-1")
        assert MigrationStatuses(str(path)).of(migration(tmp_path)) == ContainerStatus()
        assert (path.parent / f"status.json.corrupted.{number}").read_text("latin-1") == content
    assert "is damaged" in caplog.text


def test_damaged_file_of_a_running_daemon_is_left_alone(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    path.write_text("[")
    with pytest.raises(StateError, match="is damaged"):
        MigrationStatuses(str(path), observed=True).of(migration(tmp_path))
    assert os.listdir(path.parent) == [path.name]


def test_hostile_values_count_as_absent(statuses: MigrationStatuses, path: Path, tmp_path: Path) -> None:
    status = {"marker": ["x"], "moved_count": "12", "scanned_count": -1, "finished": "now"}
    old_file(path, 1, {**OLD, "aws_bucket": {}}, {**OLD, "status": []}, {**OLD, "status": status})
    assert statuses.of(migration(tmp_path)) == ContainerStatus()
    statuses.save_pass(migration(tmp_path), "a", BUSY, is_reset=False)
    assert statuses.of(migration(tmp_path)).counts == BUSY


def test_leftover_of_a_killed_write_is_removed(statuses: MigrationStatuses, path: Path) -> None:
    statuses.tidy(before=2e9)
    path.parent.mkdir()
    (path.parent / ".tmp-abcdefgh").write_text("")
    (path.parent / "other").write_text("")
    statuses.tidy(before=2e12)
    assert os.listdir(path.parent) == ["other"]


def test_file_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    statuses = MigrationStatuses(str(tmp_path / "file" / "status.json"))
    with pytest.raises(StateError, match="cannot read the status file"):
        statuses.of(migration(tmp_path))
