"""What a cursor has to remember of its rows, so that it can be told whether it is still theirs.

A container database numbers its rows, and a cursor is such a number. A database that was put back from a
backup gives the same numbers to other rows. While it is shorter than the cursor that is plain to see; once it
has grown again it is not, and what is below the cursor would never be looked at.

A row never changes under its number. It vanishes when its object is written again, which makes a new row at
the end, when Swift forgets a tombstone, or when rows move to a shard; and nothing ever comes in between. So
whatever is at or below the cursor was there when the cursor was saved; and in a database that was put back
and has grown beyond it, the highest rows up to the cursor were not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from s3_sync.model.rows import Row
from s3_sync.model.timestamps import Timestamp

#: so many rows are remembered: each may vanish, and one that is left is enough
LENGTH = 8
_DIGEST = 12


@dataclass(frozen=True, slots=True)
class Tail:
    """``rows``: the last ones up to a cursor, ROWID -> digest. ``newest``: none up to there is younger."""

    rows: Mapping[int, str]
    newest: Timestamp

    @classmethod
    def of(cls, last: Iterable[Row], newest: Timestamp) -> Tail:
        """``last``: the last LENGTH rows up to the cursor. ``newest``: of those before."""
        rows = list(last)
        return cls(
            {row.rowid: _digest(row) for row in rows},
            max([newest, *(row.timestamp for row in rows)]),
        )

    @classmethod
    def from_json(cls, value: Any) -> Tail | None:
        """None for anything that this version has not written."""
        try:
            rows = {int(rowid): str(digest) for rowid, digest in value["rows"]}
            return cls(rows, Timestamp.parse(value["newest"]))
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
            return None

    def to_json(self) -> dict[str, Any]:
        return {"newest": self.newest.internal, "rows": [list(each) for each in self.rows.items()]}

    def is_of(self, last: Sequence[Row]) -> bool:
        """Whether ``last``, the last LENGTH rows up to the cursor now, newest first, were there then.

        Where all that are remembered have vanished, the highest one that is left must not be younger than
        anything was then.
        """
        lowest = min(self.rows, default=0)
        near = [row for row in last if row.rowid >= lowest]
        if near:
            return all(self.rows.get(row.rowid) == _digest(row) for row in near)
        return not last or last[0].timestamp <= self.newest


def _digest(row: Row) -> str:
    told = (row.name, row.policy, row.data_timestamp.internal, row.timestamp.internal, row.deleted)
    return hashlib.sha256(repr(told).encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
