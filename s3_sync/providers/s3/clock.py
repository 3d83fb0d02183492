"""Whether a store's clock is another one than ours: its answers say what time it is there."""

from __future__ import annotations

import time
from collections.abc import Callable

from s3_sync.providers.s3.headers import http_date


class StoreClock:
    """``off``: by how many seconds it differs from ours at most, as the last answer with a date tells; 0.0
    where both may be the same.

    A Date is a whole second, rounded down, of some time between request and answer.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.off = 0.0
        self._now = now

    def heard(self, date: str, sent: float) -> None:
        """An answer came just now, with this Date, to a request that was ``sent`` then."""
        told, now = http_date(date), self._now()
        if not told:
            return
        if told > now:  # later than the answer
            self.off = told + 1.0 - sent
        elif told + 1.0 < sent:  # earlier than the request
            self.off = now - told
        else:
            self.off = 0.0
