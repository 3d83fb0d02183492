"""A state is logged once; repeated, it is logged at DEBUG."""

from __future__ import annotations

import logging

import pytest

from s3_sync.runtime.log_once import LogOnce

log = logging.getLogger("told")


def test_level_for_an_unchanged_state_is_debug() -> None:
    log_once = LogOnce()
    levels = [
        log_once.level_for("store", what) for what in ("frozen", "frozen", "refused", "refused", "frozen")
    ]
    assert levels == [logging.WARNING, logging.DEBUG, logging.WARNING, logging.DEBUG, logging.WARNING]
    assert log_once.level_for("other", "frozen", logging.ERROR) == logging.ERROR


def test_level_for_a_state_after_clear_is_warning_again() -> None:
    log_once = LogOnce()
    assert not log_once.clear("store")
    log_once.level_for("store", "frozen")
    assert log_once.clear("store")
    assert not log_once.clear("store")
    assert log_once.level_for("store", "frozen") == logging.WARNING


def test_exception_of_the_same_line_again_is_logged_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    log_once = LogOnce()

    def fails(name: str) -> None:
        if name == "c":
            raise ValueError(name)
        raise ValueError(name)

    for name in "abcab":
        try:
            fails(name)
        except ValueError as error:
            log_once.exception(log, error, "failed: %s", name)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "failed: a"),
        ("DEBUG", "failed: b"),
        ("ERROR", "failed: c"),
        ("DEBUG", "failed: a"),
        ("DEBUG", "failed: b"),
    ]
    assert all(record.exc_info for record in caplog.records)
