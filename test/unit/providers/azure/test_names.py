"""Names of metadata as C# identifiers, and back."""

from __future__ import annotations

import keyword

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3_sync.providers.azure.names import from_identifier, to_identifier
from servers.fake_azure_store import IDENTIFIER


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1))
@settings(deadline=None)
def test_any_name_becomes_an_identifier_and_comes_back(name: str) -> None:
    found = to_identifier(name)
    assert IDENTIFIER.fullmatch(found)
    assert from_identifier(found) == name
    assert from_identifier(found.upper()).lower() == from_identifier(found.lower()).lower()


@given(st.text("ab_-29", min_size=1), st.text("ab_-29", min_size=1))
@settings(deadline=None)
def test_different_names_become_different_identifiers(one: str, other: str) -> None:
    assert (to_identifier(one) == to_identifier(other)) == (one == other)


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("colour", "colour"),
        ("swift-timestamp", "swift_2Dtimestamp"),
        ("with_underscore", "with_5Funderscore"),
        ("2x", "_32x"),
        ("class", "_63lass"),
        ("classes", "classes"),
        ("ü", "_C3_BC"),
    ],
)
def test_name_is_percent_encoded_with_underscores(name: str, identifier: str) -> None:
    assert to_identifier(name) == identifier


def test_keywords_are_no_names() -> None:
    assert all(to_identifier(word) != word for word in ("class", "int", "new", "while", "is"))
    assert to_identifier(keyword.kwlist[3]) == "and"  # those of Python are none


@pytest.mark.parametrize("foreign", ["plain", "_", "a_b", "a_zz", "x_f", "_C3", "a__b"])
def test_identifier_of_another_program_stays_as_it_is(foreign: str) -> None:
    assert from_identifier(foreign) == foreign
