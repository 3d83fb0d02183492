"""Parts: legal, in order, nothing lost, and one for each segment where that can be."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import md5

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from s3_sync.errors import ObjectRefused
from s3_sync.largeobject.manifest import Manifest
from s3_sync.largeobject.plan import is_one_to_one, plan_parts
from s3_sync.providers.base import Limits as StoreLimits
from s3_sync.providers.store_limits import GIB, MIB


@dataclass(frozen=True)
class Limits:
    min_part: int
    max_part: int
    max_parts: int
    equal_parts: bool = False


def of_sizes(sizes: list[int]) -> Manifest:
    entries = [
        {"name": f"/c/{number}", "bytes": size, "hash": md5(b"%d" % number).hexdigest()}
        for number, size in enumerate(sizes)
    ]
    return Manifest.parse(json.dumps(entries).encode())


limits_of_any_store = st.builds(
    lambda low, more, parts, equal: Limits(low, low + more, parts, equal),
    st.integers(0, 20),
    st.integers(1, 60),
    st.integers(1, 30),
    st.booleans(),
)


@given(st.lists(st.integers(0, 200), max_size=40), limits_of_any_store)
@settings(deadline=None, max_examples=1000)
def test_plan_of_any_segments_has_legal_parts_with_every_byte_in_order(
    sizes: list[int], limits: Limits
) -> None:
    manifest = of_sizes(sizes)
    assume(manifest.size <= limits.max_part * limits.max_parts)
    parts = plan_parts(manifest, limits)
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert len(parts) <= limits.max_parts
    assert all(limits.min_part <= part.size <= limits.max_part for part in parts[:-1])
    assert all(1 <= part.size <= limits.max_part for part in parts[-1:])
    if limits.equal_parts:
        assert len({part.size for part in parts[:-1]}) <= 1
        assert all(part.size <= parts[0].size for part in parts[-1:])
    position = 0
    covered = {segment.name: 0 for segment in manifest.segments}
    order = []
    for part in parts:
        assert part.offset == position
        position += part.size
        for piece in part.pieces:
            assert piece.size > 0
            assert covered[piece.segment.name] == piece.first
            covered[piece.segment.name] += piece.size
            order.append(int(piece.segment.name))
    assert order == sorted(order)
    assert covered == {segment.name: segment.size for segment in manifest.segments}


@given(st.lists(st.integers(10, 50), min_size=1, max_size=20), st.integers(1, 50))
@settings(deadline=None)
def test_segments_of_legal_size_become_one_part_each(sizes: list[int], last: int) -> None:
    manifest = of_sizes([*sizes, last])
    parts = plan_parts(manifest, Limits(10, 50, 21))
    assert [part.md5 for part in parts] == [segment.md5 for segment in manifest.segments]


@given(st.lists(st.integers(0, 300), max_size=20), limits_of_any_store)
@settings(deadline=None)
def test_object_beyond_the_limits_is_refused_as_too_large(sizes: list[int], limits: Limits) -> None:
    manifest = of_sizes([*sizes, limits.max_part * limits.max_parts + 1])
    with pytest.raises(ObjectRefused) as refusal:
        plan_parts(manifest, limits)
    assert refusal.value.reason == "too_large"


@pytest.mark.parametrize(
    ("sizes", "parts", "one_to_one"),
    [
        ([5 * MIB, 5 * GIB, 1], 3, True),
        ([5 * MIB - 1, 5 * MIB], 1, False),
        ([1] * 3, 1, False),
        ([1], 1, True),
        ([0, 1, 0], 1, False),
        ([5 * GIB + 1], 2, False),
        ([3, 5 * GIB, 3], 3, False),
        ([5 * MIB] * 10_000, 10_000, True),
        ([5 * MIB] * 10_001, 5_001, False),
        ([MIB] * 60_000, 10_000, False),
    ],
)
def test_plan_for_s3_has_the_known_number_of_parts(sizes: list[int], parts: int, one_to_one: bool) -> None:
    manifest = of_sizes(sizes)
    plan = plan_parts(manifest, StoreLimits())
    assert len(plan) == parts
    assert is_one_to_one(manifest, plan) is one_to_one


def test_plan_of_empty_object_has_no_parts() -> None:
    assert plan_parts(of_sizes([]), StoreLimits()) == ()
    assert plan_parts(of_sizes([0, 0]), StoreLimits()) == ()


EQUAL = Limits(10, 50, 21, equal_parts=True)


@given(st.integers(10, 50), st.integers(1, 10), st.integers(1, 50))
@settings(deadline=None)
def test_equal_segments_stay_parts_where_parts_must_be_equal(size: int, count: int, last: int) -> None:
    manifest = of_sizes([*[size] * count, min(size, last)])
    assert is_one_to_one(manifest, plan_parts(manifest, EQUAL))


def test_segments_of_different_sizes_are_cut_to_the_size_of_the_first() -> None:
    plan = plan_parts(of_sizes([20, 30, 15]), EQUAL)
    assert [part.size for part in plan] == [20, 20, 20, 5]


def test_last_segment_larger_than_the_others_is_cut_where_parts_must_be_equal() -> None:
    plan = plan_parts(of_sizes([20, 30]), EQUAL)
    assert [part.size for part in plan] == [20, 20, 10]
