"""What an operator may change in a journal, beside the process that writes it or without it.

Short transactions, so that the other one never waits for long: it stands still while it does.
"""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Callable, Sequence
from typing import TypeVar

from s3_sync.errors import StateError
from s3_sync.state.journal import EDITED

Item = TypeVar("Item")

#: so many objects are changed in one transaction: some milliseconds
AT_ONCE = 200


class JournalEdit:
    """The journal at ``path``; where there is none, nothing is changed. Raises StateError."""

    def __init__(self, path: str) -> None:
        self._path = path

    def retry(self, mapping: str, names: Sequence[str], now: float) -> int:
        """Try these again at once, those in quarantine too; how many there were. Expired copies are among
        them that could not be deleted."""

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
            return int(found > 0)

        return self._change(names, change)

    def forget(self, mapping: str, entries: Sequence[tuple[str, str]]) -> int:
        """Drop failures, each by its name and timestamp: one that is about a newer version stays. How many
        there were. Expired copies are not forgotten: nothing else tells of them."""

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
                for start in range(0, len(items), AT_ONCE):
                    with db:
                        changed += sum(change(db, item) for item in items[start : start + AT_ONCE])
                        db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (EDITED, uuid.uuid4().hex))
            finally:
                db.close()
        except sqlite3.Error as error:
            raise StateError(f"cannot write the journal {self._path}: {error}") from error
        return changed
