"""Turns the pages of a store's listing into the entries that a client requested.

A store lists forwards from a name, and may roll names up at a delimiter. The rest is done here: both bounds,
groups that the store does not roll up, ``path``, and reverse order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Protocol

from s3_sync.errors import InvalidRequest
from s3_sync.listing.entry import Entry
from s3_sync.listing.midpoint import between
from s3_sync.listing.query import RESERVED, ListingQuery
from s3_sync.model.objects import ListedObject

#: sorts after every other character: a group + this sorts after (nearly) all names in the group
_LAST_CHARACTER = "\U0010ffff"
#: page size if not all entries may be needed, or none of the last page was shown
_PAGE = 1000
#: entries read before the search for the end starts: few ranges have more
_READ_BEFORE_SEARCH = 3 * _PAGE
#: page size of a probe of the search
_PROBE_PAGE = 100
#: consecutive probes without entries before the next page is read
_MAX_EMPTY_PROBES = 5
#: probes before a reverse walk stops searching
_MAX_PROBES = 300
_name = attrgetter("name")


class Page(Protocol):
    """See ``s3_sync.providers.base.ListPage``."""

    @property
    def objects(self) -> Sequence[ListedObject]: ...

    @property
    def prefixes(self) -> Sequence[str]: ...

    @property
    def next_after(self) -> str | None: ...


class Fetch(Protocol):
    """Fetches one page of a bucket; the parameters are those of ``s3_sync.providers.base.ListQuery``."""

    def __call__(self, prefix: str, start_after: str, delimiter: str, limit: int) -> Page: ...


class Walk:
    """The entries of one query, page by page, in its order and up to its limit.

    ``rolls_up`` False: the store is not asked to roll up, but its groups are still skipped, with at most one
    request each. ``read_before_search``: entries that a reverse walk reads before it searches for the end;
    ``probe_size``: entries read by each probe. ``account``: of the container, for symlinks. Raises what
    ``fetch`` raises, and InvalidRequest for a listing that does not advance.
    """

    def __init__(
        self,
        fetch: Fetch,
        query: ListingQuery,
        *,
        rolls_up: bool = True,
        account: str = "",
        read_before_search: int = _READ_BEFORE_SEARCH,
        probe_size: int = _PROBE_PAGE,
    ) -> None:
        self._fetch = fetch
        self._query = query
        self._account = account
        self._delimiter = query.delimiter if rolls_up and not query.level else ""
        self._skips = bool(query.delimiter) and not self._delimiter
        self._read_before_search = read_before_search
        self._probe_size = probe_size
        self._probes = 0

    def pages(self) -> Iterator[list[Entry]]:
        """Yield non-empty pages."""
        query = self._query
        if query.is_empty:
            return
        if query.reverse:
            if found := self._last_entries(query.after, query.before, query.limit):
                yield found[::-1]
            return
        remaining = query.limit
        for page in self._forwards(query.after, query.before, remaining):
            yield page[:remaining]
            remaining -= len(page)
            if remaining <= 0:
                return

    # Forwards

    def _forwards(self, after: str, before: str, wanted: int) -> Iterator[list[Entry]]:
        """Yield the entries between ``after`` and ``before``; ``wanted``: about how many are needed."""
        passed = self._query.group(after) or ""
        if passed and passed != after and not self._query.level and self._has_names(passed, after, before):
            # stores differ in whether they show the group of a start inside it
            yield [Entry.group(passed)]
        start = passed or (after if after > self._query.prefix else "")
        size = _PAGE if self._skips else min(wanted, 10 * _PAGE)
        while True:
            page = self._fetch(self._query.prefix, self._start(start, passed), self._delimiter, size)
            entries, passed, ended = self._select(page, passed, after, before)
            if entries:
                yield entries
            if ended or page.next_after is None:
                return
            below = bool(passed and self._delimiter and page.next_after.startswith(passed))
            if page.next_after <= start or (below and start == passed):
                raise InvalidRequest(f"the remote listing does not advance after {start!r}")
            start = passed if below else page.next_after
            if not entries:
                size = _PAGE

    def _start(self, start: str, passed: str) -> str:
        if self._skips and passed and start.startswith(passed):
            return max(start, passed + _LAST_CHARACTER)
        return start

    def _select(self, page: Page, passed: str, after: str, before: str) -> tuple[list[Entry], str, bool]:
        """Return the entries of a page to show, its last group, and whether the bound was reached."""
        query = self._query
        objects, ended = page.objects, False
        if before and objects and objects[-1].name >= before:
            objects, ended = objects[: bisect_left(objects, before, key=_name)], True
        if not query.delimiter:
            shown = [
                Entry.from_object(info, self._account) for info in objects if self._is_shown(info.name, after)
            ]
            return shown, "", ended
        entries: list[Entry] = []
        for name, info in _in_order(objects, page.prefixes):
            if before and name >= before:
                return entries, passed, True
            group = query.group(name)
            if group is None:
                if info is not None and self._is_shown(name, after):
                    entries.append(Entry.from_object(info, self._account))
            elif group != passed:
                passed = group
                entries += self._group_entries(group, info, after, before)
        return entries, passed, ended

    def _group_entries(self, group: str, info: ListedObject | None, after: str, before: str) -> list[Entry]:
        """Return the entries for a group; ``info`` is its first object if the store listed it."""
        if RESERVED in group:
            return []
        if self._query.level:
            return [Entry.from_object(info, self._account)] if info is not None and info.name == group else []
        if info is None and before.startswith(group) and not self._has_names(group, after, before):
            return []
        return [Entry.group(group)]

    def _is_shown(self, name: str, after: str) -> bool:
        if name <= after or RESERVED in name:
            return False
        return not (self._query.level and name == self._query.prefix)

    def _has_names(self, group: str, after: str, before: str) -> bool:
        """Return whether the group has a name between the two."""
        start, size = (after if after.startswith(group) else ""), 1
        while True:
            page = self._fetch(group, start, "", size)
            if page.objects:
                return not before or page.objects[0].name < before
            if page.next_after is None:
                return False
            start, size = page.next_after, _PAGE

    # Backwards

    def _last_entries(self, after: str, before: str, wanted: int) -> list[Entry]:
        """Return the last ``wanted`` entries between the two, in ascending order.

        Instead of reading all entries before them, it guesses a name in the middle and reads after that
        first.
        """
        probe_size = max(self._probe_size if self._probes else self._read_before_search, min(wanted, _PAGE))
        pages = self._forwards(after, before, probe_size)
        found: list[Entry] = []
        for page in pages:
            found += page
            if len(found) >= probe_size:
                break
        else:
            return found[-wanted:]
        after_middle, upper = self._search(found[-1].name, before, wanted)
        if len(after_middle) >= wanted:
            return after_middle
        rest: deque[Entry] = deque(maxlen=wanted - len(after_middle))
        if upper is None:
            for page in pages:
                rest.extend(page)
        else:
            rest.extend(self._last_entries(found[-1].name, upper, wanted - len(after_middle)))
        found += rest
        # a guess may be inside the group that was found last
        if after_middle and after_middle[0].name == found[-1].name:
            found.pop()
        return [*found, *after_middle][-wanted:]

    def _search(self, low: str, before: str, wanted: int) -> tuple[list[Entry], str | None]:
        """Return the last entries after a middle name, and the name before which the others are.

        None: there is no middle, or the probes are used up.
        """
        upper: str | None = None
        for _ in range(_MAX_EMPTY_PROBES):
            middle = between(low, upper or before, self._query.prefix)
            if middle is None or self._query.group(middle) == middle or self._probes >= _MAX_PROBES:
                return [], None if upper is None else upper
            self._probes += 1
            after_middle = self._last_entries(middle, upper or before, wanted)
            upper = middle + RESERVED
            if after_middle:
                return after_middle, upper
        return [], upper


def _in_order(
    objects: Sequence[ListedObject], prefixes: Sequence[str]
) -> Iterator[tuple[str, ListedObject | None]]:
    lines: list[tuple[str, ListedObject | None]] = [(info.name, info) for info in objects]
    if prefixes:
        lines += [(prefix, None) for prefix in prefixes]
        lines.sort(key=lambda line: line[0])
    return iter(lines)
