"""Which local objects belong to a migration, and which to clients."""

from __future__ import annotations

from s3_sync.cluster.newest import LocalState, Present
from s3_sync.model.migration import OWNER, SOURCE
from s3_sync.model.timestamps import Timestamp

#: objects of clients that are remembered at a time
REMEMBERED = 200_000


def owned_version(state: LocalState, source_digest: str) -> Present | None:
    """Return the object if it is as a migration from this source has written it; None if not, and for one
    that expires now.

    The mark has to be the X-Timestamp. A POST or PUT by a client removes it; but a copy of the object that a
    client makes, or that Swift keeps as an older version, inherits it, with an X-Timestamp of its own.

    What another source had, of which this one knows nothing, stays: the migration from there was changed or
    has ended, which deletes nothing. Earlier versions did not note the source; their objects are taken over.
    """
    if not isinstance(state, Present) or state.expired:
        return None
    try:
        marked = Timestamp.parse(state.headers.get(OWNER, ""))
    except ValueError:
        return None
    is_from_here = state.headers.get(SOURCE, source_digest) == source_digest
    return state if marked == state.timestamp and is_from_here else None


class ClientObjects:
    """Remembers objects that were found to be clients' own, so that passes do not look at them again while
    their times in the listing stay the same. A bounded number; shared by all migrations of a process."""

    def __init__(self, limit: int = REMEMBERED) -> None:
        self._half = limit // 2
        self._recent: set[int] = set()
        self._older: set[int] = set()

    def add(self, path: str, last_modified: float) -> None:
        if len(self._recent) >= self._half:
            self._older, self._recent = self._recent, set()
        self._recent.add(hash((path, last_modified)))

    def has(self, path: str, last_modified: float) -> bool:
        key = hash((path, last_modified))
        if key in self._older:
            self.add(path, last_modified)
        return key in self._recent
