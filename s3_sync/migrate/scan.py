"""Walks the listings of both sides of a migrated container, and pairs what they list.

The names that the local container has already divide the source's listing into ranges of about one page
each, so that several pages are requested at a time. The first pass over an empty container has one range,
whose pages follow each other; each is requested while the one before it is handled.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile

from s3_sync.errors import ListingUnusable, LocalUnavailable
from s3_sync.migrate.decide import LocalEntry
from s3_sync.model.objects import ListedObject
from s3_sync.providers.base import Bucket, ListPage, ListQuery
from s3_sync.runtime.concurrency import Pool

Pair = tuple[ListedObject | None, LocalEntry | None]
#: lists the local objects after a name, sorted
LocalListing = Callable[[str], Iterator[LocalEntry]]
#: pages of the source that are requested at a time
READ_AHEAD = 4


@dataclass(frozen=True, slots=True)
class Batch:
    """What both sides list after ``after`` up to ``last``; None: to the end. ``listed``: objects that the
    source lists."""

    pairs: Sequence[Pair]
    after: str
    last: str | None
    listed: int


class Scan:
    """``prefix``: names without it are on no side. ``chunk``: entries per page. ``pool``: its threads request
    pages; they must not be those that handle the batches."""

    def __init__(self, source: Bucket, local: LocalListing, prefix: str, chunk: int, pool: Pool) -> None:
        self._source = source
        self._local = local
        self._prefix = prefix
        self._chunk = chunk
        self._pool = pool

    def batches(self, after: str = "", until: str | None = None) -> Iterator[Batch]:
        """Yield everything that either side lists after ``after``, in order, up to ``until``; None: to the
        end.

        Raises what listing the source raises, ListingUnusable for one that is out of order, and
        LocalUnavailable.
        """
        ahead: deque[_Range] = deque()
        ranges = self._ranges(after, until)
        while True:
            ahead.extend(islice(ranges, READ_AHEAD - len(ahead)))
            if not ahead:
                return
            yield from self._of_range(ahead.popleft())

    def _ranges(self, after: str, until: str | None) -> Iterator[_Range]:
        entries = _ordered_local(self._local(after), after)
        if until is not None:
            entries = takewhile(lambda entry: entry.name <= until, entries)
        following = list(islice(entries, 1))
        while True:
            chunk = following + list(islice(entries, self._chunk - len(following)))
            following = list(islice(entries, 1))
            last = chunk[-1].name if following else until
            yield _Range(after, last, chunk, self._request(after))
            if not following:
                return
            after = chunk[-1].name

    def _request(self, after: str) -> _Request:
        query = ListQuery(prefix=self._prefix, start_after=after, limit=self._chunk)
        return _Request(self._pool, lambda: self._source.list_objects(query))

    def _of_range(self, part: _Range) -> Iterator[Batch]:
        request, after, local = part.request, part.after, deque(part.local)
        while True:
            page = request.page()
            _check_order(page, after, self._prefix)
            objects = page.objects
            if part.last is not None and objects and objects[-1].name > part.last:
                objects = tuple(each for each in objects if each.name <= part.last)
                is_end = True
            else:
                is_end = page.next_after is None or (part.last is not None and page.next_after >= part.last)
            last = part.last if is_end else page.next_after
            if last is not None and not is_end:
                request = self._request(last)
            yield Batch(_pair(objects, local, last), after, last, len(objects))
            if last is None or is_end:
                return
            after = last


class _Request:
    """A page that is requested in another thread."""

    def __init__(self, pool: Pool, fetch: Callable[[], ListPage]) -> None:
        self._done = threading.Event()
        self._page: ListPage | None = None
        self._error: BaseException | None = None
        self._fetch = fetch
        pool.spawn(self._run)

    def page(self) -> ListPage:
        """Wait for the page. Raises what requesting it has raised."""
        self._done.wait()
        if self._page is None:
            raise self._error or RuntimeError("no page")
        return self._page

    def _run(self) -> None:
        try:
            self._page = self._fetch()
        except BaseException as error:  # the reader must get it, even if the thread was killed
            self._error = error
        finally:
            self._done.set()


@dataclass(frozen=True, slots=True)
class _Range:
    """Names greater than ``after``, up to ``last``; None: to the end. ``request``: its first page."""

    after: str
    last: str | None
    local: list[LocalEntry]
    request: _Request


def _pair(objects: Sequence[ListedObject], local: deque[LocalEntry], last: str | None) -> list[Pair]:
    """Pair the objects with the local entries up to ``last``, which are taken off ``local``."""
    pairs: list[Pair] = []
    for each in objects:
        while local and local[0].name < each.name:
            pairs.append((None, local.popleft()))
        same = local.popleft() if local and local[0].name == each.name else None
        pairs.append((each, same))
    while local and (last is None or local[0].name <= last):
        pairs.append((None, local.popleft()))
    return pairs


def _check_order(page: ListPage, after: str, prefix: str) -> None:
    """Raise ListingUnusable for a page from which what it does not list could not be told."""
    for each in page.objects:
        if each.name <= after or not each.name.startswith(prefix):
            raise ListingUnusable(f"the source's listing is out of order: {each.name!r} after {after!r}")
        after = each.name
    if page.next_after is not None and page.next_after < after:
        raise ListingUnusable(f"the source's listing goes back from {after!r} to {page.next_after!r}")


def _ordered_local(entries: Iterator[LocalEntry], after: str) -> Iterator[LocalEntry]:
    for entry in entries:
        if entry.name <= after:
            raise LocalUnavailable(f"the local listing is out of order: {entry.name!r} after {after!r}")
        after = entry.name
        yield entry
