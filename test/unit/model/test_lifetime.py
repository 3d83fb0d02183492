"""When a store deletes a copy itself."""

from __future__ import annotations

import pytest

from s3_sync.model.lifetime import FOR_EVER, Lifetime
from s3_sync.model.objects import ObjectMeta

PLAIN = ObjectMeta().marked(swift_timestamp="1000000000.50000")
EXPIRING = PLAIN.marked(x_delete_at="1000000100")


@pytest.mark.parametrize(
    ("lifetime", "meta", "expected"),
    [
        (FOR_EVER, EXPIRING, None),
        (Lifetime(seconds=60), PLAIN, 1_000_000_061),
        (Lifetime(seconds=60), EXPIRING, 1_000_000_061),
        (Lifetime(seconds=60), ObjectMeta(), None),
        (Lifetime(offset=0), EXPIRING, 1_000_000_100),
        (Lifetime(offset=5), EXPIRING, 1_000_000_105),
        (Lifetime(offset=5), PLAIN, None),
        (Lifetime(60, 5), EXPIRING, 1_000_000_105),
        (Lifetime(60, 5), PLAIN, 1_000_000_061),
        # Swift keeps no later one, and a copy with another one would never be right
        (Lifetime(offset=86400), PLAIN.marked(x_delete_at="9999999999"), 9_999_999_999),
        (Lifetime(seconds=9_500_000_000), PLAIN, 9_999_999_999),
    ],
)
def test_delete_at_counts_from_expiry_or_date_of_the_object(
    lifetime: Lifetime, meta: ObjectMeta, expected: int | None
) -> None:
    assert lifetime.delete_at(meta) == expected


@pytest.mark.parametrize(
    ("lifetime", "large", "segment", "expected"),
    [
        # an old segment of a new large object
        (Lifetime(60, None, 10), PLAIN.marked(swift_timestamp="1000000500.00000"), PLAIN, 1_000_000_570),
        (Lifetime(60, None, 10), PLAIN, PLAIN.marked(swift_timestamp="1000000500.00000"), 1_000_000_570),
        # a large object with an expiry of its own, which is later than what its segments' age gives
        (Lifetime(60, 5, 10), PLAIN.marked(x_delete_at="1000009000"), PLAIN, 1_000_009_015),
        (Lifetime(60, 5, 10), EXPIRING, PLAIN.marked(swift_timestamp="1000000500.00000"), 1_000_000_570),
        # whoever gave a segment its expiry meant it
        (Lifetime(60, 5, 10), PLAIN.marked(x_delete_at="1000009000"), EXPIRING, 1_000_000_105),
        (Lifetime(offset=5), EXPIRING, PLAIN, None),
        (Lifetime(9_500_000_000, None, 10), PLAIN, PLAIN, 9_999_999_999),
        (Lifetime(60, None, 10), None, PLAIN, 1_000_000_071),
        (FOR_EVER, EXPIRING, PLAIN, None),
    ],
)
def test_segment_lives_longer_than_a_large_object_that_needs_it(
    lifetime: Lifetime, large: ObjectMeta | None, segment: ObjectMeta, expected: int | None
) -> None:
    assert lifetime.of_segments(large).delete_at(segment) == expected
