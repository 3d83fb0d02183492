"""What one mapping keeps in mind about the remote: open multipart uploads, none of which stays behind a
crash, and whether there are manifests."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Lock

from s3_sync.errors import RemoteError
from s3_sync.providers.base import Bucket
from s3_sync.runtime.log_once import LogOnce
from s3_sync.state.expiries import Expiry
from s3_sync.state.journal import Journal

log = logging.getLogger("s3-sync")

#: no upload takes so long, in seconds; an older one was left behind, by whichever node
SAFE_AGE = 7 * 86400.0
#: how often such are looked for, in seconds
LIST_EVERY = 86400.0
#: how far apart we and the store may see the begin of one upload: its duration, and both clocks (seconds)
AROUND = 3600.0
#: so long after we have asked for an upload the store may still be opening it, in seconds
OPENING = 600.0
#: so many failures in a row are enough
ENOUGH = 3
#: what the journal keeps about a mapping
MANIFESTS, LISTED = "manifests", "uploads listed"


@dataclass(slots=True)
class Reaped:
    """How many uploads were ``aborted``, and the last ``problem``."""

    aborted: int = 0
    problem: RemoteError | None = None
    _in_a_row: int = 0

    def tries(self, act: Callable[[], int | None]) -> bool:
        """Whether ``act`` was done, which returns how many it has aborted. Not when so many have failed one
        after the other that it is the store's fault, and not theirs."""
        if self._in_a_row >= ENOUGH:
            return False
        try:
            self.aborted += act() or 0
        except RemoteError as error:
            self.problem = error
            self._in_a_row += 1
            return False
        self._in_a_row = 0
        return True


class UploadLedger:
    """See ``transfer.sending.Ledger``; written to the journal. ``key``: the mapping's name there."""

    def __init__(self, journal: Journal, key: str, now: Callable[[], float]) -> None:
        self._journal = journal
        self._key = key
        self._now = now
        self._lock = Lock()
        #: upload ids; and begin -> until when it may be underway: objects are sent while leftovers are looked
        #: for, also by a crawl of the same mapping that was there before
        self._in_flight, self._opening = journal.uploads.at_work(key)
        self._manifests = journal.get_meta(key, MANIFESTS) is not None

    def begins(self, name: str) -> int:
        with self._lock:  # or it could be looked for between the two
            begin = self._journal.uploads.begins(self._key, name, self._now())
            self._opening[begin] = self._now() + OPENING
        return begin

    def not_begun(self, begin: int) -> None:
        self._journal.uploads.not_begun(begin)
        with self._lock:
            self._opening.pop(begin, None)

    def begun(self, begin: int, name: str, upload_id: str) -> None:
        with self._lock:
            self._in_flight.add(upload_id)
            self._opening.pop(begin, None)
        self._journal.uploads.begun(self._key, begin, name, upload_id, self._now())

    def completing(self, upload_id: str) -> None:
        self._journal.uploads.completing(self._key, upload_id, self._now())

    def ended(self, upload_id: str) -> None:
        self._journal.uploads.ended(self._key, upload_id)
        self.unsure(upload_id)

    def unsure(self, upload_id: str) -> None:
        with self._lock:
            self._in_flight.discard(upload_id)

    def expires(self, expiry: Expiry) -> None:
        self._journal.expiries.note(self._key, expiry)

    def manifest_written(self) -> None:
        if not self._manifests:
            self._journal.set_meta(self._key, MANIFESTS, "stored")
            self._manifests = True

    def may_hold_manifests(self) -> bool:
        return self._manifests

    def left_behind(self) -> list[tuple[str, str]]:
        """Name and upload id of everything that nobody is at any more."""
        busy = self._busy()
        return [
            (each.name, each.upload_id)
            for each in self._journal.uploads.open(self._key)
            if each.upload_id not in busy
        ]

    def has_work(self) -> bool:
        """Whether there is anything to be looked for."""
        return bool(self.left_behind() or self._unanswered()) or self.may_list()

    def reap(self, bucket: Bucket) -> Reaped:
        """Abort what was left behind. Raises StateError.

        Of a begin without an answer only the name and the time are known. What another node began there
        at that time may be taken for ours: it begins again.

        Once a day, and again after a failure, that includes what the ledger does not know and is older than
        SAFE_AGE, such as what a node left that is gone. Only below a key prefix of our own: without one
        everybody's uploads are in sight. One that fails keeps none of the others.
        """
        reaped = Reaped()
        for name, upload_id in self.left_behind():
            if reaped.tries(partial(_abort, bucket, [(name, upload_id)])):
                self._journal.uploads.ended(self._key, upload_id)
        for begin, name, noted in self._unanswered():
            if reaped.tries(partial(self._abort_begun, bucket, name, noted)):
                self.not_begun(begin)
        if self.may_list() and bucket.namer.prefix:
            too_old: list[tuple[str, str]] = []
            reaped.tries(lambda: too_old.extend(self._too_old(bucket)))
            for each in too_old:
                reaped.tries(partial(_abort, bucket, [each]))
            if reaped.problem is None:
                self._journal.set_meta(self._key, LISTED, repr(self._now()))
        return reaped

    def _abort_begun(self, bucket: Bucket, name: str, noted: float) -> int:
        """What was begun under this name at about that time, and nobody is at."""
        begun = [
            (name, upload.upload_id)
            for upload in bucket.list_uploads(name)
            if abs(upload.begun - noted) <= AROUND and upload.upload_id not in self._busy()
        ]
        return _abort(bucket, begun)

    def _unanswered(self) -> list[tuple[int, str, float]]:
        """Begins of which nothing more will come."""
        now = self._now()
        with self._lock:
            return [
                each
                for each in self._journal.uploads.beginning(self._key)
                if self._opening.get(each[0], 0.0) <= now
            ]

    def may_list(self) -> bool:
        """Whether a day has passed since uploads were listed, or since we began to count."""
        before = self._journal.get_meta(self._key, LISTED)
        if before is None:
            self._journal.set_meta(self._key, LISTED, repr(self._now()))
        return before is not None and float(before) + LIST_EVERY <= self._now()

    def _too_old(self, bucket: Bucket) -> Iterator[tuple[str, str]]:
        horizon = self._now() - SAFE_AGE
        for upload in list(bucket.list_uploads()):
            if 0.0 < upload.begun < horizon and upload.upload_id not in self._busy():
                yield upload.name, upload.upload_id

    def _busy(self) -> set[str]:
        """What somebody is at: we, or the store, which goes on completing what it was asked to, whether we
        have been killed since or not."""
        now = self._now()
        completing = {
            each.upload_id
            for each in self._journal.uploads.open(self._key)
            if each.completing is not None and abs(now - each.completing) <= AROUND
        }
        with self._lock:
            return completing | self._in_flight


def reap(label: str, ledger: UploadLedger, open_bucket: Callable[[], Bucket], log_once: LogOnce) -> None:
    """What cannot be aborted now is left for the next time; it costs space, nothing else."""
    if not ledger.has_work():
        return
    try:
        reaped = ledger.reap(open_bucket())
    except RemoteError as error:
        reaped = Reaped(problem=error)
    if reaped.problem is None:
        log_once.clear("uploads")
    else:
        level = log_once.level_for("uploads", type(reaped.problem).__name__)
        log.log(level, "%s: unfinished uploads could not be looked for: %s", label, reaped.problem)
    if reaped.aborted:
        log.info("%s: aborted %d uploads that were left unfinished", label, reaped.aborted)


def _abort(bucket: Bucket, uploads: Sequence[tuple[str, str]]) -> int:
    """How many. Raises RemoteError."""
    for name, upload_id in uploads:
        bucket.abort_upload(name, upload_id)
    return len(uploads)
