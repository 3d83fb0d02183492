"""Segments count where a writer of the manifest's container could write anyhow."""

from __future__ import annotations

import pytest

from s3_sync.largeobject.segment_places import may_hold_segments


@pytest.mark.parametrize("container", ["scans", "scans_segments", "scans+segments"])
def test_may_hold_segments_in_own_places_is_true(container: str) -> None:
    assert may_hold_segments(container, "scans", ())


@pytest.mark.parametrize(
    "container",
    ["private", "scans_segments2", "scans_segment", "scan", "_segments", "Scans_segments", "scans-segments"],
)
def test_may_hold_segments_elsewhere_is_false(container: str) -> None:
    assert not may_hold_segments(container, "scans", ())


def test_may_hold_segments_in_base_of_segments_container_is_false() -> None:
    assert not may_hold_segments("scans", "scans_segments", ())


def test_may_hold_segments_in_allowed_container_is_true() -> None:
    assert may_hold_segments("parts", "scans", ("parts",))
    assert not may_hold_segments("parts_segments", "scans", ("parts",))
    assert not may_hold_segments("par", "scans", ("parts",))


def test_may_hold_segments_with_star_is_true_everywhere() -> None:
    assert may_hold_segments("private", "scans", ("*",))
    assert may_hold_segments("scans", "scans", ("parts", "*"))


def test_may_hold_segments_in_reserved_container_is_false_whatever_is_allowed() -> None:
    for reserved in ("\0versions\0scans", "\0deletes\0scans"):
        assert not may_hold_segments(reserved, "scans", ("*", reserved))
