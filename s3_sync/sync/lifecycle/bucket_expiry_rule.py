"""``remote_delete_after``: the lifecycle rule in the bucket by which a mapping's copies expire."""

from __future__ import annotations

import logging
from collections.abc import Callable

from s3_sync.config.settings import Mapping
from s3_sync.errors import RemoteError
from s3_sync.providers.base import Bucket
from s3_sync.state.journal import Journal

log = logging.getLogger("s3-sync")

#: seconds until the next check: of an unchanged rule, of one just written, which another node may have
#: overwritten at the same moment, and after a failure
CHECK_INTERVAL, RECHECK_DELAY, RETRY_DELAY = 86400.0, 60.0, 3600.0
#: key of a note in the journal: the days of the rule, 0 if it is disabled
EXPIRY_KEY = "expiry"


class BucketExpiryRule:
    """The rule of one mapping. ``key``: the mapping's name in the journal.

    A failure here does not stop the mapping: its copies then live longer than configured, which is logged.
    ``failing``: whether the last attempt failed.
    """

    def __init__(self, mapping: Mapping, journal: Journal, key: str, now: Callable[[], float]) -> None:
        self._mapping = mapping
        self._journal = journal
        self._key = key
        self._now = now
        self._check_at = float("-inf")
        self.failing = False

    def ensure(self, open_bucket: Callable[[], Bucket]) -> None:
        """Make the bucket's rule match the configuration, at the start and periodically.

        If the mapping no longer has the option, the rule that an earlier configuration wrote is disabled.
        Raises StateError.
        """
        now, days = self._now(), self._mapping.rule_days
        if now < self._check_at:
            return
        noted = self._journal.get_meta(self._key, EXPIRY_KEY)
        if not days and noted in (None, "0"):
            self._check_at = float("inf")
            return
        if noted != str(days) and days:
            self._journal.set_meta(
                self._key, EXPIRY_KEY, str(days)
            )  # before the request: a rule that was written must not be forgotten
        try:
            changed = open_bucket().set_expiry_rule(days)
        except RemoteError as error:
            level = logging.DEBUG if self.failing else logging.ERROR
            log.log(
                level,
                "%s: failed to set the lifecycle rule for remote_delete_after: %s",
                self._mapping.label,
                error,
            )
            self.failing, self._check_at = True, now + RETRY_DELAY
            return
        if not days:
            self._journal.set_meta(self._key, EXPIRY_KEY, "0")
        if changed or self.failing:
            self._log_change(days)
        self.failing, self._check_at = False, now + (RECHECK_DELAY if changed else CHECK_INTERVAL)

    def _log_change(self, days: int) -> None:
        what = (
            f"expire {days} days after they were stored"
            if days
            else "no longer expire by the rule of this mapping"
        )
        log.info("%s: copies in bucket %s %s", self._mapping.label, self._mapping.bucket, what)
