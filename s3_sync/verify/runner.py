"""Runs single checks, and records their results."""

from __future__ import annotations

from collections.abc import Callable

from s3_sync.errors import AccessDenied, SyncError
from s3_sync.providers.checks.base import Check, Finding, Site
from s3_sync.verify.diagnosis import is_denied
from s3_sync.verify.messages import described, failure
from s3_sync.verify.report import Report, Result, State

#: called with the name of each check when it begins
Progress = Callable[[str], None]


class Runner:
    """``bucket``: for the lines about permissions."""

    def __init__(self, report: Report, bucket: str, progress: Progress) -> None:
        self.report = report
        self._bucket = bucket
        self._progress = progress

    def run(self, check: Check, site: Site, tolerant: bool = False) -> Exception | None:
        """Returns the error of a check that could not be made or has failed. ``tolerant``: a permission that
        is missing for it is no failure."""
        self._progress(check.name)
        try:
            finding = check.run(site)
        except Exception as error:  # whatever a store answers, the other checks run
            self.fail(check, error, tolerant)
            return error
        self._add(self._found(check, finding))
        return None

    def fail(self, check: Check, error: Exception, tolerant: bool = False) -> None:
        """Record the error of a check."""
        if not isinstance(error, SyncError):
            text = f"an error of this program: {type(error).__name__}: {error}"
            self._add(Result(check.name, "failed", text, f"{check.name}: {text}"))
            return
        grant = self._grant(check, error)
        message = failure(check.name, error, grant)
        state: State = "note" if tolerant and isinstance(error, AccessDenied) else "failed"
        self._add(Result(check.name, state, described(error), message, grant))

    def skip(self, check: Check, why: str) -> None:
        self._add(Result(check.name, "skipped", why))

    def _found(self, check: Check, finding: Finding) -> Result:
        state: State = "ok"
        if finding.wrong or (finding.needed and self.report.strict):
            state = "failed"
        elif finding.needed or finding.advised or finding.noted:
            state = "note"
        message = f"{check.name}: {finding.text}" if finding.wrong else ""
        return Result(check.name, state, finding.text, message, "", finding.needed, finding.advised)

    def _grant(self, check: Check, error: SyncError) -> str:
        """What would permit it; nothing for credentials that are refused, or a store that is full."""
        if not is_denied(error):
            return ""
        return self.report.credentials.grant(check.operation, self._bucket)

    def _add(self, result: Result) -> None:
        self.report.results.append(result)
