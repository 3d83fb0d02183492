"""The failures of migrations as other processes than the migrator see them: read, retried, forgotten."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence

from s3_sync.errors import StateError
from s3_sync.state.migration_failures import COLUMNS, MigrationFailure
from s3_sync.state.sqlite_view import SqliteView

#: entries changed in one transaction, which takes some milliseconds
_BATCH_SIZE = 200
_PAGE = 1000


class MigrationFailuresView:
    """The journal of failures at ``path``, which need not exist yet. ``key``: a mapping's ``journal_key``.
    Every method raises StateError."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._view = SqliteView(path)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the number of failed objects by mapping and reason, and of containers as a whole."""
        found: dict[str, dict[str, int]] = {}
        query = "SELECT mapping, reason, count(*) FROM failures GROUP BY mapping, reason"
        for mapping, reason, number in self._view.all(query):
            found.setdefault(mapping, {})[reason] = number
        return found

    def whole(self) -> dict[str, MigrationFailure]:
        """Return the failures of whole containers and migrations, by mapping."""
        rows = self._view.all(f"SELECT mapping, {COLUMNS} FROM failures WHERE name = ''")
        return {mapping: MigrationFailure(*row) for mapping, *row in rows}

    def entries(self, key: str) -> Iterator[MigrationFailure]:
        """Iterate over the failures of a mapping, by name."""
        yield from self._page("mapping = ? AND name = ''", key)
        after = ""
        while page := self._page(f"mapping = ? AND name > ? ORDER BY name LIMIT {_PAGE}", key, after):
            yield from page
            after = page[-1].name

    def entry(self, key: str, name: str) -> MigrationFailure | None:
        return next(iter(self._page("mapping = ? AND name = ?", key, name)), None)

    def retry(self, key: str, names: Sequence[str]) -> int:
        """Make failures due now; returns their number."""
        return self._change("UPDATE failures SET next_try = 0 WHERE mapping = ? AND name = ?", key, names)

    def forget(self, key: str, names: Sequence[str]) -> int:
        """Drop failures; an object that still fails in the next pass is recorded again. Returns their
        number."""
        return self._change("DELETE FROM failures WHERE mapping = ? AND name = ?", key, names)

    def close(self) -> None:
        self._view.close()

    def _page(self, where: str, *values: object) -> list[MigrationFailure]:
        rows = self._view.all(f"SELECT {COLUMNS} FROM failures WHERE {where}", *values)
        return [MigrationFailure(*row) for row in rows]

    def _change(self, statement: str, key: str, names: Sequence[str]) -> int:
        if not os.path.exists(self._path):
            return 0
        changed = 0
        try:
            db = sqlite3.connect(self._path, timeout=10)
            try:
                db.execute("PRAGMA synchronous = FULL")
                for start in range(0, len(names), _BATCH_SIZE):
                    with db:
                        for name in names[start : start + _BATCH_SIZE]:
                            changed += db.execute(statement, (key, name)).rowcount
            finally:
                db.close()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise StateError(f"cannot write the journal {self._path}: {error}") from error
        return changed
