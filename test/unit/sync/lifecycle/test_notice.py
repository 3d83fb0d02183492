"""What leaves the cluster is told with its times."""

from __future__ import annotations

import logging

import pytest

from s3_sync.sync.lifecycle.notice import announce
from unit.sync.fake_node import mapping


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ({"copy_after": 30 * 86400}, "leave this cluster 30 days after their last change"),
        ({"copy_after": 86400}, "leave this cluster 1 day after their last change"),
        ({"copy_after": 3600}, "leave this cluster 3600 seconds after their last change"),
        ({}, "leave this cluster at once"),
        ({"remote_delete_after": 7 * 86400}, "the store deletes them 7 days later: then no copy remains"),
    ],
)
def test_announce_warns_when_objects_of_a_move_leave(
    profile: dict[str, int], expected: str, caplog: pytest.LogCaptureFixture
) -> None:
    announce([mapping(retain_local=False, **profile), mapping(**profile)])
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert expected in record.getMessage()
