"""A file is the old one or the new one, at whatever step writing it breaks."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s3_sync.state import atomic
from s3_sync.state.atomic import set_aside, sync_directory, write_atomically


class Killed(BaseException):
    """Stands for the end of the process: no code catches it."""


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*arguments: Any, **named: Any) -> Any:
        raise error

    return fail


def test_write_atomically_creates_and_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(str(path), b"one")
    assert path.read_bytes() == b"one"
    write_atomically(str(path), b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["file"]


def test_write_atomically_makes_a_private_file_unless_mode_is_given(tmp_path: Path) -> None:
    write_atomically(str(tmp_path / "private"), b"x")
    write_atomically(str(tmp_path / "public"), b"x", mode=0o644)
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "public").stat().st_mode) == 0o644


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), Killed()])
@pytest.mark.parametrize("step", ["fdopen", "fchmod", "fsync", "rename"])
def test_failure_before_the_rename_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException, existing: bool
) -> None:
    path = tmp_path / "file"
    if existing:
        path.write_bytes(b"old")
    with monkeypatch.context() as patch:
        patch.setattr(atomic.os, step, raising(error))
        with pytest.raises(type(error)):
            write_atomically(str(path), b"new")
    assert (path.read_bytes() if path.exists() else None) == (b"old" if existing else None)
    assert os.listdir(tmp_path) == (["file"] if existing else [])
    write_atomically(str(path), b"newer")
    assert path.read_bytes() == b"newer"


def test_failure_after_the_rename_raises_and_leaves_the_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(atomic, "sync_directory", raising(OSError(5, "I/O error")))
    with pytest.raises(OSError, match="I/O error"):
        write_atomically(str(path), b"new")
    assert path.read_bytes() == b"new"


def test_write_atomically_syncs_file_before_and_directory_after_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    for name in ("fsync", "rename"):
        real = getattr(os, name)

        def noted(*arguments: Any, name: str = name, real: Callable[..., Any] = real) -> Any:
            steps.append(name)
            return real(*arguments)

        monkeypatch.setattr(atomic.os, name, noted)
    write_atomically(str(tmp_path / "file"), b"x")
    assert steps == ["fsync", "rename", "fsync"]


def test_failed_writes_leave_no_descriptor_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for step in ("fchmod", "fsync", "rename"):
        with monkeypatch.context() as patch:
            patch.setattr(atomic.os, step, raising(OSError("no")))
            with pytest.raises(OSError, match="no"):
                write_atomically(str(tmp_path / "file"), b"x")
    write_atomically(str(tmp_path / "file"), b"x")
    assert len(os.listdir("/proc/self/fd")) == before


def test_sync_directory_of_a_file_raises_not_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        sync_directory(str(tmp_path / "file"))


def test_set_aside_takes_the_first_free_number(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for number, content in enumerate([b"a", b"b", b"c"], start=1):
        path.write_bytes(content)
        assert set_aside(str(path)) == f"{path}.corrupted.{number}"
        assert (tmp_path / f"file.corrupted.{number}").read_bytes() == content
    assert not path.exists()
