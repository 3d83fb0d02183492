"""Recon files: always complete, and readable by all users."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3_sync.daemon import recon_file as recon

PROGRAM = "swift-s3-sync"


def test_read_returns_the_last_write_of_each_process(tmp_path: Path) -> None:
    recon.write(str(tmp_path), PROGRAM, 0, {"container": "ü ☃"})
    recon.write(str(tmp_path), PROGRAM, 12, {"x": 1})
    recon.write(str(tmp_path), PROGRAM, 12, {"x": 2})
    assert recon.read(str(tmp_path), PROGRAM) == {0: {"container": "ü ☃"}, 12: {"x": 2}}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "swift-s3-sync-0.recon",
        "swift-s3-sync-12.recon",
    ]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o644}


def test_programs_with_one_directory_have_their_own_files(tmp_path: Path) -> None:
    recon.write(str(tmp_path), PROGRAM, 0, {"x": 1})
    recon.write(str(tmp_path), "swift-s3-migrator", 0, {"x": 2})
    assert recon.read(str(tmp_path), PROGRAM) == {0: {"x": 1}}
    assert recon.read(str(tmp_path), "swift-s3-migrator") == {0: {"x": 2}}


def test_read_leaves_out_damaged_and_foreign_files(tmp_path: Path) -> None:
    (tmp_path / "swift-s3-sync-0.recon").write_text("{")
    (tmp_path / "swift-s3-sync-1.recon").write_text("[]")
    (tmp_path / "swift-s3-sync-2.recon").mkdir()
    (tmp_path / "container.recon").write_text("{}")
    assert recon.read(str(tmp_path), PROGRAM) == {}
    assert recon.read(str(tmp_path / "nowhere"), PROGRAM) == {}


def test_write_that_fails_leaves_the_previous_file(tmp_path: Path) -> None:
    recon.write(str(tmp_path), PROGRAM, 0, {"x": 1})
    with pytest.raises(TypeError):
        recon.write(str(tmp_path), PROGRAM, 0, {"x": object()})
    assert recon.read(str(tmp_path), PROGRAM) == {0: {"x": 1}}
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(FileNotFoundError):
        recon.write(str(tmp_path / "nowhere"), PROGRAM, 0, {})
