"""What the dates of a store's answers tell of its clock."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from s3_sync.providers.s3.clock import StoreClock

NOW = 1_700_000_000.5


@pytest.mark.parametrize(
    ("told", "took", "off"),
    [
        (NOW, 0.0, 0.0),
        (NOW - 1, 2.0, 0.0),
        (NOW - 10, 20.0, 0.0),  # a slow answer
        (NOW + 600, 0.0, 600.5),
        (NOW + 600, 2.0, 602.5),
        (NOW - 600, 0.0, 600.5),
        (NOW - 600, 2.0, 600.5),
    ],
)
def test_heard_date_bounds_the_difference(told: float, took: float, off: float) -> None:
    clock = StoreClock(lambda: NOW)
    clock.heard(formatdate(told, usegmt=True), NOW - took)
    assert clock.off == off


def test_heard_nothing_changes_nothing() -> None:
    clock = StoreClock(lambda: NOW)
    clock.heard(formatdate(NOW + 600, usegmt=True), NOW)
    for date in ("", "yesterday"):
        clock.heard(date, NOW)
        assert clock.off == 600.5
    clock.heard(formatdate(NOW, usegmt=True), NOW)
    assert clock.off == 0.0
