"""Looks up many names at the remote with few requests: listings where names are dense, HEADs elsewhere."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from s3_sync.errors import ClockSkewed, CredentialsRefused, ListingUnusable, NotFound, RemoteError
from s3_sync.model.rows import Row
from s3_sync.providers.base import Bucket, ListPage, ListQuery
from s3_sync.runtime.log_once import LogOnce
from s3_sync.sync.rows.remote_state import ListedState, Presumption, RemoteState
from s3_sync.transfer.upload_session import Ledger

log = logging.getLogger("s3-sync")

_Found = TypeVar("_Found")

#: fewer names are looked up by HEADs
MIN_NAMES_TO_LIST = 8
#: a page that settles fewer names was not worth it; this many names are then left to HEADs
MIN_SETTLED_BY_PAGE = 16
HEADS_AFTER_SPARSE_PAGE = 200
#: the last character that XML allows; some stores repeat the request's parameters in their answer
_LAST = "\U0010fffd"
#: delay before the next listing after a refusal: minimum, multiple of the refusal's duration, maximum; in
#: seconds
MIN_LIST_RETRY_DELAY, LIST_RETRY_FACTOR, MAX_LIST_RETRY_DELAY = 60.0, 10.0, 3600.0
#: object name of a HEAD that only tells whether the store answers; it need not exist
PROBE_NAME = "swift-s3-sync"
_NOT_LISTED = ListedState(None)
#: topics of the log: the store refuses to list; a page is unusable
_REFUSED, _PAGE = "refused", "page"


def look_up_remote(
    list_page: Callable[[ListQuery], ListPage | None], bucket: Bucket, names: Iterable[str]
) -> dict[str, RemoteState]:
    """The remote state of each name. If ``list_page`` returns None, the remaining names stay UNKNOWN.

    There are never more requests than names: each page settles at least the name at which it starts. A page
    of 1,000 keys costs about as much as ten HEADs, so sparse ranges are left to HEADs. Names that are too
    long for a key stay UNKNOWN: the store cannot have them.
    """
    states: dict[str, RemoteState] = dict.fromkeys(names, Presumption.UNKNOWN)
    longest = bucket.limits.max_key_bytes - len(bucket.namer.prefix.encode("utf-8"))
    # strings sort by code point, which is the order of their UTF-8 bytes
    ordered = sorted(name for name in states if len(name.encode("utf-8")) <= longest)
    position = 0
    after: str | None = None
    while len(ordered) - position >= MIN_NAMES_TO_LIST:
        page = list_page(
            ListQuery(start_after=_just_before(ordered[position], longest) if after is None else after)
        )
        if page is None:
            break
        end = len(ordered) if page.next_after is None else bisect_right(ordered, page.next_after)
        states.update(dict.fromkeys(ordered[position:end], _NOT_LISTED))
        offset = abs(bucket.clock_offset)
        states.update((info.name, ListedState(info, offset)) for info in page.objects if info.name in states)
        settled = end - position
        position = max(position, end)
        after = page.next_after
        if after is None:
            break
        if settled < MIN_SETTLED_BY_PAGE:
            position += HEADS_AFTER_SPARSE_PAGE
            after = None
    return states


def _just_before(name: str, longest: int) -> str:
    """A name that sorts directly before ``name``, so that a listing after it includes ``name``."""
    last = ord(name[-1]) - 1
    if last < 0x21 or 0xD800 <= last <= 0xDFFF:
        return name[:-1]
    before = name[:-1] + chr(last)
    # names with this prefix sort before ``name`` too, and may be many
    return before + _LAST if len((before + _LAST).encode("utf-8")) <= longest else before


class RemoteLookup:
    """Lookups in one mapping's bucket that degrade to HEADs if the bucket cannot be listed.

    If a store lists out of order, refuses or does not support listings, each name gets its own HEAD: knowing
    less is never wrong. ``about``: mapping and store, for the log.
    """

    def __init__(self, bucket: Bucket, about: str, now: Callable[[], float]) -> None:
        self._bucket = bucket
        self._about = about
        self._now = now
        self._log_once = LogOnce()
        #: no listing is requested before this time
        self._not_before = float("-inf")

    def look_up(self, names: Sequence[str]) -> dict[str, RemoteState]:
        """The remote state of each name. Raises RemoteError if the store does not answer at all."""
        return look_up_remote(self._page, self._bucket, names)

    def look_up_shared(self, rows: Sequence[Row]) -> dict[str, RemoteState]:
        """The remote state of each row's name, for rows that other nodes may be sending right now.

        A name that no listing shows is UNKNOWN, so that a HEAD follows directly before its transfer, unless
        the store supports conditional PUTs. Raises RemoteError.
        """
        states = self.look_up([row.name for row in rows])
        if not self._bucket.features.put_if_absent:
            for row in rows:
                if not row.deleted and states[row.name] == ListedState(None):
                    states[row.name] = Presumption.UNKNOWN
        return states

    def is_known_empty(self, after: str = "", until: str = "") -> bool:
        """Whether the bucket certainly holds nothing, or nothing under names greater than ``after`` and, if
        ``until`` is not empty, not greater than ``until``. Raises RemoteError."""
        page = self._page(ListQuery(start_after=after, limit=1))
        if page is None:
            return False
        if page.objects:
            return until != "" and page.objects[0].name > until
        return page.next_after is None

    def may_hold_manifests(self) -> bool:
        """Whether manifests may be stored. Raises RemoteError."""
        found = self._try_listing(self._bucket.manifests.has_any)
        return found is None or found

    def note_manifests(self, ledger: Ledger) -> None:
        """Note in the ledger if manifests of large objects may be stored already. Raises RemoteError."""
        if self.may_hold_manifests():
            ledger.manifest_written()

    def store_answers(self) -> bool:
        """Whether the store answers a request that concerns no object."""
        try:
            self._bucket.list_objects(ListQuery(limit=1))
        except RemoteError as error:
            return not isinstance(error, NotFound) and self._answers_heads()
        return True

    def _page(self, query: ListQuery) -> ListPage | None:
        """One page; None if the bucket cannot be listed. Raises RemoteError."""
        return self._try_listing(lambda: self._bucket.list_objects(query))

    def _try_listing(self, request: Callable[[], _Found]) -> _Found | None:
        begun = self._now()
        if begun < self._not_before <= begun + MAX_LIST_RETRY_DELAY:
            return None
        try:
            found = request()
        except RemoteError as error:
            if not self._affects_listings_only(error):
                raise
            self._log_failure(error, self._now() - begun)
            return None
        self._not_before = float("-inf")
        if self._log_once.clear(_REFUSED):
            log.info("%s: the bucket can be listed again", self._about)
        return found

    def _log_failure(self, error: RemoteError, seconds: float) -> None:
        """``seconds``: duration of the failed request."""
        about = _PAGE if isinstance(error, ListingUnusable) else _REFUSED
        if about == _REFUSED:  # an unusable page says nothing about others
            rest = min(MAX_LIST_RETRY_DELAY, max(MIN_LIST_RETRY_DELAY, LIST_RETRY_FACTOR * seconds))
            self._not_before = self._now() + rest
        level = self._log_once.level_for(about, error.reason)
        message = "%s: the bucket cannot be listed; sending a HEAD for each object instead: %s: %s"
        log.log(level, message, self._about, error.reason, error)

    def _affects_listings_only(self, error: RemoteError) -> bool:
        """Whether the store answers other requests. Certain if it knows the caller and only refuses listings;
        else a HEAD tells."""
        if isinstance(error, NotFound):  # of the bucket; a HEAD cannot tell that from a missing object
            return False
        uncertain = error.transient or isinstance(error, (CredentialsRefused, ClockSkewed))
        return not uncertain or self._answers_heads()

    def _answers_heads(self) -> bool:
        try:
            self._bucket.head_object(PROBE_NAME)
        except NotFound:
            return True
        except RemoteError:
            return False
        return True
