"""``swift-s3-ctl`` and migrations: the state files are real, no cluster is needed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from s3_sync.admin import main
from s3_sync.daemon.instance_lock import instance_lock
from s3_sync.state.compare_record import CompareRecord, write_record
from unit.migrate.operation.state import BUSY, IDLE, Node


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.setattr("s3_sync.admin.node.use_swift_dir", lambda directory: None)
    none = SimpleNamespace(replicas=lambda account, container: [])
    monkeypatch.setattr("s3_sync.admin.node._Replicas", lambda settings, client: none)
    made = Node(tmp_path, {}, {"aws_bucket": "films"})
    yield made
    made.close()


def ctl(node: Node, *arguments: str) -> int:
    with instance_lock(node.settings.status_dir, "a daemon"):
        return main.main(["--config", str(node.config), *arguments])


def answer(node: Node, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = ctl(node, "--json", *arguments)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, found


def with_mappings(node: Node, directory: Path) -> None:
    """Add what swift-s3-sync needs, and a mapping of the first migration's container."""
    written = json.loads(node.config.read_text())
    mapping = {"account": "AUTH_new", "container": "photos", "aws_bucket": "archive", "aws_identity": "i",
               "aws_secret": "s", "aws_endpoint": "http://s3"}  # fmt: skip
    status_dir = directory / "sync"
    status_dir.mkdir()
    written |= {"devices": str(directory / "d"), "items_chunk": 10, "status_dir": str(status_dir)}
    node.config.write_text(json.dumps({**written, "containers": [mapping]}))


def test_status_of_a_file_with_migrations_alone_has_only_them(
    node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    node.save(node.mappings[0], IDLE)
    code, found = answer(node, capsys, "status")
    assert (code, found["mappings"], found["problems"]) == (0, [], [])
    assert [each["phase"] for each in found["migrator"]["migrations"]] == ["ready to cut over", "not started"]
    assert ctl(node, "status", "AUTH_new/films") == 0
    header, line = capsys.readouterr().out.splitlines()
    assert (header.split("\t")[1], line.split("\t")[1]) == ("migration", "AUTH_new/films")


def test_status_has_mappings_and_migrations(
    node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_mappings(node, tmp_path)
    code, found = answer(node, capsys, "status")
    assert code == 3  # swift-s3-sync is not running
    assert [each["mapping"] for each in found["mappings"]] == ["AUTH_new/photos"]
    assert [each["migration"] for each in found["migrator"]["migrations"]] == [
        "AUTH_new/photos",
        "AUTH_new/films",
    ]
    code, found = answer(node, capsys, "status", "migrations[1]")
    assert (code, found["mappings"], len(found["migrator"]["migrations"])) == (0, [], 1)
    code, found = answer(node, capsys, "status", "0")
    assert (found["migrator"], len(found["mappings"])) == (None, 1)


def test_name_of_a_mapping_and_a_migration_is_ambiguous(
    node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_mappings(node, tmp_path)
    assert ctl(node, "pause", "AUTH_new/photos") == 2
    assert f"AUTH_new/photos#{node.mappings[0].fingerprint[:8]}" in capsys.readouterr().err


def test_pause_and_resume_reach_the_migrator(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl(node, "pause", "AUTH_new/photos") == 0
    assert node.controls.is_paused(node.mappings[0])
    assert not node.controls.is_paused(node.mappings[1])
    assert ctl(node, "resume", "0") == 0
    assert not node.controls.is_paused(node.mappings[0])


def test_allowed_deletes_reach_the_migrator(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl(node, "allow-deletes", "AUTH_new/photos") == 0
    assert node.controls.deletes_allowed(node.mappings[0]) > 0
    assert "deleted at the source so far" in capsys.readouterr().out


def test_request_without_a_migrator_is_refused(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    written = json.loads(node.config.read_text())
    written["migrator_settings"]["status_file"] += ".other"
    node.config.write_text(json.dumps(written))
    assert ctl(node, "pause", "0") == 1
    assert "no migrator has run here" in capsys.readouterr().err


def test_failures_are_listed_retried_and_forgotten(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    key, other = (each.journal_key for each in node.mappings)
    for name in ("a", "b"):
        node.failures.record(key, name, "bad_digest", "why", 1000.0)
    node.failures.record(other, "", "remote_denied", "403", 1000.0)
    code, found = answer(node, capsys, "failed")
    assert code == 3
    listed = [
        (each["mapping"], each["name"], each["reason"], each["migration"]) for each in found["failures"]
    ]
    assert listed == [
        ("AUTH_new/photos", "a", "bad_digest", True),
        ("AUTH_new/photos", "b", "bad_digest", True),
        ("AUTH_new/films", "", "remote_denied", True),
    ]
    assert answer(node, capsys, "failed", "AUTH_new/photos", "--name", "b", "--retry") == (0, {"retried": 1})
    assert [each.name for each in node.failures.due(key, 1001.0, 10)] == ["b"]
    assert answer(node, capsys, "failed", "0", "--forget", "--yes") == (0, {"forgotten": 2})
    assert node.failures.page(key) == []


@pytest.mark.parametrize("command", [["reset"], ["verify-data"]])
def test_command_for_mappings_alone_refuses_a_migration(
    node: Node, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ctl(node, *command, "AUTH_new/photos") == 2
    assert "is a migration" in capsys.readouterr().err


def test_cutover_refuses_with_a_line_for_each_point(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.save(node.mappings[0], BUSY)
    assert ctl(node, "cutover", "AUTH_new/photos") == 1
    assert capsys.readouterr().out.splitlines() == [
        "not yet: the last pass was not clean in 1 containers (photos): wait for one",
        "not yet: both sides have not been compared: swift-s3-migrator --compare",
    ]


def test_cutover_of_a_complete_migration_says_what_is_next(
    node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    node.save(node.mappings[0], IDLE)
    write_record(node.settings.status_dir, node.mappings[0], CompareRecord(2000.0, 2100.0))
    assert ctl(node, "cutover", "AUTH_new/photos") == 0
    first, *steps = capsys.readouterr().out.splitlines()
    assert first.startswith("AUTH_new/photos: nothing is behind on this node")
    assert steps[0].startswith("1. ")


def test_cutover_of_a_mapping_is_refused(
    node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_mappings(node, tmp_path)
    assert ctl(node, "cutover", "0") == 2
    assert "is no migration" in capsys.readouterr().err


def test_invalid_file_of_a_migrator_is_told(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    written = json.loads(node.config.read_text())
    del written["migrator_settings"]["items_chunk"]
    node.config.write_text(json.dumps(written))
    assert ctl(node, "status") == 1
    assert "migrator_settings.items_chunk: is required" in capsys.readouterr().err
