"""Where a daemon keeps its files below ``status_dir``."""

from __future__ import annotations

import os

_JOURNAL = ".journal.sqlite"
_MIGRATION_FAILURES = ".failures.sqlite"


def journal_path(status_dir: str) -> str:
    return os.path.join(status_dir, _JOURNAL)


def migration_failures_path(status_dir: str) -> str:
    return os.path.join(status_dir, _MIGRATION_FAILURES)
