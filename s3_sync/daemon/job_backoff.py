"""The backoff between the steps of a job that fails."""

from __future__ import annotations

import logging
from collections.abc import Callable

from s3_sync.daemon.delay_queue import backoff_delay
from s3_sync.daemon.job import StepResult
from s3_sync.errors import SyncError
from s3_sync.runtime.log_once import LogOnce

log = logging.getLogger("s3-sync")


class JobBackoff:
    """Counts a job's consecutive failed steps and delays the next one.

    A failure is logged as ``message`` (``Failed to ...``) and ``label``, the mapping's. Only the first one in
    a row is logged as an error.
    """

    def __init__(self, message: str, label: str) -> None:
        self._message = message
        self._label = label
        self._log_once = LogOnce()
        self._failures = 0

    @property
    def is_failing(self) -> bool:
        """Whether the last step failed."""
        return self._failures > 0

    def guard(self, step: Callable[[], StepResult]) -> StepResult:
        """Returns the result of ``step``, or the delay after an error. Never raises."""
        try:
            return step()
        except SyncError as error:
            return self.failed(str(error))
        except Exception as error:
            self._log_once.exception(log, error, "%s %s", self._message, self._label)
            return self.failed(repr(error))

    def failed(self, reason: str) -> StepResult:
        level = logging.DEBUG if self._failures else logging.ERROR
        self._failures += 1
        delay = backoff_delay(self._failures)
        log.log(level, "%s %s: %s; next try in %.0f s", self._message, self._label, reason, delay)
        return StepResult(False, delay)

    def succeeded(self) -> bool:
        """Reset the backoff. Returns whether the step before had failed."""
        if not self._failures:
            return False
        log.info("%s: working again", self._label)
        self._failures = 0
        return True
