"""What the dates of a store's answers tell of its clock."""

from __future__ import annotations

import logging
from email.utils import formatdate

import pytest

from s3_sync.providers.clock_skew import StoreClock

NOW = 1_700_000_000.5


@pytest.mark.parametrize(
    ("told", "took", "off"),
    [
        (NOW, 0.0, 0.0),
        (NOW - 1, 2.0, 0.0),
        (NOW - 10, 20.0, 0.0),  # a slow answer
        (NOW + 600, 0.0, 600.5),
        (NOW + 600, 2.0, 602.5),
        (NOW - 600, 0.0, -600.5),
        (NOW - 600, 2.0, -600.5),
    ],
)
def test_record_date_gives_the_least_possible_difference(told: float, took: float, off: float) -> None:
    clock = StoreClock("store", lambda: NOW)
    clock.record(formatdate(told, usegmt=True), NOW - took)
    assert clock.offset == off


def test_record_missing_or_invalid_date_changes_nothing() -> None:
    clock = StoreClock("store", lambda: NOW)
    clock.record(formatdate(NOW + 600, usegmt=True), NOW)
    for date in ("", "yesterday"):
        clock.record(date, NOW)
        assert clock.offset == 600.5
    clock.record(formatdate(NOW, usegmt=True), NOW)
    assert clock.offset == 0.0


def test_record_date_of_slow_answer_keeps_a_difference_it_allows() -> None:
    clock = StoreClock("store", lambda: NOW)
    clock.record(formatdate(NOW - 30, usegmt=True), NOW)
    assert clock.offset == -30.5
    clock.record(formatdate(NOW - 40, usegmt=True), NOW - 60)
    assert clock.offset == -30.5
    clock.record(formatdate(NOW - 20, usegmt=True), NOW - 60)
    assert clock.offset == 0.0


def test_record_difference_of_more_than_a_minute_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = StoreClock("s3.example", lambda: NOW)
    for ahead in (0, -50, -70, -100, -50, -70, 0, 0, 300):
        clock.record(formatdate(NOW + ahead, usegmt=True), NOW)
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "The clock of s3.example is 70 s behind the clock of this machine",
        "The clock of s3.example agrees with the clock of this machine again",
        "The clock of s3.example is 300 s ahead of the clock of this machine",
    ]
