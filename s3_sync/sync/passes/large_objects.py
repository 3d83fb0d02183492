"""Very large objects of one mapping: from the journal into their lane, and their outcomes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from s3_sync.config.settings import Mapping
from s3_sync.daemon.name_locks import NameLocks
from s3_sync.model.outcomes import Outcome
from s3_sync.state.journal import WAITING, Unsettled
from s3_sync.sync.rows.batch import BatchRunner, row_of
from s3_sync.sync.services import Context

log = logging.getLogger("s3-sync")

#: the most objects of a mapping in the lane: enough to keep it busy between two steps
MAX_QUEUED = 64


class LargeObjects:
    """Feeds waiting large objects to their lane. A batch journals them before the cursor passes them.

    ``feed`` runs between batches, on the thread that runs the mapping's step, so no batch handles a name
    while it is claimed. A row of a claimed name that a later batch meets waits in the journal until the older
    one has left the lane. ``names``: the locks of the mapping's names. ``is_working``: False during an outage
    or a closed timetable, when nothing may be started.
    """

    def __init__(
        self,
        context: Context,
        mapping: Mapping,
        key: str,
        names: NameLocks,
        is_working: Callable[[], bool],
    ) -> None:
        self._context = context
        self._mapping = mapping
        self._names = names
        self._key = key
        self._is_working = is_working
        self._claimed: set[str] = set()
        self._retired = False
        self._outcomes: list[Outcome] = []
        self._error: Exception | None = None

    def retire(self) -> None:
        """Start nothing more. Objects in the lane keep their names claimed until they are done, also for the
        mapping's next crawl."""
        self._retired = True

    def feed(self, open_batches: Callable[[], BatchRunner]) -> None:
        """Put waiting objects into the lane. Raises StateError, RemoteError."""
        if not self._may_start() or len(self._claimed) >= MAX_QUEUED:
            return
        now = self._context.clock.now()
        for entry in self._context.journal.due_objects(self._key, now, 2 * MAX_QUEUED, WAITING):
            batches = open_batches()
            if len(self._claimed) < MAX_QUEUED and self._names.claim(entry.name):
                self._claimed.add(entry.name)
                self._context.large.add(self._key, partial(self._send, batches, entry))

    def take_outcomes(self) -> list[Outcome]:
        """Returns the outcomes of objects that left the lane since the last call. Raises StateError if one
        could not be recorded: its object is put into the lane again."""
        outcomes, self._outcomes = self._outcomes, []
        error, self._error = self._error, None
        if error is not None:
            raise error
        return outcomes

    def wait(self) -> bool:
        """Wait briefly for objects in the lane; False if there are none, or the daemon is stopping."""
        if not self._claimed or self._context.stop.is_set():
            return False
        self._context.large.wait()
        return True

    def _may_start(self) -> bool:
        halted = self._retired or self._context.halted(self._mapping)
        return not halted and self._is_working()

    def _send(self, batches: BatchRunner, entry: Unsettled) -> None:
        try:
            if self._may_start():
                log.info("Sending %s in the large-object lane: %d bytes", entry.name, entry.size)
                self._outcomes.append(batches.send_large(row_of(entry)))
        except Exception as error:
            self._error = error
        finally:
            self._names.release(entry.name)
            self._claimed.discard(entry.name)
