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
from typing import Generic, TypeVar

from s3_sync.errors import ListingUnusable, LocalUnavailable
from s3_sync.migrate.decide import LocalEntry
from s3_sync.model.objects import ListedObject
from s3_sync.providers.base import Bucket, ListPage, ListQuery
from s3_sync.runtime.concurrency import Pool

_Answer = TypeVar("_Answer")
Pair = tuple[ListedObject | None, LocalEntry | None]
#: lists the local objects after a name, sorted
LocalListing = Callable[[str], Iterator[LocalEntry]]
#: pages of the source that are requested at a time
READ_AHEAD = 4
#: lists of local entries that are read ahead
LOCAL_AHEAD = 16


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
        chunks = _Chunks(entries, self._chunk, self._pool)
        chunk = chunks.take()
        while True:
            following = chunks.take()
            last = chunk[-1].name if following else until
            yield _Range(after, last, chunk, self._request(after))
            if not following:
                return
            after, chunk = chunk[-1].name, following

    def _request(self, after: str) -> _Request[ListPage]:
        query = ListQuery(prefix=self._prefix, start_after=after, limit=self._chunk)
        return _Request(self._pool, lambda: self._source.list_objects(query))

    def _of_range(self, part: _Range) -> Iterator[Batch]:
        request, after, local = part.request, part.after, deque(part.local)
        while True:
            page = request.answer()
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


class _Request(Generic[_Answer]):
    """Something that is requested in another thread."""

    def __init__(self, pool: Pool, fetch: Callable[[], _Answer]) -> None:
        self._done = threading.Event()
        self._answers: list[_Answer] = []
        self._error: BaseException | None = None
        self._fetch = fetch
        pool.spawn(self._run)

    def answer(self) -> _Answer:
        """Wait for it. Raises what requesting it has raised."""
        self._done.wait()
        if not self._answers:
            raise self._error or RuntimeError("no answer")
        return self._answers[0]

    def _run(self) -> None:
        try:
            self._answers.append(self._fetch())
        except BaseException as error:  # the reader must get it, even if the thread was killed
            self._error = error
        finally:
            self._done.set()


class _Chunks:
    """The local listing in lists of ``size`` entries, LOCAL_AHEAD of which are read while others are used:
    Swift lists ten thousand at a time."""

    def __init__(self, entries: Iterator[LocalEntry], size: int, pool: Pool) -> None:
        self._entries = entries
        self._size = size
        self._pool = pool
        self._changed = threading.Condition()
        self._ready: deque[list[LocalEntry]] = deque()
        self._is_reading = self._has_ended = False
        self._error: BaseException | None = None

    def take(self) -> list[LocalEntry]:
        """Return the next entries; none at the end. Raises what listing raises."""
        with self._changed:
            if not (self._is_reading or self._has_ended) and len(self._ready) <= LOCAL_AHEAD // 2:
                self._is_reading = True
                self._pool.spawn(self._read)
            while not self._ready and not self._has_ended:
                self._changed.wait()
            if self._ready:
                return self._ready.popleft()
            if self._error is not None:
                raise self._error
            return []

    def _read(self) -> None:
        try:
            while self._add(list(islice(self._entries, self._size))):
                pass
        except BaseException as error:  # the reader must get it, even if the thread was killed
            with self._changed:
                self._error, self._has_ended = error, True
                self._changed.notify_all()

    def _add(self, chunk: list[LocalEntry]) -> bool:
        """Returns whether to read on."""
        with self._changed:
            if chunk:
                self._ready.append(chunk)
            self._has_ended = len(chunk) < self._size
            self._is_reading = not self._has_ended and len(self._ready) < LOCAL_AHEAD
            self._changed.notify_all()
            return self._is_reading


@dataclass(frozen=True, slots=True)
class _Range:
    """Names greater than ``after``, up to ``last``; None: to the end. ``request``: its first page."""

    after: str
    last: str | None
    local: list[LocalEntry]
    request: _Request[ListPage]


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
