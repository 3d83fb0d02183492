"""Conditions on headers: what they mean, and how mistakes in them are reported."""

from __future__ import annotations

from typing import Any

import pytest

from s3_sync.config.criteria import MATCH_ALL, MAX_DEPTH, compile_criteria
from s3_sync.errors import ConfigError

HEADERS = {"content-type": "application/dicom", "x-object-meta-hold": "No", "x-object-meta-città": "ÅRHUS"}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({}, True),
        ({"content-type": "application/dicom"}, True),
        ({"Content-Type": "Application/DICOM"}, True),
        ({"content-type": "application/dico"}, False),
        ({"x-object-meta-hold": "no"}, True),
        ({"x-object-meta-absent": ""}, False),
        ({"NOT": {"x-object-meta-absent": "x"}}, True),
        ({"NOT": {}}, False),
        ({"AND": []}, True),
        ({"AND": [{"content-type": "application/dicom"}, {"x-object-meta-hold": "NO"}]}, True),
        ({"AND": [{"content-type": "application/dicom"}, {"x-object-meta-hold": "yes"}]}, False),
        ({"OR": [{"content-type": "text/plain"}, {"x-object-meta-hold": "no"}]}, True),
        ({"OR": [{"content-type": "text/plain"}, {"x-object-meta-hold": "yes"}]}, False),
        (
            {"AND": [{}, {"NOT": {"OR": [{"content-type": "a"}, {"NOT": {"x-object-meta-hold": "no"}}]}}]},
            True,
        ),
    ],
)
def test_matches_evaluates_conditions_and_operators(written: Any, expected: bool) -> None:
    assert compile_criteria(written, "here").matches(HEADERS) is expected


@pytest.mark.parametrize(
    ("value", "header"),
    [("ÅRHUS", "århus"), ("århus", "ÅRHUS"), ("STRASSE", "straße"), ("ΣΊΣΥΦΟΣ", "Σίσυφος")],
)
def test_matches_ignores_case_of_non_ascii_values(value: str, header: str) -> None:
    compiled = compile_criteria({"X-Object-Meta-Città": value}, "here")
    assert compiled.matches({"x-object-meta-città": header})
    assert not compiled.matches({"x-object-meta-città": header + "."})


@pytest.mark.parametrize(
    ("written", "place", "message"),
    [
        (
            {"a": "1", "b": "2"},
            "here",
            'must have exactly one key, not 2 (a, b); combine conditions with "AND"',
        ),
        ({"AND": {"a": "1"}}, "here.AND", "must be a list of conditions"),
        ({"OR": []}, "here.OR", "is empty"),
        ({"NOT": [{"a": "1"}]}, "here.NOT", "must be an object"),
        ({"NOT": "a"}, "here.NOT", "must be an object"),
        ({"AND": [{"a": "1"}, {"NOT": {"b": 2}}]}, "here.AND[1].NOT.b", "must be text"),
        ({"OR": [{"a": None}]}, "here.OR[0].a", "must be text"),
        ({"and": [{"a": "1"}]}, "here.and", "operators must be in upper case: AND"),
        ("a", "here", "must be an object"),
    ],
)
def test_compile_criteria_invalid_condition_reports_its_place(written: Any, place: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compile_criteria(written, "here")
    [problem] = caught.value.problems
    assert problem.place == place
    assert message in problem.message


def test_compile_criteria_several_mistakes_reports_all() -> None:
    with pytest.raises(ConfigError) as caught:
        compile_criteria({"AND": [{"a": 1}, {}, {"OR": [{"b": "2", "c": "3"}, 4]}]}, "here")
    assert [problem.place for problem in caught.value.problems] == [
        "here.AND[0].a",
        "here.AND[2].OR[0]",
        "here.AND[2].OR[1]",
    ]


def test_compile_criteria_too_deep_nesting_raises_config_error() -> None:
    def nested(levels: int) -> dict[str, Any]:
        written: dict[str, Any] = {"a": "1"}
        for _ in range(levels):
            written = {"NOT": written}
        return written

    assert compile_criteria(nested(MAX_DEPTH - 2), "here").matches({"a": "1"})
    with pytest.raises(ConfigError, match=f"more than {MAX_DEPTH} levels"):
        compile_criteria(nested(MAX_DEPTH + 500), "here")


def test_compiled_criteria_compare_by_value_and_print_conditions() -> None:
    one, other = (compile_criteria({"AND": [{"A": "B"}, {"NOT": {"c": "d"}}]}, "x") for _ in range(2))
    assert one == other
    assert len({one, other}) == 1
    assert str(one) == '(a = "b" AND NOT c = "d")'
    assert compile_criteria({}, "x") == MATCH_ALL
    assert str(MATCH_ALL) == "everything"
    assert str(compile_criteria({"OR": [{"a": "b"}, {"c": "d"}]}, "x")) == '(a = "b" OR c = "d")'
