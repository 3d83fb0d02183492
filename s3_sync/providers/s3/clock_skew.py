"""Whether a store's clock is another one than ours: its answers say what time it is there."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from s3_sync.providers.s3.headers import http_date
from s3_sync.runtime.log_once import LogOnce

log = logging.getLogger("s3-sync")

#: seconds by which clocks may differ before that is said
_WORTH_SAYING = 60.0


class StoreClock:
    """``off``: by how many seconds the clock of ``store`` is ahead of ours at most, as the last answer with a
    date tells; less than 0.0 = behind; 0.0 where both may be the same.

    A Date is a whole second, rounded down, of some time between request and answer.
    """

    def __init__(self, store: str, now: Callable[[], float] = time.time) -> None:
        self.off = 0.0
        self._store = store
        self._now = now
        self._log_once = LogOnce()

    def heard(self, date: str, sent: float) -> None:
        """An answer came just now, with this Date, to a request that was ``sent`` then."""
        told, now = http_date(date), self._now()
        if not told:
            return
        least, most = told - now, told + 1.0 - sent
        if least > 0.0:  # later than the answer
            self.off = most
        elif most < 0.0:  # earlier than the request
            self.off = least
        elif not least <= self.off <= most:  # an answer that took long proves little, and nothing against it
            self.off = 0.0
        self._tell()

    def _tell(self) -> None:
        off = self.off
        if abs(off) > _WORTH_SAYING:
            where = "ahead of" if off > 0.0 else "behind"
            log.log(
                self._log_once.level_for("clock", where),
                "The clock of %s is %.0f s %s the clock of this machine: set the wrong one right (chronyc"
                " tracking). Until then copies of moved objects that expire are deleted when both have come"
                " to the time",
                self._store, abs(off), where,
            )  # fmt: skip
        elif not off and self._log_once.clear("clock"):
            log.info("The clock of %s agrees with the clock of this machine again", self._store)
