"""What is news, and what has been said before."""

from __future__ import annotations

import logging

import pytest

from s3_sync.runtime.log_once import LogOnce

log = logging.getLogger("told")


def test_the_same_is_said_once() -> None:
    log_once = LogOnce()
    levels = [
        log_once.level_for("store", what) for what in ("frozen", "frozen", "refused", "refused", "frozen")
    ]
    assert levels == [logging.WARNING, logging.DEBUG, logging.WARNING, logging.DEBUG, logging.WARNING]
    assert log_once.level_for("other", "frozen", logging.ERROR) == logging.ERROR


def test_and_again_when_it_was_over_meanwhile() -> None:
    log_once = LogOnce()
    assert not log_once.clear("store")
    log_once.level_for("store", "frozen")
    assert log_once.clear("store")
    assert not log_once.clear("store")
    assert log_once.level_for("store", "frozen") == logging.WARNING


def test_a_traceback_is_shown_once_for_each_place(caplog: pytest.LogCaptureFixture) -> None:
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
