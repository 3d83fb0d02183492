"""The command line of --status and --compare."""

from __future__ import annotations

import json

import pytest

from s3_sync.daemon.instance_lock import instance_lock
from s3_sync.migrate.main import main
from unit.migrate.operation.state import IDLE, Node


def run(node: Node, *arguments: str) -> int:
    with instance_lock(node.settings.status_dir, "a daemon"):
        return main(["--config", str(node.config), *arguments])


def test_status_reads_files_only(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.save(node.mappings[0], IDLE)
    assert run(node, "--status", "--json") == 0
    assert json.loads(capsys.readouterr().out)["migrations"][0]["phase"] == "ready to cut over"


def test_migration_that_is_left_out_is_told_and_is_no_success(
    node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    written = json.loads(node.config.read_text())
    written["migrations"].append({**written["migrations"][0], "aws_bucket": "films", "older_than": "x"})
    node.config.write_text(json.dumps(written))
    assert run(node, "--status") == 1
    assert "left out: migrations[1].older_than" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--status", "--compare"])
def test_missing_configuration_is_no_success(node: Node, option: str) -> None:
    node.config.unlink()
    assert main(["--config", str(node.config), option]) == 1


def test_comparison_of_an_unknown_migration_is_one_line(
    node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(node, "--compare", "AUTH_new/other") == 1
    assert "no usable mapping AUTH_new/other" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["--every"], ["--strict"], ["--resume"], ["--report", "x"], ["--json"], ["--status", "--compare"],
     ["--compare", "--once"]],
)  # fmt: skip
def test_options_that_do_not_go_together_are_refused(
    node: Node, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(node, *arguments)
    assert ended.value.code == 2
