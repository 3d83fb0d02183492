"""``--convert-config``: what it writes, where, and what it says."""

from __future__ import annotations

import errno
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from s3_sync.config.load import load
from s3_sync.sync.convert_config import STDOUT, convert_config
from s3_sync.sync.main import main

OLD = {
    "devices": "/srv/node",
    "items_chunk": 1000,
    "status_dir": "/tmp/status",
    "containers": [
        {
            "account": "AUTH_a",
            "container": "ü",
            "aws_bucket": "b",
            "aws_identity": "i",
            "aws_secret": "s",
            "x": 1,
        }
    ],
}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.json"
    path.write_text(json.dumps(OLD))
    return path


def test_converted_configuration_and_remarks_go_to_stdout_and_stderr(
    old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert_config(str(old), STDOUT, overwrite=False) == 0
    out, err = capsys.readouterr()
    assert list(json.loads(out)) == [
        "credentials",
        "profiles",
        "mappings",
        "devices",
        "items_chunk",
        "status_dir",
    ]
    assert err == "swift-s3-sync: left out: containers[0].x: is not a known key\n"


def test_new_file_is_readable_by_the_owner_only(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = old.with_name("new.json")
    assert convert_config(str(old), str(new), overwrite=False) == 0
    assert new.stat().st_mode & 0o777 == 0o600
    assert capsys.readouterr().out == ""
    settings = load(new).settings
    assert settings
    assert settings.mappings[0].container == "ü"


def test_existing_file_is_overwritten_only_with_force(
    old: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = old.read_text()
    assert convert_config(str(old), str(old), overwrite=False) == 1
    assert capsys.readouterr().err == f"swift-s3-sync: {old}: File exists; see --force\n"
    assert old.read_text() == before
    old.chmod(0o644)
    monkeypatch.chdir(old.parent)
    assert convert_config("old.json", "old.json", overwrite=True) == 0
    assert "mappings" in json.loads(old.read_text())
    assert old.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in old.parent.iterdir()] == ["old.json"]


def test_invalid_or_missing_configuration_fails_and_writes_nothing(
    old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old.write_text('{"containers": [],}')
    new = old.with_name("new.json")
    assert convert_config(str(old), str(new), overwrite=True) == 1
    assert not new.exists()
    assert f"swift-s3-sync: {old}: line 1, column" in capsys.readouterr().err
    assert convert_config(str(new), STDOUT, overwrite=False) == 1
    assert capsys.readouterr().err == f"swift-s3-sync: {new}: Configuration file does not exist\n"
    assert convert_config(str(old.with_name("x")), "/no/where/new.json", overwrite=False) == 1


def test_target_that_cannot_be_written_fails_with_its_name(
    old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert_config(str(old), "/no/where/new.json", overwrite=False) == 1
    assert capsys.readouterr().err == "swift-s3-sync: /no/where/new.json: No such file or directory\n"


def test_full_disk_leaves_no_half_file(
    old: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    new = old.with_name("new.json")
    assert convert_config(str(old), str(new), overwrite=False) == 1
    assert capsys.readouterr().err == f"swift-s3-sync: {new}: No space left on device\n"
    assert not new.exists()


@pytest.mark.parametrize("command", ["--check-config", "--convert-config"])
def test_output_on_a_full_disk_or_a_poor_terminal_gives_no_traceback(
    old: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    with open("/dev/full", "w", encoding="utf-8", buffering=1) as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(["--config", str(old), command]) == 1
    assert "swift-s3-sync: stdout: No space left on device\n" in capfd.readouterr().err
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", ascii_only)
    assert main(["--config", str(old), command]) == 0
    assert b"\\xfc" in ascii_only.buffer.getvalue() or command == "--convert-config"


def test_command_writes_the_same_to_stdout_and_to_a_file(old: Path) -> None:
    command = [str(Path(sys.executable).with_name("swift-s3-sync")), "--config", str(old)]
    ran = subprocess.run(
        [*command, "--convert-config"], capture_output=True, text=True, timeout=120, check=True
    )
    new = old.with_name("new.json")
    again = [*command, "--convert-config", str(new), "--force"]
    nowhere = subprocess.run([*command, "--convert-config="], capture_output=True, timeout=120, check=False)
    assert (nowhere.returncode, nowhere.stdout) == (1, b"")
    for _ in range(2):
        subprocess.run(again, capture_output=True, timeout=120, check=True)
    assert json.loads(ran.stdout) == json.loads(new.read_text())
