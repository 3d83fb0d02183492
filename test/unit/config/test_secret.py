"""Secrets that stand elsewhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from s3_sync.config.load import load
from unit.config.written import MAPPING, problems_of, warnings_of


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    path = tmp_path / "the.secret"
    path.write_text("from a file\n")
    path.chmod(0o600)
    return path


def secret_of(path: Path) -> str:
    loaded = load(path)
    assert problems_of(loaded) == []
    assert loaded.settings
    secret = loaded.settings.mappings[0].credentials.secret
    assert secret
    return secret.reveal()


def test_secret_in_file_is_read_without_line_end(write: Any, kept: Path) -> None:
    path = write(MAPPING | {"aws_secret": {"file": str(kept)}})
    assert secret_of(path) == "from a file"
    kept.write_bytes(b" with blanks \r\n")
    assert secret_of(path) == " with blanks "


def test_secret_in_environment_is_read(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "from outside")
    assert secret_of(write(MAPPING | {"aws_secret": {"env": "A_SECRET"}})) == "from outside"


def test_world_readable_secret_file_gives_a_warning(write: Any, kept: Path) -> None:
    path = write(MAPPING | {"aws_secret": {"file": str(kept)}})
    kept.chmod(0o644)
    assert warnings_of(load(path)) == [
        f"containers[0].aws_secret: {kept} is readable by every user: chmod o-rwx"
    ]
    kept.chmod(0o640)
    assert warnings_of(load(path)) == []


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ({"env": "NOT_THERE"}, "the environment variable NOT_THERE is not set"),
        ({"env": "EMPTY"}, "the environment variable EMPTY is empty"),
        ({"file": "/no/where"}, "/no/where cannot be read: No such file or directory"),
        ({"file": "relative"}, "relative is not an absolute path"),
        ({"file": "/"}, "/ is not a regular file"),
        ({"file": "/a\0b"}, "/a\0b is not an absolute path"),
        ({"file": ""}, 'must be text, {"env": NAME} or {"file": PATH}'),
        ({"file": 7}, 'must be text, {"env": NAME} or {"file": PATH}'),
        ({}, 'must be text, {"env": NAME} or {"file": PATH}'),
        ({"env": "A", "file": "/a"}, 'must be text, {"env": NAME} or {"file": PATH}'),
        ({"vault": "a"}, 'must be text, {"env": NAME} or {"file": PATH}'),
    ],
)
def test_invalid_secret_reference_refuses_the_mapping(
    write: Any, monkeypatch: pytest.MonkeyPatch, reference: Any, problem: str
) -> None:
    monkeypatch.setenv("EMPTY", "")
    loaded = load(write(MAPPING | {"aws_secret": reference}, MAPPING | {"container": "good"}))
    assert problems_of(loaded) == [f"containers[0].aws_secret: {problem}"]
    assert loaded.settings
    assert [mapping.container for mapping in loaded.settings.mappings] == ["good"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "is empty"), (b"\n", "is empty"), (b"\xff", "is not UTF-8"), (b"a" * 65537, "is too long")],
)
def test_secret_file_with_unusable_content_is_reported(
    write: Any, kept: Path, content: bytes, problem: str
) -> None:
    kept.write_bytes(content)
    [found] = problems_of(load(write(MAPPING | {"aws_secret": {"file": str(kept)}})))
    assert found.startswith(f"containers[0].aws_secret: {kept} {problem}")


def test_secret_file_that_is_a_pipe_is_refused_without_blocking(write: Any, kept: Path) -> None:
    kept.unlink()
    os.mkfifo(kept)
    loaded = load(write(MAPPING | {"aws_secret": {"file": str(kept)}}))
    assert problems_of(loaded) == [f"containers[0].aws_secret: {kept} is not a regular file"]
