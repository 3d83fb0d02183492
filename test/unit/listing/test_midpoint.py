from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from s3_sync.listing.midpoint import between

TEXTS = st.text(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from("\0\x01\x1f \x7fab~\uffff\U0010ffff"))
)


@given(TEXTS, TEXTS, TEXTS)
def test_between_any_texts_is_strictly_between_and_legal(prefix: str, low: str, high: str) -> None:
    low = prefix + low
    assume(high == "" or high > low)
    middle = between(low, high, prefix)
    if middle is not None:
        assert middle.startswith(prefix)
        assert low < middle
        assert not high or middle < high
        added = set(middle) - set(low) - set(high)
        assert all(character >= " " and character not in "\ufffe\uffff" for character in added)
        middle.encode()


@pytest.mark.parametrize(
    ("low", "high", "middle"),
    [
        ("a", "", "\x7f"),  # nobody knows what there is: all of ASCII is before this
        ("a", "\x7f", "p"),
        ("p", "q", "p\x7f"),
        ("p1", "qrs", "p\x7f"),
        ("2020/01", "2020/09", "2020/05"),
        ("x", "\U0010ffff", "\x7f"),
        ("a", "a\0", None),
        ("a\x01", "a\x02", "a\x01\x7f"),
    ],
)
def test_between_known_texts_gives_the_known_middle(low: str, high: str, middle: str | None) -> None:
    assert between(low, high, "") == middle


def test_between_texts_without_the_prefix_gives_none() -> None:
    assert between("a", "", "b") is None
