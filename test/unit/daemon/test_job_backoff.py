"""The backoff of a job whose steps fail."""

from __future__ import annotations

import logging

import pytest

from s3_sync.daemon import job_backoff
from s3_sync.daemon.job import StepResult
from s3_sync.daemon.job_backoff import JobBackoff
from s3_sync.errors import RemoteUnavailable


@pytest.fixture(autouse=True)
def _no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_backoff, "backoff_delay", lambda failures: 10.0 * failures)


def unavailable() -> StepResult:
    raise RemoteUnavailable("no answer")


def broken() -> StepResult:
    raise ValueError("a mistake")


def test_guard_returns_the_result_of_the_step() -> None:
    backoff = JobBackoff("Failed to process", "AUTH_a/c")
    assert backoff.guard(lambda: StepResult(True)) == StepResult(True)
    assert not backoff.is_failing
    assert not backoff.succeeded()


def test_delay_grows_with_failures_and_only_the_first_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    backoff = JobBackoff("Failed to process", "AUTH_a/c")
    with caplog.at_level(logging.DEBUG):
        delays = [backoff.guard(unavailable).delay for _ in range(3)]
    assert delays == [10.0, 20.0, 30.0]
    assert [record.levelname for record in caplog.records] == ["ERROR", "DEBUG", "DEBUG"]
    assert caplog.messages[0].startswith("Failed to process AUTH_a/c: no answer; next try in ")
    assert backoff.is_failing


def test_unexpected_exception_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    assert JobBackoff("Failed to list", "AUTH_a/*").guard(broken).delay == 10.0
    assert [bool(record.exc_info) for record in caplog.records] == [True, False]


def test_succeeded_resets_the_backoff_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    backoff = JobBackoff("Failed to process", "AUTH_a/c")
    backoff.failed("no reason")
    caplog.clear()
    with caplog.at_level(logging.INFO):
        assert [backoff.succeeded(), backoff.succeeded()] == [True, False]
    assert caplog.messages == ["AUTH_a/c: working again"]
    assert backoff.failed("no reason").delay == 10.0
