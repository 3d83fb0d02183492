"""Changes that the operator makes in a journal, whether or not a daemon has it open.

Transactions are short, because a daemon that waits for one is blocked as a whole.
"""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Callable, Sequence
from typing import TypeVar

from s3_sync.errors import StateError
from s3_sync.state.journal import EDITED
from s3_sync.state.left_segments import FAILED
from s3_sync.state.left_segments import SCHEMA as SEGMENTS_SCHEMA

Item = TypeVar("Item")

#: objects changed in one transaction, which takes some milliseconds
BATCH_SIZE = 200


class JournalEdit:
    """Edits the journal at ``path``; does nothing if there is none. Raises StateError."""

    def __init__(self, path: str) -> None:
        self._path = path

    def retry(self, mapping: str, names: Sequence[str], now: float) -> int:
        """Make failures due now, including quarantined ones, expired copies and segments that could not be
        deleted, the latter by their paths, and the metadata of the container, whose name is empty; returns
        their number."""

        def change(db: sqlite3.Connection, name: str) -> int:
            found = db.execute(
                "UPDATE unsettled SET state = 'retry', next_try = min(next_try, ?)"
                " WHERE mapping = ? AND name = ? AND state != 'waiting'",
                (now, mapping, name),
            ).rowcount
            found += db.execute(
                "UPDATE expiries SET next_try = min(next_try, ?)"
                " WHERE mapping = ? AND name = ? AND attempts > 0",
                (now, mapping, name),
            ).rowcount
            container, _, segment = name.partition("/")
            found += db.execute(
                f"UPDATE left_segments SET due = min(due, ?) WHERE {FAILED} AND container = ? AND name = ?",
                (now, mapping, container, segment),
            ).rowcount
            if not name:
                found += db.execute(
                    "UPDATE containers SET next_try = min(next_try, ?) WHERE mapping = ? AND attempts > 0",
                    (now, mapping),
                ).rowcount
            return int(found > 0)

        return self._change(names, change)

    def forget(self, mapping: str, entries: Sequence[tuple[str, str]]) -> int:
        """Drop failures, each by name and timestamp, so one about a newer version stays; returns their
        number. Expired copies are kept, because nothing else refers to them."""

        def change(db: sqlite3.Connection, entry: tuple[str, str]) -> int:
            return db.execute(
                "DELETE FROM unsettled"
                " WHERE mapping = ? AND name = ? AND timestamp = ? AND state != 'waiting'",
                (mapping, *entry),
            ).rowcount

        return self._change(entries, change)

    def _change(self, items: Sequence[Item], change: Callable[[sqlite3.Connection, Item], int]) -> int:
        if not os.path.exists(self._path):
            return 0
        changed = 0
        try:
            db = sqlite3.connect(self._path, timeout=10)
            try:
                db.execute("PRAGMA synchronous = FULL")
                db.executescript(SEGMENTS_SCHEMA)  # which journals of earlier versions do not have
                for start in range(0, len(items), BATCH_SIZE):
                    with db:
                        changed += sum(change(db, item) for item in items[start : start + BATCH_SIZE])
                        db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (EDITED, uuid.uuid4().hex))
            finally:
                db.close()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise StateError(f"cannot write the journal {self._path}: {error}") from error
        return changed
