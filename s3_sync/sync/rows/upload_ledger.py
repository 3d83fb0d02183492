"""One mapping's record of the remote: open multipart uploads and segments, so that a crash leaves none
behind, and whether there are manifests."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Lock

from s3_sync.errors import RemoteError
from s3_sync.providers.base import Bucket, OpenUpload
from s3_sync.runtime.log_once import LogOnce
from s3_sync.state.expiries import Expiry
from s3_sync.state.journal import Journal
from s3_sync.state.left_segments import LeftSegment
from s3_sync.state.uploads import CreateRequest, Open

log = logging.getLogger("s3-sync")

#: no upload takes this long, in seconds; an older one is orphaned, whichever node began it
ORPHAN_MIN_AGE = 7 * 86400.0
#: seconds between two listings of uploads
LIST_INTERVAL = 86400.0
#: maximum difference between the store's and our own time of an upload's begin: duration of the request, and
#: both clocks (seconds)
BEGIN_TIME_TOLERANCE = 3600.0
#: a store may answer a create request up to this late, in seconds
OPENING_TIMEOUT = 600.0
#: failures in a row after which no further upload is aborted
MAX_CONSECUTIVE_FAILURES = 3
#: seconds before a segment that may be left behind at the store is looked at: most are named again by then
LEFT_SEGMENT_PAUSE = 3600.0
#: keys of notes in the journal
MANIFESTS_KEY, LISTED_KEY = "manifests", "uploads listed"


@dataclass(slots=True)
class AbortResult:
    """``aborted``: number of uploads aborted. ``problem``: the last error."""

    aborted: int = 0
    problem: RemoteError | None = None
    _consecutive_failures: int = 0

    def attempt(self, act: Callable[[], int | None]) -> bool:
        """Run ``act``, which returns the number of uploads that it aborted. Returns whether it succeeded.
        Does nothing after MAX_CONSECUTIVE_FAILURES failures in a row, which are the store's fault."""
        if self._consecutive_failures >= MAX_CONSECUTIVE_FAILURES:
            return False
        try:
            self.aborted += act() or 0
        except RemoteError as error:
            self.problem = error
            self._consecutive_failures += 1
            return False
        self._consecutive_failures = 0
        return True


class UploadLedger:
    """``transfer.upload_session.Ledger``, kept in the journal. ``key``: the mapping's name there."""

    def __init__(self, journal: Journal, key: str, now: Callable[[], float]) -> None:
        self._journal = journal
        self._key = key
        self._now = now
        self._lock = Lock()
        #: uploads start while orphans are aborted, also in an earlier crawl of the same mapping
        self._in_flight = journal.uploads.in_flight(key)
        self._manifests = journal.get_meta(key, MANIFESTS_KEY) is not None

    def starting(self, name: str) -> int:
        with self._lock:  # else it could be taken for an orphan between the two
            begin = self._journal.uploads.starting(self._key, name, self._now())
            self._in_flight.requests[begin] = self._now() + OPENING_TIMEOUT
        return begin

    def start_failed(self, begin: int) -> None:
        self._journal.uploads.start_failed(begin)
        with self._lock:
            self._in_flight.requests.pop(begin, None)

    def started(self, begin: int, name: str, upload_id: str) -> None:
        with self._lock:
            self._in_flight.uploads.add(upload_id)
            self._in_flight.requests.pop(begin, None)
        self._journal.uploads.started(self._key, begin, name, upload_id, self._now())

    def completing(self, upload_id: str) -> None:
        self._journal.uploads.completing(self._key, upload_id, self._now())

    def finished(self, upload_id: str) -> None:
        self._journal.uploads.finished(self._key, upload_id)
        self.outcome_unknown(upload_id)

    def outcome_unknown(self, upload_id: str) -> None:
        with self._lock:
            self._in_flight.uploads.discard(upload_id)

    def expires(self, expiry: Expiry) -> None:
        self._journal.expiries.note(self._key, expiry)

    def segments_left(self, segments: Sequence[LeftSegment], due: float | None = None) -> None:
        later = self._now() + LEFT_SEGMENT_PAUSE
        self._journal.left_segments.note(self._key, segments, later if due is None else due)

    def segments_named(self, segments: Sequence[LeftSegment]) -> None:
        self._journal.left_segments.settle(self._key, segments)

    def manifest_written(self) -> None:
        if not self._manifests:
            self._journal.set_meta(self._key, MANIFESTS_KEY, "stored")
            self._manifests = True

    def may_hold_manifests(self) -> bool:
        return self._manifests

    def orphans(self) -> list[Open]:
        """The known uploads that nothing works on any more."""
        busy = self._in_use()
        return [each for each in self._journal.uploads.open(self._key) if each.upload_id not in busy]

    def has_work(self) -> bool:
        """Whether there may be uploads to abort."""
        return bool(self.orphans() or self._unanswered()) or self.is_listing_due()

    def abort_orphans(self, bucket: Bucket) -> AbortResult:
        """Abort orphaned uploads. Raises StateError.

        Of a create request without an answer only name and time are known. An upload that another node began
        under that name at that time may be taken for ours; that node then starts it again.

        Once a day, and again after a failure, uploads that the ledger does not know and that are older than
        ORPHAN_MIN_AGE are included, such as those of a node that was removed. This requires a key prefix of
        our own: without one the listing has other applications' uploads too. A failure to abort one upload
        does not prevent the others.
        """
        result = AbortResult()
        for orphan in self.orphans():
            if result.attempt(partial(_abort, bucket, [orphan])):
                self._journal.uploads.finished(self._key, orphan.upload_id)
        # in order: at some stores an upload with an odd name hides later ones (providers.s3.open_uploads)
        for request in sorted(self._unanswered(), key=lambda each: each.name):
            if result.attempt(partial(self._abort_matching, bucket, request)):
                self.start_failed(request.id)
        if self.is_listing_due() and bucket.namer.prefix:
            too_old: list[OpenUpload] = []
            result.attempt(lambda: too_old.extend(self._too_old(bucket)))
            for each in too_old:
                result.attempt(partial(_abort, bucket, [each]))
            if result.problem is None:
                self._journal.set_meta(self._key, LISTED_KEY, repr(self._now()))
        return result

    def _abort_matching(self, bucket: Bucket, request: CreateRequest) -> int:
        """Abort the uploads of this name that began at about that time and that nothing works on."""
        begun = [
            upload
            for upload in bucket.list_uploads(request.name)
            if abs(upload.begun - request.requested) <= BEGIN_TIME_TOLERANCE
            and upload.upload_id not in self._in_use()
        ]
        return _abort(bucket, begun)

    def _unanswered(self) -> list[CreateRequest]:
        """Create requests whose answer will not come any more."""
        now = self._now()
        with self._lock:
            return [
                each
                for each in self._journal.uploads.beginning(self._key)
                if self._in_flight.requests.get(each.id, 0.0) <= now
            ]

    def is_listing_due(self) -> bool:
        """Whether a day has passed since uploads were last listed, or since the ledger was created."""
        before = self._journal.get_meta(self._key, LISTED_KEY)
        if before is None:
            self._journal.set_meta(self._key, LISTED_KEY, repr(self._now()))
        return before is not None and float(before) + LIST_INTERVAL <= self._now()

    def _too_old(self, bucket: Bucket) -> Iterator[OpenUpload]:
        horizon = self._now() - ORPHAN_MIN_AGE
        for upload in list(bucket.list_uploads()):
            if 0.0 < upload.begun < horizon and upload.upload_id not in self._in_use():
                yield upload

    def _in_use(self) -> set[str]:
        """Ids of uploads that are in progress here, or that the store may still be completing, even if the
        process that requested it was killed."""
        now = self._now()
        completing = {
            each.upload_id
            for each in self._journal.uploads.open(self._key)
            if each.completing is not None and abs(now - each.completing) <= BEGIN_TIME_TOLERANCE
        }
        with self._lock:
            return completing | self._in_flight.uploads


def is_abandoned(begun: float, now: float) -> bool:
    """Whether no daemon works on an upload any more and each had a day to abort it. ``begun``: seconds since
    the epoch; 0 if unknown, which counts as abandoned."""
    return not begun or now - begun >= ORPHAN_MIN_AGE + LIST_INTERVAL


def abort_orphaned_uploads(
    label: str, ledger: UploadLedger, open_bucket: Callable[[], Bucket], log_once: LogOnce
) -> None:
    """Abort orphaned uploads. Those that cannot be aborted now cost only space, and are left for the next
    check."""
    if not ledger.has_work():
        return
    try:
        result = ledger.abort_orphans(open_bucket())
    except RemoteError as error:
        result = AbortResult(problem=error)
    if result.problem is None:
        log_once.clear("uploads")
    else:
        level = log_once.level_for("uploads", type(result.problem).__name__)
        log.log(level, "%s: orphaned multipart uploads could not be aborted: %s", label, result.problem)
    if result.aborted:
        log.info("%s: aborted %d orphaned multipart uploads", label, result.aborted)


def _abort(bucket: Bucket, uploads: Sequence[Open | OpenUpload]) -> int:
    """Returns the number of uploads. Raises RemoteError."""
    for upload in uploads:
        bucket.upload_by_id(upload.name, upload.upload_id).abort()
    return len(uploads)
