"""``selection_criteria``: a condition on an object's headers, compiled when the file is loaded.

Syntax: ``{}`` is always true; ``{"AND": [..]}``, ``{"OR": [..]}`` and ``{"NOT": {..}}`` combine conditions;
anything else is one pair ``{"header": "value"}``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from s3_sync.errors import ConfigError, Problem

#: nesting limit, far below the interpreter's recursion limit
MAX_DEPTH = 50
_OPERATORS = ("AND", "OR", "NOT")


@dataclass(frozen=True, slots=True)
class Equals:
    """True if the header exists with this value, ignoring the case of both."""

    header: str
    value: str

    def matches(self, headers: Mapping[str, str]) -> bool:
        found = headers.get(self.header)
        return found is not None and found.casefold() == self.value

    def __str__(self) -> str:
        return f"{self.header} = {json.dumps(self.value, ensure_ascii=False)}"


@dataclass(frozen=True, slots=True)
class All:
    """True if every part is; so ``All(())`` is always true."""

    parts: tuple[Criteria, ...] = ()

    def matches(self, headers: Mapping[str, str]) -> bool:
        return all(part.matches(headers) for part in self.parts)

    def __str__(self) -> str:
        return f"({' AND '.join(map(str, self.parts))})" if self.parts else "everything"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True if at least one part is."""

    parts: tuple[Criteria, ...]

    def matches(self, headers: Mapping[str, str]) -> bool:
        return any(part.matches(headers) for part in self.parts)

    def __str__(self) -> str:
        return f"({' OR '.join(map(str, self.parts))})"


@dataclass(frozen=True, slots=True)
class Not:
    """True if the part is not."""

    part: Criteria

    def matches(self, headers: Mapping[str, str]) -> bool:
        return not self.part.matches(headers)

    def __str__(self) -> str:
        return f"NOT {self.part}"


#: ``matches(headers)`` takes the headers of a Swift HEAD response: lower-case names, values as Unicode text
Criteria = Equals | All | AnyOf | Not

MATCH_ALL = All()


def compile_criteria(written: Any, place: str) -> Criteria:
    """Compile the condition in ``written``, at ``place`` in the file.

    Raises ConfigError with one Problem per mistake, each with its place.
    """
    problems: list[Problem] = []
    compiled = _compile(written, place, problems, MAX_DEPTH)
    if problems:
        raise ConfigError(problems)
    return compiled


def _compile(written: Any, place: str, problems: list[Problem], depth: int) -> Criteria:
    def wrong(message: str) -> Criteria:
        problems.append(Problem(place, message))
        return MATCH_ALL

    if not isinstance(written, dict):
        return wrong('must be an object, such as {"content-type": "text/plain"}')
    if not written:
        return MATCH_ALL
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
        return wrong(f"operators must be in upper case: {key.upper()}")
    if not isinstance(value, str):
        return wrong("the value to compare with must be text")
    return Equals(key.lower(), value.casefold())


def _combined(key: str, value: Any, place: str, problems: list[Problem], depth: int) -> Criteria:
    if not isinstance(value, list):
        problems.append(Problem(place, "must be a list of conditions"))
        return MATCH_ALL
    if key == "OR" and not value:
        problems.append(Problem(place, "is empty, so no object would match"))
    parts = tuple(
        _compile(part, f"{place}[{index}]", problems, depth - 1) for index, part in enumerate(value)
    )
    return All(parts) if key == "AND" else AnyOf(parts)
