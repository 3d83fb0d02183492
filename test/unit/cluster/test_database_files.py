"""The fingerprint that tells whether a container database has changed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from s3_sync.cluster.database_files import DatabaseFiles


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "hash"
    folder.mkdir()
    (folder / "hash.db").write_bytes(b"rows")
    _age(folder)
    return folder / "hash.db"


def _age(folder: Path) -> None:
    """As if everything had been written a while ago."""
    when = time.time() - 10
    for each in (*folder.iterdir(), folder):
        os.utime(each, (when, when))


def test_fingerprint_lists_the_directory_again_only_after_a_change(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[object] = []
    real = os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: (listed.append(folder), real(folder))[1])
    files = DatabaseFiles()
    first = files.fingerprint(str(path))
    assert first is not None
    assert [files.fingerprint(str(path)) for _ in range(5)] == [first] * 5
    assert len(listed) == 1
    path.with_suffix(".db.pending").write_bytes(b"a row")
    assert files.fingerprint(str(path)) != first
    assert len(listed) == 2


def test_fingerprint_changes_when_another_database_file_replaces_it(path: Path) -> None:
    """As in sharding: the new file is created first, then the old one is deleted."""
    files = DatabaseFiles()
    first = files.fingerprint(str(path))
    (path.parent / "hash_1700000000.00000.db").write_bytes(b"rows")
    both = files.fingerprint(str(path))
    path.unlink()
    assert files.fingerprint(str(path)) not in (None, first, both)
    (path.parent / "hash_1700000000.00000.db").unlink()
    assert files.fingerprint(str(path)) is None
    path.parent.rmdir()
    assert files.fingerprint(str(path)) is None
