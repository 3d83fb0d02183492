"""What --status says, from the state files."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from s3_sync.daemon.instance_lock import instance_lock
from s3_sync.errors import StateError
from s3_sync.migrate.report import MigrationReport, report, status
from s3_sync.migrate.state_files import StateFiles
from s3_sync.state.migration_status import PassCounts
from unit.migrate.operation.state import BUSY, IDLE, Node

NewNode = Callable[..., Node]


def reported(node: Node) -> MigrationReport:
    node.statuses.flush()
    with instance_lock(node.settings.status_dir, "a daemon"), StateFiles(node.settings) as files:
        (found,) = report(files, now=node.clock).migrations
        return found


def test_migration_without_state_has_not_started(node: Node) -> None:
    found = reported(node)
    assert (found.phase, found.migration, found.source) == (
        "not started", "AUTH_new/photos", "old/auth/v1.0/photos",
    )  # fmt: skip
    assert (found.scanned, found.copied_objects, found.eta) == (0, 0, None)


def test_first_pass_has_rates_and_an_estimate_of_its_end(node: Node) -> None:
    (mapping,) = node.mappings
    node.statuses.expect(mapping, 100, 10_000)
    node.save(mapping, BUSY, ended=False)
    node.clock.time += 10
    node.save(mapping, PassCounts(scanned=16, moved=8, bytes=800), ended=False)
    found = reported(node)
    assert found.phase == "copying"
    assert (found.scanned, found.objects, found.remaining) == (20, 100, 80)
    assert (found.copied_objects, found.copied_bytes) == (10, 1000)
    assert (found.objects_per_second, found.bytes_per_second, found.eta) == (1.0, 100.0, 40.0)


def test_remaining_is_unknown_until_the_source_was_counted(node: Node) -> None:
    node.save(node.mappings[0], BUSY, ended=False)
    assert (reported(node).remaining, reported(node).eta) == (None, None)


def test_stopped_daemon_has_no_rates(node: Node) -> None:
    node.statuses.expect(node.mappings[0], 100, 10_000)
    node.save(node.mappings[0], BUSY, ended=False)
    node.clock.time += 10
    node.save(node.mappings[0], BUSY, ended=False)
    with StateFiles(node.settings) as files:
        found = report(files, now=node.clock)
    assert (found.daemon, found.is_good) == (0, False)
    assert (found.migrations[0].eta, found.migrations[0].objects_per_second) == (None, None)


def test_pass_with_changes_is_followed_by_another(node: Node) -> None:
    node.save(node.mappings[0], BUSY)
    found = reported(node)
    assert (found.phase, found.remaining, found.clean_since) == ("following", 0, None)
    assert (found.last_pass, found.last_change) == (1000.0, 1000.0)


def test_clean_pass_is_ready_to_cut_over(node: Node) -> None:
    node.save(node.mappings[0], BUSY)
    node.clock.time = 2000.0
    node.save(node.mappings[0], IDLE)
    found = reported(node)
    assert (found.phase, found.is_ready, found.clean_since) == ("ready to cut over", True, 2000.0)


def test_failure_is_counted_by_reason_and_in_the_way(node: Node) -> None:
    (mapping,) = node.mappings
    node.save(mapping, IDLE)
    for name, reason in (("a", "bad_digest"), ("b", "bad_digest"), ("c", "remote_archived")):
        node.failures.record(mapping.journal_key, name, reason, "why", 1000.0)
    found = reported(node)
    assert (found.failed, found.reasons) == (3, {"bad_digest": 2, "remote_archived": 1})
    assert found.phase == "following"


def test_failure_of_the_container_blocks_its_migration(node: Node) -> None:
    (mapping,) = node.mappings
    node.failures.record(mapping.journal_key, "", "remote_not_found", "no such bucket", 1000.0)
    found = reported(node)
    assert (found.phase, found.error) == ("blocked", "AUTH_new/photos: remote_not_found: no such bucket")


def test_paused_migration_says_since_when(node: Node) -> None:
    node.controls.pause(node.mappings[0])
    assert (reported(node).phase, reported(node).paused_since) == ("paused", 1000.0)


def test_account_wide_migration_is_ready_when_every_container_is(new_node: NewNode) -> None:
    node = new_node({"aws_bucket": "/*"})
    one, two = (node.mappings[0].of_container(name) for name in ("one", "two"))
    node.save(one, IDLE)
    node.statuses.expect(two, None, None)
    found = reported(node)
    assert (found.phase, found.containers, found.behind) == ("copying", 2, ["two"])
    node.clock.time = 2000.0
    node.save(two, IDLE)
    found = reported(node)
    assert (found.phase, found.containers_behind, found.clean_since) == ("ready to cut over", 0, 2000.0)


def test_failures_of_containers_and_of_the_account_count(new_node: NewNode) -> None:
    node = new_node({"aws_bucket": "/*"})
    every = node.mappings[0]
    node.failures.record(every.of_container("one").journal_key, "a", "bad_digest", "", 1000.0)
    node.failures.record(every.journal_key, "", "remote_denied", "no listing", 1000.0)
    found = reported(node)
    assert (found.containers, found.reasons) == (1, {"bad_digest": 1, "remote_denied": 1})
    assert found.error == "AUTH_new/*: remote_denied: no listing"


def test_status_prints_a_line_for_each_migration(
    new_node: NewNode, capsys: pytest.CaptureFixture[str]
) -> None:
    node = new_node({}, {"aws_bucket": "films"})
    node.save(node.mappings[1], BUSY)
    node.failures.record(node.mappings[1].journal_key, "a", "bad_digest", "", 1000.0)
    with instance_lock(node.settings.status_dir, "a daemon"):
        assert status(node.settings, as_json=False) == 3
    out, err = capsys.readouterr()
    header, first, second = (line.split("\t") for line in out.splitlines())
    assert (header[1], first[1:4], second[1]) == (
        "migration", ["AUTH_new/photos", "old/auth/v1.0/photos", "not started"], "AUTH_new/films",
    )  # fmt: skip
    assert second[4:9] == ["2", "200 B", "4/4", "1", "0"]
    assert err == "AUTH_new/films: failed: bad_digest 1\n"


def test_status_as_json_has_every_number(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.save(node.mappings[0], IDLE)
    with instance_lock(node.settings.status_dir, "a daemon"):
        assert status(node.settings, as_json=True) == 0
    (found,) = json.loads(capsys.readouterr().out)["migrations"]
    assert (found["phase"], found["scanned"], found["reasons"]) == ("ready to cut over", 4, {})


def test_status_with_a_damaged_file_is_one_error(node: Node) -> None:
    with open(f"{node.settings.status_dir[:-2]}", "w", encoding="ascii") as file:
        file.write("{")
    with pytest.raises(StateError, match="is damaged"):
        status(node.settings, as_json=False)
