"""Lifecycle rules and clocks."""

from __future__ import annotations

import pytest

from s3_sync.errors import AccessDenied, NotSupported
from s3_sync.providers.checks.base import Finding
from unit.providers.checks.odd_bucket import CHECKS, OddBucket, find, site


def test_rules_are_only_read_and_a_store_without_them_is_advised() -> None:
    asked: list[int] = []

    class Odd(OddBucket):
        def set_expiry_rule(self, days: int) -> bool:
            asked.append(days)
            raise NotSupported("no rules", status=501)

    assert find("lifecycle rules", site(Odd)).advised == {"expires": False}
    assert find("lifecycle rules", site(Odd, expires=False)).advised == {}
    assert asked == [0, 0]


def test_rules_that_must_not_be_read_are_a_missing_permission() -> None:
    class Odd(OddBucket):
        def set_expiry_rule(self, days: int) -> bool:
            raise AccessDenied("no", status=403)

    with pytest.raises(AccessDenied):
        CHECKS["lifecycle rules"].run(site(Odd))


@pytest.mark.parametrize(
    ("offset", "text", "noted", "wrong"),
    [
        (30.0, "agrees with this machine's", False, False),
        (
            -120.0,
            "120 s behind this machine's: correct the wrong one; at 900 s",
            True,
            False,
        ),
        (1000.0, "1000 s ahead of this machine's", True, True),
    ],
)
def test_clock_is_compared_with_this_machines(offset: float, text: str, noted: bool, wrong: bool) -> None:
    class Odd(OddBucket):
        clock_offset = offset  # type: ignore[assignment]

    found = find("clock", site(Odd))
    assert found.text.startswith(text)
    assert found == Finding(found.text, noted=noted, wrong=wrong)
