"""Whether a file, or one that holds a secret, has become another one."""

from __future__ import annotations

import os
from pathlib import Path

from s3_sync.config.file_watch import FileWatch


def replace(path: Path, text: str) -> None:
    """As careful writers do."""
    other = path.with_name("other")
    other.write_text(text)
    os.replace(other, path)


def test_changed_is_true_at_first_and_after_each_change(tmp_path: Path) -> None:
    path = tmp_path / "sync.json"
    watch = FileWatch(str(path))
    assert (watch.changed(), watch.changed()) == (True, False)  # it is not there
    path.write_text("a")
    assert (watch.changed(), watch.changed()) == (True, False)
    replace(path, "b")
    assert (watch.changed(), watch.changed()) == (True, False)
    path.write_text("longer")
    assert watch.changed()
    path.unlink()
    assert (watch.changed(), watch.changed()) == (True, False)


def test_changed_is_true_after_change_of_watched_secret_file(tmp_path: Path) -> None:
    path, secret = tmp_path / "sync.json", tmp_path / "secret"
    path.write_text("a")
    secret.write_text("one")
    watch = FileWatch(str(path))
    assert watch.changed()
    watch.watch_also([str(secret)])
    assert (watch.changed(), watch.changed()) == (True, False)
    replace(secret, "two")
    assert (watch.changed(), watch.changed()) == (True, False)
