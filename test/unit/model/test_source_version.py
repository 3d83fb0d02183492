from __future__ import annotations

import pytest

from s3_sync.model.migration import source_version
from s3_sync.model.timestamps import Timestamp


@pytest.mark.parametrize(
    ("listed", "told", "version"),
    [
        (1000.25, 1000.0, 1000.25),  # the header has whole seconds
        (1000.25, 1001.0, 1000.25),  # rounded up
        (1000.0, 1000.75, 1000.0),  # the listing has whole seconds
        (1000.0, 1001.0, 1000.0),  # one of them is rounded up
        (1001.0, 1000.0, 1001.0),
        (1000.0, 1002.0, 1002.0),  # changed since it was listed
        (1002.5, 1000.0, 1002.5),  # the answer is of an older replica
        (0.0, 1000.0, 1000.0),  # the listing tells none
        (1000.25, 0.0, 1000.25),
    ],
)
def test_source_version_is_the_listed_time_unless_the_object_has_changed(
    listed: float, told: float, version: float
) -> None:
    assert source_version(listed, told) == Timestamp.from_seconds(version)
