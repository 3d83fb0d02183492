"""Continuation tokens of listings: Azure cannot begin a listing at a name, only where a page ended."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right, insort
from collections import OrderedDict
from collections.abc import Callable

#: seconds for which a token is used to continue after the page that it came with. A client that adds a name
#: just there, and continues later, must find it
FRESH = 60.0
#: listings, by container, prefix and delimiter, and tokens of each that are remembered
MAX_LISTINGS, MAX_TOKENS = 64, 10_000

Series = tuple[str, str, str]


class Tokens:
    """The tokens of one account. Thread-safe.

    A token stands for a position between the last name of its page and the first of the next, as they were at
    that time. Once the next page was seen to begin with ``first``, the token leads correctly to any name that
    is not before ``first``, however old it is; names that were added in between are smaller.

    Memory: at most MAX_LISTINGS * MAX_TOKENS names and tokens, some 200 bytes each; a million names in pages
    of 5,000 have 200.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._listings: OrderedDict[Series, _Listing] = OrderedDict()

    def behind(self, series: Series, last: str) -> str | None:
        """The token of a fresh page that ended with ``last``; None without one."""
        with self._lock:
            token, since = self._of(series).next.get(last, ("", 0.0))
            return token if token and self._clock() - since <= FRESH else None

    def before(self, series: Series, name: str) -> str:
        """The token of the nearest page that begins before ``name``, or with it; empty: the first page."""
        with self._lock:
            found = self._of(series).firsts
            place = bisect_right(found, (name, "\U0010ffff"))
            return found[place - 1][1] if place else ""

    def note(self, series: Series, token: str, first: str, last: str, following: str) -> None:
        """Note a page that ``token`` led to; ``following``: the token of the next one; empty for none."""
        with self._lock:
            listing = self._of(series)
            if token and (first, token) not in listing.known:
                if len(listing.firsts) >= MAX_TOKENS:
                    listing.forget()
                listing.known.add((first, token))
                insort(listing.firsts, (first, token))
            if following:
                listing.next.pop(last, None)
                listing.next[last] = following, self._clock()
                if len(listing.next) > MAX_TOKENS:
                    listing.next.pop(next(iter(listing.next)))

    def forget(self, series: Series) -> None:
        """Forget the tokens of a listing, which the service no longer accepts."""
        with self._lock:
            self._listings.pop(series, None)

    def _of(self, series: Series) -> _Listing:
        listing = self._listings.pop(series, None) or _Listing()
        self._listings[series] = listing  # the one used last is forgotten last
        if len(self._listings) > MAX_LISTINGS:
            self._listings.popitem(last=False)
        return listing


class _Listing:
    """``firsts``: sorted; the first name of a page, and the token that leads to it."""

    def __init__(self) -> None:
        self.firsts: list[tuple[str, str]] = []
        self.known: set[tuple[str, str]] = set()
        self.next: dict[str, tuple[str, float]] = {}

    def forget(self) -> None:
        self.firsts.clear()
        self.known.clear()
