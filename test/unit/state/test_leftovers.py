"""Temporary files of writes in whose middle the daemon was killed."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.settings import Mapping, Profile
from s3_sync.model.keys import KeyNamer
from s3_sync.state import checkpoint as module
from s3_sync.state.atomic import remove_leftovers
from s3_sync.state.checkpoint import Checkpoint, StatusFiles


def mapping(container: str = "c", account: str = "AUTH_a") -> Mapping:
    return Mapping(account, container, "bucket", S3Credentials(), Profile(), KeyNamer.literal(""))


def files(directory: Path, **names: str) -> StatusFiles:
    return StatusFiles(str(directory), "j1", [mapping(**names)])


NAME = ".tmp-a_b45678"
NOW = 1_700_000_000.0


def leave(path: Path, age: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"{}")
    os.utime(path, (NOW - age, NOW - age))
    return path


def test_tidy_removes_old_temporary_files_and_nothing_else(tmp_path: Path) -> None:
    old = leave(tmp_path / "AUTH_a" / NAME, 101)
    others = [
        leave(tmp_path / "AUTH_a" / ".tmp-newer678", 99),
        leave(tmp_path / "AUTH_a" / "c", 10**6),
        leave(tmp_path / "AUTH_a" / ".tmp-of a client", 10**6),
        leave(tmp_path / "AUTH_a" / ".tmp-abcdefgh" / NAME, 10**6),
        leave(tmp_path / NAME, 10**6),
    ]
    files(tmp_path).tidy(NOW - 100)
    assert not old.exists()
    assert all(path.exists() for path in others)


def test_tidy_keeps_the_status_file_of_a_container_with_such_a_name(tmp_path: Path) -> None:
    path = leave(tmp_path / "AUTH_a" / NAME, 101)
    files(tmp_path, container=NAME).tidy(NOW)
    assert path.exists()
    files(tmp_path, container=NAME, account="AUTH_b").tidy(NOW)
    assert not path.exists()


def test_tidy_removes_the_file_that_a_killed_write_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", die)
        patched.setattr(os, "unlink", die)
        with pytest.raises(SystemExit):
            files(tmp_path).save(mapping(), "db", Checkpoint())
    (left,) = (tmp_path / "AUTH_a").iterdir()
    files(tmp_path).tidy(left.stat().st_mtime + 1)
    assert not left.exists()


def test_tidy_logs_a_directory_without_permission_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = leave(tmp_path / "AUTH_a" / NAME, 101)

    def forbidden(directory: str, *_: object) -> int:
        if directory.endswith("lost+found"):
            raise PermissionError(directory)
        return remove_leftovers(directory, NOW)

    (tmp_path / "lost+found").mkdir()
    monkeypatch.setattr(module, "remove_leftovers", forbidden)
    with caplog.at_level(logging.DEBUG):
        files(tmp_path).tidy(NOW)
    assert f"cannot remove temporary files in {tmp_path / 'lost+found'}: " in caplog.text
    assert not old.exists()
