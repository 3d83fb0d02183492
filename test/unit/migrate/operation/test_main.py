"""The command line of the migrator: what a configuration that it cannot use ends with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from s3_sync.daemon.instance_lock import instance_lock
from s3_sync.migrate.main import main
from unit.migrate.operation.state import Node


@pytest.mark.parametrize("arguments", [[], ["--once"], ["--console"]])
def test_missing_file_ends_with_0_so_that_no_supervisor_restarts_it(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--conf", str(tmp_path / "none.json"), *arguments]) == 0
    assert capsys.readouterr() == ("Configuration file does not exist\n", "")


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        ({}, 255, "Missing migrator settings section\n"),
        ({"migrator_settings": {"items_chunk": 1000}}, 254, "Missing status file location!\n"),
    ],
    ids=["no section", "no status file"],
)
def test_file_that_is_not_for_a_migrator_has_a_code_of_its_own(
    tmp_path: Path, content: Any, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sync.json"
    path.write_text(json.dumps(content))
    assert main(["--config", str(path), "--once"]) == code
    assert capsys.readouterr() == (message, "")


def test_every_mistake_is_one_line_and_ends_with_1(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    written = json.loads(node.config.read_text())
    written["migrator_settings"] |= {"workers": "ten", "poll_interval": -1}
    node.config.write_text(json.dumps(written))
    assert main(["--config", str(node.config), "--once"]) == 1
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert (out, len(lines)) == ("", 2)
    for key in ("workers", "poll_interval"):
        assert [line for line in lines if line.startswith(f"swift-s3-migrator: migrator_settings.{key}: ")]


def test_missing_log_file_is_reported(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(node.config), "--once"]) == 1
    assert "log file must be set" in capsys.readouterr().err


def test_second_migrator_of_a_node_ends_with_1(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    with instance_lock(node.settings.status_dir, "a daemon"):
        assert main(["--config", str(node.config), "--once", "--console"]) == 1
    assert "another swift-s3-migrator is using" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--config", "x", "--sideways"], ["--config", "x", "--dry-run"]])
def test_wrong_arguments_end_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: swift-s3-migrator" in capsys.readouterr().err


def test_check_config_needs_no_log_file_and_writes_nothing(
    node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(node.config.parent.rglob("*"))
    assert main(["--config", str(node.config), "--check-config"]) == 0
    assert "OK: 1 migration can be used." in capsys.readouterr().out
    assert sorted(node.config.parent.rglob("*")) == before
