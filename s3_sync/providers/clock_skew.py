"""Detects clock skew between a store and this machine, from the Date headers of responses."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from s3_sync.model.timestamps import parse_http_date
from s3_sync.runtime.log_once import LogOnce

log = logging.getLogger("s3-sync")

#: seconds of clock skew from which on it is logged
_LOG_THRESHOLD = 60.0


class StoreClock:
    """``offset``: upper bound of the seconds by which the clock of ``store`` is ahead of ours, from the last
    response with a Date; negative: behind; 0.0: the clocks may agree.

    A Date is a whole second, rounded down, of some time between request and response.
    """

    def __init__(self, store: str, now: Callable[[], float] = time.time) -> None:
        self.offset = 0.0
        self._store = store
        self._now = now
        self._log_once = LogOnce()

    def record(self, date: str, sent: float) -> None:
        """Record the Date of a response that has just arrived, to a request that was ``sent`` then."""
        try:
            store_time, now = parse_http_date(date), self._now()
        except ValueError:
            return
        least, most = store_time - now, store_time + 1.0 - sent
        if least > 0.0:  # later than the response
            self.offset = most
        elif most < 0.0:  # earlier than the request
            self.offset = least
        elif not least <= self.offset <= most:  # a slow response compatible with ``offset`` proves nothing
            self.offset = 0.0
        self._log_skew()

    def _log_skew(self) -> None:
        offset = self.offset
        if abs(offset) > _LOG_THRESHOLD:
            where = "ahead of" if offset > 0.0 else "behind"
            log.log(
                self._log_once.level_for("clock", where),
                "The clock of %s is %.0f s %s the clock of this machine: correct the wrong one (see chronyc"
                " tracking). Until then, expired copies of moved objects are deleted only once both clocks"
                " have reached their expiry time",
                self._store, abs(offset), where,
            )  # fmt: skip
        elif not offset and self._log_once.clear("clock"):
            log.info("The clock of %s agrees with the clock of this machine again", self._store)
