"""Recon files: whole, readable by all, and never in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3_sync.daemon import recon_file as recon


def test_what_is_written_is_read(tmp_path: Path) -> None:
    recon.write(str(tmp_path), 0, {"container": "ü ☃"})
    recon.write(str(tmp_path), 12, {"x": 1})
    recon.write(str(tmp_path), 12, {"x": 2})
    assert recon.read(str(tmp_path)) == {0: {"container": "ü ☃"}, 12: {"x": 2}}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "swift-s3-sync-0.recon",
        "swift-s3-sync-12.recon",
    ]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o644}


def test_what_is_not_one_of_them_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "swift-s3-sync-0.recon").write_text("{")
    (tmp_path / "swift-s3-sync-1.recon").write_text("[]")
    (tmp_path / "swift-s3-sync-2.recon").mkdir()
    (tmp_path / "container.recon").write_text("{}")
    assert recon.read(str(tmp_path)) == {}
    assert recon.read(str(tmp_path / "nowhere")) == {}


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    recon.write(str(tmp_path), 0, {"x": 1})
    with pytest.raises(TypeError):
        recon.write(str(tmp_path), 0, {"x": object()})
    assert recon.read(str(tmp_path)) == {0: {"x": 1}}
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(FileNotFoundError):
        recon.write(str(tmp_path / "nowhere"), 0, {})
