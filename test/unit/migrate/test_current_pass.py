from __future__ import annotations

from typing import Any

import pytest

from s3_sync.migrate.current_pass import MAX_CLOCK_DIFFERENCE, Pass
from s3_sync.migrate.decide import Action
from s3_sync.migrate.division import Lookups, Share
from s3_sync.migrate.scan import Batch
from s3_sync.model.objects import ListedObject

NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("age", "older_than", "is_wanted"),
    [
        (10.0, 0.0, True),
        (10.0, 20.0, False),
        (-1.0, 0.0, False),  # rounded up, or by a clock that is ahead: copied a little later
        (-MAX_CLOCK_DIFFERENCE - 1.0, 0.0, True),  # refused with a reason, for an operator to see
    ],
)
def test_begin_leaves_objects_that_are_too_young_to_a_later_pass_and_counts_them(
    age: float, older_than: float, is_wanted: bool
) -> None:
    share, nothing = Share(), Any
    current = Pass(nothing, nothing, Lookups(share, False), "", NOW - older_than, share, set())  # type: ignore[arg-type]
    source = ListedObject("a", 1, "etag", NOW - age)
    batch = Batch([(source, None)], "", None, 1)
    assert list(current.begin(batch, NOW)) == ([(source, Action.COPY)] if is_wanted else [])
    assert current.counts.waiting == (0 if is_wanted else 1)
