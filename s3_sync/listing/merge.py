"""Merges two sorted listings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import gt, lt
from typing import Any

from s3_sync.errors import InvalidRequest, LocalError
from s3_sync.listing.entry import Entry, is_newer

Pair = tuple[Entry | None, Entry | None]
#: the local cluster's name among an entry's locations
LOCAL = "swift"


class ListingMerger:
    """Merges two listings of one container, each sorted by UTF-8 bytes, descending if ``reverse``.

    A side that is out of order or repeats a name is refused: InvalidRequest for the remote one, LocalError
    for the local one. (Comparing code points gives the order of the UTF-8 bytes.)
    """

    def __init__(self, local: Iterable[Entry], remote: Iterable[Entry], *, reverse: bool = False) -> None:
        self._local = local
        self._remote = remote
        self._before: Callable[[str, str], bool] = gt if reverse else lt

    def pairs(self) -> Iterator[Pair]:
        """Yield one (local, remote) pair per name, with None for a side that does not have it."""
        before = self._before
        locals_, remotes = self._ordered_local(), self._ordered_remote()
        local, remote = next(locals_, None), next(remotes, None)
        while local is not None and remote is not None:
            if local[0] == remote[0]:
                yield local, remote
                local, remote = next(locals_, None), next(remotes, None)
            elif before(local[0], remote[0]):
                yield local, None
                local = next(locals_, None)
            else:
                yield None, remote
                remote = next(remotes, None)
        while local is not None:
            yield local, None
            local = next(locals_, None)
        while remote is not None:
            yield None, remote
            remote = next(remotes, None)

    def spliced(self, limit: int, location: str) -> Iterator[Mapping[str, Any]]:
        """Yield the first ``limit`` records of the merged listing.

        A remote record has ``content_location``: a list of ``location`` and, if the object is also local,
        ``swift``. For an object on both sides the newer record is used.
        """
        if limit <= 0:
            return
        remote_only, both = [location], [location, LOCAL]
        for number, (local, remote) in enumerate(self.pairs(), 1):
            if remote is None:
                assert local is not None
                yield local.record
            elif local is None:
                yield {**remote.record, "content_location": remote_only}
            else:
                shown = remote if is_newer(remote.record, local.record) else local
                yield {**shown.record, "content_location": both}
            if number == limit:
                return

    def _ordered_local(self) -> Iterator[Entry]:
        def refuse(name: str, last: str) -> Exception:
            return LocalError(f"the local listing is out of order: {name!r} after {last!r}")

        return self._ordered(self._local, refuse)

    def _ordered_remote(self) -> Iterator[Entry]:
        def refuse(name: str, last: str) -> Exception:
            return InvalidRequest(f"the remote listing is out of order: {name!r} after {last!r}")

        return self._ordered(self._remote, refuse)

    def _ordered(self, entries: Iterable[Entry], refuse: Callable[[str, str], Exception]) -> Iterator[Entry]:
        before = self._before
        last: str | None = None
        for entry in entries:
            name = entry[0]
            if last is not None and not before(last, name):
                raise refuse(name, last)
            last = name
            yield entry
