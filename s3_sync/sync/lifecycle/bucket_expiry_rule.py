"""``remote_delete_after``: the rule in the bucket that makes a mapping's copies expire."""

from __future__ import annotations

import logging
from collections.abc import Callable

from s3_sync.config.settings import Mapping
from s3_sync.errors import RemoteError
from s3_sync.providers.base import Bucket
from s3_sync.state.journal import Journal

log = logging.getLogger("s3-sync")

#: seconds until a rule that is in place, one that was just written, and a failure are looked at again.
#: Another node may have written at the same moment, so that ours is lost.
DAILY, SOON, HOURLY = 86400.0, 60.0, 3600.0
#: what the journal keeps about a mapping: the days of the rule, 0 = it is switched off
NOTED = "expiry"


class BucketExpiryRule:
    """For one mapping. ``key``: its name in the journal.

    A mapping that fails here goes on copying: then copies live longer than was asked for, and that is said.
    ``failing``: the last attempt did not get through.
    """

    def __init__(self, mapping: Mapping, journal: Journal, key: str, now: Callable[[], float]) -> None:
        self._mapping = mapping
        self._journal = journal
        self._key = key
        self._now = now
        self._look_at = float("-inf")
        self.failing = False

    def keep(self, open_bucket: Callable[[], Bucket]) -> None:
        """At the start and now and then: make the bucket's rule what the configuration says.

        A rule that an earlier configuration wrote is switched off when the option is gone from the mapping.
        Raises StateError.
        """
        now, days = self._now(), self._mapping.profile.remote_days
        if now < self._look_at:
            return
        noted = self._journal.get_meta(self._key, NOTED)
        if not days and noted in (None, "0"):
            self._look_at = float("inf")
            return
        if noted != str(days) and days:
            self._journal.set_meta(
                self._key, NOTED, str(days)
            )  # first: what is written must not be forgotten
        try:
            changed = open_bucket().set_expiry_rule(days)
        except RemoteError as error:
            level = logging.DEBUG if self.failing else logging.ERROR
            log.log(level, "%s: the rule for remote_delete_after: %s", self._mapping.label, error)
            self.failing, self._look_at = True, now + HOURLY
            return
        if not days:
            self._journal.set_meta(self._key, NOTED, "0")
        if changed or self.failing:
            self._tell(days)
        self.failing, self._look_at = False, now + (SOON if changed else DAILY)

    def _tell(self, days: int) -> None:
        what = f"expires {days} days after it was stored" if days else "does not expire any more by our rule"
        log.info("%s: what is stored in bucket %s %s", self._mapping.label, self._mapping.bucket, what)
