"""The command line: what it refuses, and how it says so."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
from pathlib import Path

import pytest

from s3_sync.admin import exit_codes as codes
from s3_sync.admin import main
from s3_sync.admin.node import become_owner, owned
from s3_sync.daemon.instance_lock import lock_holder


def test_help_of_every_command_exits_with_zero(capsys: pytest.CaptureFixture[str]) -> None:
    for command in main.COMMANDS:
        with pytest.raises(SystemExit) as ended:
            main.main([command.replace("_", "-"), "--help"])
        assert ended.value.code == 0
    assert "--forget" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nothing"],
        ["pause"],
        ["failed", "--retry", "--forget"],
        ["failed", "--limit", "-1"],
        *(["status", "--watch", each] for each in ("0", "-1", "inf", "nan", "soon")),
    ],
)
def test_wrong_arguments_exit_with_usage_code(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(arguments)
    assert ended.value.code == codes.USAGE


def test_missing_or_wrong_configuration_fails_with_messages_on_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["--config", str(tmp_path / "none"), "status"]) == codes.FAILED
    missing = tmp_path / "none"
    assert capsys.readouterr() == ("", f"swift-s3-ctl: {missing}: Configuration file does not exist\n")
    (tmp_path / "wrong").write_text(json.dumps({"containers": 5}))
    assert main.main(["status", "--config", str(tmp_path / "wrong")]) == codes.FAILED
    out, err = capsys.readouterr()
    assert out == ""
    assert all(line.startswith("swift-s3-ctl: ") for line in err.splitlines())


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_and_option_is_documented(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`docs/ctl.md` shows how each is called: with all its options, and no other."""
    command = name.replace("_", "-")
    text = (Path(__file__).parents[3] / "docs" / "ctl.md").read_text()
    calls = re.findall(rf"^    swift-s3-ctl {command}\b(.*)$", text, re.MULTILINE)
    with pytest.raises(SystemExit):
        main.main([command, "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help", "--json", "--config"}
    assert calls
    assert options == {option for call in calls for option in re.findall(r"--[a-z-]+", call)}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "stdout: No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied", "/some/file"), "/some/file: Permission denied"),
    ],
)
def test_os_error_fails_and_names_its_file_even_without_stdout(
    error: OSError, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whose file it is about is said; and there may be no stdout at all."""

    def fails(path: str) -> None:
        raise error

    monkeypatch.setattr(main, "open_node", fails)
    monkeypatch.setattr(sys, "stdout", None)
    assert main.main(["status"]) == codes.FAILED
    assert capsys.readouterr().err == f"swift-s3-ctl: {told}\n"


def test_lock_holder_is_the_pid_only_while_the_file_is_locked(tmp_path: Path) -> None:
    import fcntl

    path = tmp_path / ".lock"
    assert lock_holder(str(tmp_path)) == 0
    with path.open("w") as file:
        assert lock_holder(str(tmp_path)) == 0
        fcntl.flock(file, fcntl.LOCK_EX)
        assert lock_holder(str(tmp_path)) == os.getpid()
    assert lock_holder(str(tmp_path)) == 0


def test_become_owner_of_an_own_directory_keeps_the_user(tmp_path: Path) -> None:
    before = os.geteuid()
    become_owner(str(tmp_path), "/nowhere")
    become_owner(str(tmp_path / "missing"), str(tmp_path))
    assert os.geteuid() == before


def test_owned_prefers_status_directory_then_container_databases(tmp_path: Path) -> None:
    """The databases' before it has ever run: root must leave nothing beside them."""
    status, devices = tmp_path / "status", tmp_path / "d[1]"
    assert owned(str(status), str(devices)) is None
    (devices / "sdb" / "objects").mkdir(parents=True)
    assert owned(str(status), str(devices)) is None
    (devices / "sdc" / "containers").mkdir(parents=True)
    assert owned(str(status), str(devices)) == str(devices / "sdc" / "containers")
    status.mkdir()
    assert owned(str(status), str(devices)) == str(status)


def test_argument_that_is_not_utf_8_exits_with_usage_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing that takes a name could go on with anything else, daemons included."""
    assert main.main(["reset", "0", "--prefix", "a\udcff", "--config", str(tmp_path)]) == codes.USAGE
    assert capsys.readouterr() == ("", "swift-s3-ctl: a\\udcff: not UTF-8\n")
