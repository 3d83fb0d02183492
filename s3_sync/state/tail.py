"""Detects that a container database was replaced by an older copy of itself under a cursor.

A cursor is a ROWID. A database restored from a backup assigns the same ROWIDs to other rows. While it is
shorter than the cursor that is obvious; once it has grown again it is not, and rows below the cursor would
never be handled.

A row never changes under its ROWID. It vanishes when its object is written again (which appends a new row),
when Swift reclaims a tombstone, or when rows move to a shard; and no row is ever inserted in between. So
every row at or below the cursor existed when the cursor was saved, while in a restored database that has
grown beyond the cursor, the highest rows up to it did not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from s3_sync.model.rows import Row
from s3_sync.model.timestamps import Timestamp

#: rows remembered: each may vanish, and one that is left is enough
LENGTH = 8
#: hexadecimal digits
_DIGEST_LENGTH = 12


@dataclass(frozen=True, slots=True)
class Tail:
    """The last rows up to a cursor. ``rows``: ROWID -> digest. ``newest``: no row up to there is younger."""

    rows: Mapping[int, str]
    newest: Timestamp

    @classmethod
    def of(cls, last: Iterable[Row], newest: Timestamp) -> Tail:
        """Make a tail of the ``last`` LENGTH rows up to the cursor and the ``newest`` timestamp before
        them."""
        rows = list(last)
        return cls(
            {row.rowid: _digest(row) for row in rows},
            max([newest, *(row.timestamp for row in rows)]),
        )

    @classmethod
    def from_json(cls, value: Any) -> Tail | None:
        """Returns None for anything that this version has not written."""
        try:
            rows = {int(rowid): str(digest) for rowid, digest in value["rows"]}
            return cls(rows, Timestamp.parse(value["newest"]))
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
            return None

    def to_json(self) -> dict[str, Any]:
        return {"newest": self.newest.internal, "rows": [list(each) for each in self.rows.items()]}

    def is_of(self, last: Sequence[Row]) -> bool:
        """Returns whether ``last``, the current last LENGTH rows up to the cursor, newest first, existed when
        the tail was made.

        If all remembered rows have vanished, the highest remaining one must not be younger than ``newest``.
        """
        lowest = min(self.rows, default=0)
        near = [row for row in last if row.rowid >= lowest]
        if near:
            return all(self.rows.get(row.rowid) == _digest(row) for row in near)
        return not last or last[0].timestamp <= self.newest


def _digest(row: Row) -> str:
    identity = (row.name, row.policy, row.data_timestamp.internal, row.timestamp.internal, row.deleted)
    return hashlib.sha256(repr(identity).encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_LENGTH]
