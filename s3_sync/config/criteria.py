"""``selection_criteria``: a condition on an object's headers, checked at load and then only evaluated.

Written form: ``{}`` is always true; ``{"AND": [..]}``, ``{"OR": [..]}`` and ``{"NOT": {..}}`` combine;
anything else is one pair ``{"header": "value"}``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from s3_sync.errors import ConfigError, Problem

#: deeper than anybody writes, and far from the interpreter's own limit
MAX_DEPTH = 50
_OPERATORS = ("AND", "OR", "NOT")


@dataclass(frozen=True, slots=True)
class Equals:
    """The header is there and its value is this one, whatever the case of either."""

    header: str
    value: str

    def matches(self, headers: Mapping[str, str]) -> bool:
        found = headers.get(self.header)
        return found is not None and found.casefold() == self.value

    def __str__(self) -> str:
        return f"{self.header} = {json.dumps(self.value, ensure_ascii=False)}"


@dataclass(frozen=True, slots=True)
class All:
    """True when every part is; so ``All(())`` always is."""

    parts: tuple[Criteria, ...] = ()

    def matches(self, headers: Mapping[str, str]) -> bool:
        return all(part.matches(headers) for part in self.parts)

    def __str__(self) -> str:
        return f"({' AND '.join(map(str, self.parts))})" if self.parts else "everything"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True when at least one part is."""

    parts: tuple[Criteria, ...]

    def matches(self, headers: Mapping[str, str]) -> bool:
        return any(part.matches(headers) for part in self.parts)

    def __str__(self) -> str:
        return f"({' OR '.join(map(str, self.parts))})"


@dataclass(frozen=True, slots=True)
class Not:
    """True when the part is not."""

    part: Criteria

    def matches(self, headers: Mapping[str, str]) -> bool:
        return not self.part.matches(headers)

    def __str__(self) -> str:
        return f"NOT {self.part}"


#: ``matches(headers)`` takes a Swift HEAD answer's headers: lower-case names, values as Unicode text
Criteria = Equals | All | AnyOf | Not

EVERYTHING = All()


def compile_criteria(written: Any, place: str) -> Criteria:
    """The condition in ``written``, which stands at ``place`` of the file.

    Raises ConfigError with a Problem for every mistake in it, each naming its place inside.
    """
    problems: list[Problem] = []
    compiled = _compile(written, place, problems, MAX_DEPTH)
    if problems:
        raise ConfigError(problems)
    return compiled


def _compile(written: Any, place: str, problems: list[Problem], depth: int) -> Criteria:
    def wrong(message: str) -> Criteria:
        problems.append(Problem(place, message))
        return EVERYTHING

    if not isinstance(written, dict):
        return wrong('must be an object, such as {"content-type": "text/plain"}')
    if not written:
        return EVERYTHING
    if len(written) > 1:
        keys = ", ".join(map(str, written))
        return wrong(f'must have exactly one key, not {len(written)} ({keys}); combine conditions with "AND"')
    if depth == 0:
        return wrong(f"is nested more than {MAX_DEPTH} levels deep")
    [(key, value)] = written.items()
    place = f"{place}.{key}"
    if key == "NOT":
        return Not(_compile(value, place, problems, depth - 1))
    if key in ("AND", "OR"):
        return _combined(key, value, place, problems, depth)
    if key.upper() in _OPERATORS:
        return wrong(f"operators are written in capitals: {key.upper()}")
    if not isinstance(value, str):
        return wrong("the value to compare with must be text")
    return Equals(key.lower(), value.casefold())


def _combined(key: str, value: Any, place: str, problems: list[Problem], depth: int) -> Criteria:
    if not isinstance(value, list):
        problems.append(Problem(place, "must be a list of conditions"))
        return EVERYTHING
    if key == "OR" and not value:
        problems.append(Problem(place, "is empty, so that no object would ever match"))
    parts = tuple(
        _compile(part, f"{place}[{index}]", problems, depth - 1) for index, part in enumerate(value)
    )
    return All(parts) if key == "AND" else AnyOf(parts)
