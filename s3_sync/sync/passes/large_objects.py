"""Very large objects of one mapping: from the journal into the lane, and what became of them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from s3_sync.config.settings import Mapping
from s3_sync.model.outcomes import Outcome
from s3_sync.state.journal import WAITING, Unsettled
from s3_sync.sync.rows.batch import BatchRunner, row_of
from s3_sync.sync.services import Context

log = logging.getLogger("s3-sync")

#: so many have been given to the lane at a time, so that it does not run dry between two turns of the mapping
AHEAD = 64


class LargeObjects:
    """A batch writes them into the journal before the cursor passes them; ``feed`` gives them to the lane.

    It is called between batches, by the thread that has the mapping's turn. So no batch is at work on a name
    when it is claimed; and a row of that name that a batch meets later waits in the journal, too, until the
    older one has left the lane. ``gets_through``: False while nothing does, so that nothing is begun.
    """

    def __init__(
        self, context: Context, mapping: Mapping, key: str, gets_through: Callable[[], bool]
    ) -> None:
        self._context = context
        self._mapping = mapping
        self._key = key
        self._gets_through = gets_through
        self._claimed: set[str] = set()
        self._retired = False
        self._tried: list[Outcome] = []
        self._error: Exception | None = None

    def retire(self) -> None:
        """Begin nothing more. The names of what is on its way stay claimed until it has ended, for whoever
        looks after the mapping from now on."""
        self._retired = True

    def feed(self, open_batches: Callable[[], BatchRunner]) -> None:
        """Give what waits to the lane. Raises StateError, RemoteError."""
        if not self._may_begin() or len(self._claimed) >= AHEAD:
            return
        now = self._context.clock.now()
        for entry in self._context.journal.due_objects(self._key, now, 2 * AHEAD, WAITING):
            batches = open_batches()
            if len(self._claimed) < AHEAD and batches.handler.names.claim(entry.name):
                self._claimed.add(entry.name)
                self._context.large.add(self._key, partial(self._send, batches, entry))

    def tried(self) -> list[Outcome]:
        """What became of those that have left the lane since this was last asked. Raises StateError where
        that could not be written down: such an object is given to the lane once more."""
        tried, self._tried = self._tried, []
        error, self._error = self._error, None
        if error is not None:
            raise error
        return tried

    def wait(self) -> bool:
        """A moment, for those that are in the lane; False when there are none, or it is time to stop."""
        if not self._claimed or self._context.stop.is_set():
            return False
        self._context.large.wait()
        return True

    def _may_begin(self) -> bool:
        halted = self._retired or self._context.halted(self._mapping)
        return not halted and self._gets_through()

    def _send(self, batches: BatchRunner, entry: Unsettled) -> None:
        try:
            if self._may_begin():
                log.info("Sending %s in the lane of large objects: %d bytes", entry.name, entry.size)
                self._tried.append(batches.send_large(row_of(entry)))
        except Exception as error:
            self._error = error
        finally:
            batches.handler.names.release(entry.name)
            self._claimed.discard(entry.name)
