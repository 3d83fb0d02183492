"""Looking up many names at the remote with few requests: listings where names are dense, HEADs elsewhere."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from s3_sync.errors import ClockSkewed, CredentialsRefused, ListingUnusable, NotFound, RemoteError
from s3_sync.providers.base import Bucket, ListPage, ListQuery
from s3_sync.runtime.log_once import LogOnce
from s3_sync.sync.rows.remote_state import ListedState, Presumption, RemoteState

log = logging.getLogger("s3-sync")

_Found = TypeVar("_Found")

#: fewer names than this are not worth a listing
FEW = 8
#: a page that settles fewer names than this was not worth it; so many names are left to HEADs after it
WORTH = 16
SKIP = 200
#: the last character that may stand in an XML document, where some stores repeat what they were asked
_LAST = "\U0010fffd"
#: a store that refuses to list is not asked to for so long: at least, so many times as long as its refusal
#: took, and at most; in seconds
REST, REST_TIMES, LONGEST_REST = 60.0, 10.0, 3600.0
#: what a HEAD is sent for that only tells whether the store answers; it does not matter whether it exists
NOBODYS = "swift-s3-sync"
#: what is told: the store does not list; a page cannot be used
_REFUSED, _PAGE = "refused", "page"


def survey(
    list_page: Callable[[ListQuery], ListPage | None], bucket: Bucket, names: Iterable[str]
) -> dict[str, RemoteState]:
    """A view for every name. Where ``list_page`` gives None, the rest stays unknown.

    Requests never exceed the number of names: every page settles at least the name that it starts at.
    A page of 1,000 keys costs about as much as ten HEADs, which is why sparse stretches are left out.
    Names that are too long for a key stay unknown: nothing can be asked about them.
    """
    views: dict[str, RemoteState] = dict.fromkeys(names, Presumption.UNKNOWN)
    longest = bucket.limits.max_name - len(bucket.namer.prefix.encode("utf-8"))
    keys = sorted(key for name in views if len(key := name.encode("utf-8")) <= longest)
    ordered = [key.decode("utf-8") for key in keys]
    position = 0
    after: str | None = None
    while len(ordered) - position >= FEW:
        page = list_page(
            ListQuery(start_after=_just_before(ordered[position], longest) if after is None else after)
        )
        if page is None:
            break
        end = len(ordered) if page.next_after is None else bisect_right(keys, page.next_after.encode("utf-8"))
        found = {info.name: ListedState(info, abs(bucket.clock_off)) for info in page.objects}
        for name in ordered[position:end]:
            views[name] = found.get(name, ListedState(None))
        settled = end - position
        position = max(position, end)
        after = page.next_after
        if after is None:
            break
        if settled < WORTH:
            position += SKIP
            after = None
    return views


def _just_before(name: str, longest: int) -> str:
    """A name that sorts before ``name`` with next to nothing in between, to list from inclusively."""
    last = ord(name[-1]) - 1
    if last < 0x21 or 0xD800 <= last <= 0xDFFF:
        return name[:-1]
    before = name[:-1] + chr(last)
    # all that begins like this sorts before ``name``, too, and may be much
    return before + _LAST if len((before + _LAST).encode("utf-8")) <= longest else before


class Listings:
    """The listings of one mapping's bucket, which can be done without.

    Where a store lists out of order, refuses to list, or does not know how to, names are asked for one by
    one: knowing less is never wrong. ``about``: the mapping and the store, in the log.
    """

    def __init__(self, bucket: Bucket, about: str, now: Callable[[], float]) -> None:
        self._bucket = bucket
        self._about = about
        self._now = now
        self._log_once = LogOnce()
        #: the store is not asked to list before
        self._not_before = float("-inf")

    def survey(self, names: Sequence[str]) -> dict[str, RemoteState]:
        """A view for every name. Raises RemoteError where the store does not answer anything."""
        return survey(self._page, self._bucket, names)

    def holds_nothing(self, after: str = "", until: str = "") -> bool:
        """Whether it is certain that nothing at all is stored; or under names greater than ``after`` and,
        unless that is empty, not greater than ``until``. Raises RemoteError."""
        page = self._page(ListQuery(start_after=after, limit=1))
        if page is None:
            return False
        if page.objects:
            return until != "" and page.objects[0].name > until
        return page.next_after is None

    def may_hold_manifests(self) -> bool:
        """Whether it is not certain that none are stored. Raises RemoteError."""
        found = self._without(self._bucket.has_manifests)
        return found is None or found

    def store_answers(self) -> bool:
        """Whether the store answers a request that is about no object."""
        try:
            self._bucket.list_objects(ListQuery(limit=1))
        except RemoteError as error:
            return not isinstance(error, NotFound) and self._answers_heads()
        return True

    def _page(self, query: ListQuery) -> ListPage | None:
        """None: it cannot be had. Raises RemoteError."""
        return self._without(lambda: self._bucket.list_objects(query))

    def _without(self, ask: Callable[[], _Found]) -> _Found | None:
        begun = self._now()
        if begun < self._not_before <= begun + LONGEST_REST:
            return None
        try:
            found = ask()
        except RemoteError as error:
            if not self._is_of_listings_only(error):
                raise
            self._note(error, self._now() - begun)
            return None
        self._not_before = float("-inf")
        if self._log_once.clear(_REFUSED):
            log.info("%s: what is stored there can be listed again", self._about)
        return found

    def _note(self, error: RemoteError, seconds: float) -> None:
        """``seconds``: so long it took."""
        about = _PAGE if isinstance(error, ListingUnusable) else _REFUSED
        if about == _REFUSED:  # else other pages may be fine
            rest = min(LONGEST_REST, max(REST, REST_TIMES * seconds))
            self._not_before = self._now() + rest
        level = self._log_once.level_for(about, error.reason)
        message = "%s: what is stored there cannot be listed, looking at each object instead: %s: %s"
        log.log(level, message, self._about, error.reason, error)

    def _is_of_listings_only(self, error: RemoteError) -> bool:
        """Whether the store answers other requests. That is certain where it knows who asks and just does
        not list; else a HEAD tells."""
        if isinstance(error, NotFound):  # the bucket, of which a HEAD of an object says the same as of that
            return False
        uncertain = error.transient or isinstance(error, (CredentialsRefused, ClockSkewed))
        return not uncertain or self._answers_heads()

    def _answers_heads(self) -> bool:
        try:
            self._bucket.head_object(NOBODYS)
        except NotFound:
            return True
        except RemoteError:
            return False
        return True
