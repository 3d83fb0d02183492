"""From the pages of a store's listing to the entries that a client asked for.

A store lists forwards from a name on, and may roll names up behind a delimiter. Everything else is done
here: both bounds, groups that the store would not make, ``path``, and the way backwards.
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
from s3_sync.model.objects import ObjectInfo

#: sorts behind every other character: a group + this is behind (nearly) all that is below the group
_LAST_CHARACTER = "\U0010ffff"
#: of a page whose entries may not all be needed, or of which nothing was shown
_PAGE = 1000
#: entries that are read before the search for the end begins: few ranges hold more
_FIRST = 3 * _PAGE
#: of a page that is to tell where to look next
_LOOK = 100
#: guesses behind which there was nothing, until the next page tells more
_EMPTY_LOOKS = 5
#: looks at one range after the other before a walk backwards gives up guessing
_MOST_PROBES = 300
_name = attrgetter("name")


class Page(Protocol):
    """See ``s3_sync.providers.base.ListPage``."""

    @property
    def objects(self) -> Sequence[ObjectInfo]: ...

    @property
    def prefixes(self) -> Sequence[str]: ...

    @property
    def next_after(self) -> str | None: ...


class Fetch(Protocol):
    """One page of a bucket; see ``s3_sync.providers.base.ListQuery`` for what the words mean."""

    def __call__(self, prefix: str, start_after: str, delimiter: str, limit: int) -> Page: ...


class Walk:
    """The entries of one query, page by page, in its order and up to its limit.

    ``rolls_up`` False: the store is not asked to roll up, but its groups are skipped all the same, each
    with at most one request. ``first``: so many entries are read, on the way backwards, before the search
    for the end begins; ``look``: and at each step of it. Raises what ``fetch`` raises, and InvalidRequest
    for a listing that stands still.
    """

    def __init__(
        self,
        fetch: Fetch,
        query: ListingQuery,
        *,
        rolls_up: bool = True,
        first: int = _FIRST,
        look: int = _LOOK,
    ) -> None:
        self._fetch = fetch
        self._query = query
        self._delimiter = query.delimiter if rolls_up and not query.level else ""
        self._skips = bool(query.delimiter) and not self._delimiter
        self._first = first
        self._look = look
        self._probes = 0

    def pages(self) -> Iterator[list[Entry]]:
        """None of them is empty."""
        query = self._query
        if query.is_empty:
            return
        if query.reverse:
            if found := self._last(query.after, query.before, query.limit):
                yield found[::-1]
            return
        room = query.limit
        for page in self._forwards(query.after, query.before, room):
            yield page[:room]
            room -= len(page)
            if room <= 0:
                return

    # Forwards

    def _forwards(self, after: str, before: str, wanted: int) -> Iterator[list[Entry]]:
        """The entries of the names between ``after`` and ``before``; ``wanted``: about so many."""
        passed = self._query.group(after) or ""
        if passed and passed != after and not self._query.level and self._holds(passed, after, before):
            # stores do not agree whether the group of a start in its middle is to be shown
            yield [Entry.of_group(passed)]
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
                raise InvalidRequest(f"the remote listing does not go on behind {start!r}")
            start = passed if below else page.next_after
            if not entries:
                size = _PAGE

    def _start(self, start: str, passed: str) -> str:
        if self._skips and passed and start.startswith(passed):
            return max(start, passed + _LAST_CHARACTER)
        return start

    def _select(self, page: Page, passed: str, after: str, before: str) -> tuple[list[Entry], str, bool]:
        """What of a page is shown, the last group in it, and whether that was all."""
        query = self._query
        objects, ended = page.objects, False
        if before and objects and objects[-1].name >= before:
            objects, ended = objects[: bisect_left(objects, before, key=_name)], True
        if not query.delimiter:
            shown = [Entry.of_object(info) for info in objects if self._is_shown(info.name, after)]
            return shown, "", ended
        entries: list[Entry] = []
        for name, info in _in_order(objects, page.prefixes):
            if before and name >= before:
                return entries, passed, True
            group = query.group(name)
            if group is None:
                if info is not None and self._is_shown(name, after):
                    entries.append(Entry.of_object(info))
            elif group != passed:
                passed = group
                entries += self._of_group(group, info, after, before)
        return entries, passed, ended

    def _of_group(self, group: str, info: ObjectInfo | None, after: str, before: str) -> list[Entry]:
        """What is shown of a group, of which ``info`` is the first object if the store listed it."""
        if RESERVED in group:
            return []
        if self._query.level:
            return [Entry.of_object(info)] if info is not None and info.name == group else []
        if info is None and before.startswith(group) and not self._holds(group, after, before):
            return []
        return [Entry.of_group(group)]

    def _is_shown(self, name: str, after: str) -> bool:
        if name <= after or RESERVED in name:
            return False
        return not (self._query.level and name == self._query.prefix)

    def _holds(self, group: str, after: str, before: str) -> bool:
        """Whether any name of a group is between the two."""
        start, size = (after if after.startswith(group) else ""), 1
        while True:
            page = self._fetch(group, start, "", size)
            if page.objects:
                return not before or page.objects[0].name < before
            if page.next_after is None:
                return False
            start, size = page.next_after, _PAGE

    # Backwards

    def _last(self, after: str, before: str, wanted: int) -> list[Entry]:
        """The last ``wanted`` entries between the two, in ascending order.

        Instead of walking through all that comes before them, it guesses a name in the middle, and looks
        behind it first.
        """
        look = max(self._look if self._probes else self._first, min(wanted, _PAGE))
        pages = self._forwards(after, before, look)
        found: list[Entry] = []
        for page in pages:
            found += page
            if len(found) >= look:
                break
        else:
            return found[-wanted:]
        behind, upper = self._search(found[-1].name, before, wanted)
        if len(behind) >= wanted:
            return behind
        rest: deque[Entry] = deque(maxlen=wanted - len(behind))
        if upper is None:
            for page in pages:
                rest.extend(page)
        else:
            rest.extend(self._last(found[-1].name, upper, wanted - len(behind)))
        found += rest
        # a guess may lie in the group that was found last
        if behind and behind[0].name == found[-1].name:
            found.pop()
        return [*found, *behind][-wanted:]

    def _search(self, low: str, before: str, wanted: int) -> tuple[list[Entry], str | None]:
        """The last entries behind some name in the middle, and before what the others are.

        None: there is no middle, or it was sought too often already.
        """
        upper: str | None = None
        for _ in range(_EMPTY_LOOKS):
            middle = between(low, upper or before, self._query.prefix)
            if middle is None or self._query.group(middle) == middle or self._probes >= _MOST_PROBES:
                return [], None if upper is None else upper
            self._probes += 1
            behind = self._last(middle, upper or before, wanted)
            upper = middle + RESERVED
            if behind:
                return behind, upper
        return [], upper


def _in_order(
    objects: Sequence[ObjectInfo], prefixes: Sequence[str]
) -> Iterator[tuple[str, ObjectInfo | None]]:
    lines: list[tuple[str, ObjectInfo | None]] = [(info.name, info) for info in objects]
    if prefixes:
        lines += [(prefix, None) for prefix in prefixes]
        lines.sort(key=lambda line: line[0])
    return iter(lines)
