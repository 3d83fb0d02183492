"""What speaks against cutting over."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from s3_sync.daemon.instance_lock import instance_lock
from s3_sync.migrate.cutover import unmet
from s3_sync.migrate.state_files import StateFiles
from s3_sync.state import held_deletes
from s3_sync.state.compare_record import CompareRecord, write_record
from s3_sync.state.held_deletes import HeldDeletes, HeldDeletesLedger
from s3_sync.state.journal_file import JournalFile
from s3_sync.state.paths import migration_failures_path
from unit.migrate.operation.state import BUSY, IDLE, Node

NewNode = Callable[..., Node]


@pytest.fixture
def ready(node: Node) -> Node:
    """The last pass was clean, and so was the comparison after it."""
    node.save(node.mappings[0], BUSY)
    node.clock.time = 2000.0
    node.save(node.mappings[0], IDLE)
    write_record(node.settings.status_dir, node.mappings[0], CompareRecord(2000.0, 2100.0))
    return node


def lines(node: Node) -> list[str]:
    with instance_lock(node.settings.status_dir, "a daemon"), StateFiles(node.settings) as files:
        return unmet(files, node.mappings[0])


def test_nothing_behind_is_nothing_unmet(ready: Node) -> None:
    assert lines(ready) == []


def test_new_migration_has_neither_begun_nor_been_compared(node: Node) -> None:
    assert lines(node) == [
        "nothing has been migrated on this node yet",
        "both sides have not been compared: swift-s3-migrator --compare",
    ]


def test_stopped_migrator_is_unmet(ready: Node) -> None:
    with StateFiles(ready.settings) as files:
        assert unmet(files, ready.mappings[0]) == ["the migrator is not running on this node: start it"]


def test_first_pass_has_to_be_complete(node: Node) -> None:
    node.save(node.mappings[0], BUSY, ended=False)
    assert lines(node)[0] == "the first pass is not complete: wait"


def test_pause_is_unmet(ready: Node) -> None:
    ready.controls.pause(ready.mappings[0])
    assert lines(ready) == ["paused since 1970-01-01 00:33:20Z: swift-s3-ctl resume"]


def test_failures_and_archived_objects_are_unmet(ready: Node) -> None:
    key = ready.mappings[0].journal_key
    for name, reason in (("a", "bad_digest"), ("b", "remote_archived"), ("c", "remote_archived")):
        ready.failures.record(key, name, reason, "", 2000.0)
    assert lines(ready) == [
        "1 objects have failed (bad_digest 1): swift-s3-ctl failed",
        "2 objects are archived at the source: set archive_restore, or retrieve them there",
    ]


def test_source_that_cannot_be_read_is_unmet(ready: Node) -> None:
    ready.failures.record(ready.mappings[0].journal_key, "", "remote_denied", "403", 2000.0)
    assert lines(ready)[0] == "blocked: AUTH_new/photos: remote_denied: 403"


def test_held_deletes_are_unmet(ready: Node) -> None:
    file = JournalFile(migration_failures_path(ready.settings.status_dir), held_deletes.SCHEMA)
    HeldDeletesLedger(file).put(ready.mappings[0].journal_key, HeldDeletes("source_empty", 7, 2000.0))
    file.close()
    assert lines(ready) == ["7 deletes wait for you: swift-s3-ctl allow-deletes"]


def test_pass_that_copied_something_and_the_comparison_before_it_are_unmet(ready: Node) -> None:
    ready.clock.time = 3000.0
    ready.save(ready.mappings[0], BUSY)
    not_clean, compared = lines(ready)
    assert not_clean == "the last pass was not clean in 1 containers (photos): wait for one"
    assert compared.startswith("objects were copied or deleted at 1970-01-01 00:50:00Z, after the comparison")


@pytest.mark.parametrize(
    ("record", "line"),
    [
        (CompareRecord(2000.0), "the comparison of 1970-01-01 00:33:20Z has not ended"),
        (CompareRecord(2000.0, 2100.0, 5, {"missing": 2}), "found differences (missing 2)"),
        (CompareRecord(2000.0, 2100.0, 5, errors=1), "could not read everything"),
    ],
)
def test_comparison_that_is_not_clean_is_unmet(ready: Node, record: CompareRecord, line: str) -> None:
    write_record(ready.settings.status_dir, ready.mappings[0], record)
    (found,) = lines(ready)
    assert line in found


def test_comparison_on_another_node_is_enough(ready: Node) -> None:
    write_record(ready.settings.status_dir, ready.mappings[0], CompareRecord(2000.0))
    with instance_lock(ready.settings.status_dir, "a daemon"), StateFiles(ready.settings) as files:
        assert unmet(files, ready.mappings[0], is_compared=True) == []


def test_node_without_a_part_has_nothing_against_it(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StateFiles, "has_part", lambda files, mapping: False)
    assert lines(node) == []


def test_every_container_of_an_account_has_to_be_clean(new_node: NewNode) -> None:
    node = new_node({"aws_bucket": "/*"})
    one, two = (node.mappings[0].of_container(name) for name in ("one", "two"))
    node.save(one, IDLE)
    node.save(two, BUSY)
    write_record(node.settings.status_dir, node.mappings[0], CompareRecord(2000.0, 2100.0))
    assert lines(node) == ["the last pass was not clean in 1 containers (two): wait for one"]
