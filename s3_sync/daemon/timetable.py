"""The timetable of a mapping's rate limit, as its job sees it."""

from __future__ import annotations

import logging

from s3_sync.providers.wrappers.rate_limits import MappingLimiter

log = logging.getLogger("s3-sync")


class Timetable:
    """Tells whether new work may begin, and logs each change. ``closed``: the last answer."""

    def __init__(self, limiter: MappingLimiter, label: str) -> None:
        self._limiter = limiter
        self._label = label
        self.closed = False

    def is_closed(self) -> bool:
        """Whether the timetable allows no new work now. Work in flight continues."""
        closed = self._limiter.is_closed
        if closed != self.closed:
            self.closed = closed
            what = (
                "nothing is started until the timetable allows it" if closed else "resumed by the timetable"
            )
            log.info("%s: %s", self._label, what)
        return closed
