"""The results of one destination, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from s3_sync.config.credentials.base import Credentials

State = Literal["ok", "failed", "note", "skipped"]
_SHOWN = {"ok": "ok", "failed": "FAILED", "note": "note", "skipped": "-"}
_CHECK_WIDTH = 22
#: properties that are told, whatever they are
_TOLD = ("addressing_style", "region", "signature_version", "checksum")


@dataclass(frozen=True, slots=True)
class Result:
    """One check. ``message``: the line for a failure. ``grant``: what would permit it, if it was refused."""

    check: str
    state: State
    text: str = ""
    message: str = ""
    grant: str = ""
    needed: Mapping[str, object] = field(default_factory=dict)
    advised: Mapping[str, object] = field(default_factory=dict)


@dataclass
class Report:
    """``title``: what was checked. ``leftovers``: what could not be removed. ``strict``: properties that the
    configuration must have are failures, too."""

    title: str
    credentials: Credentials
    strict: bool = False
    results: list[Result] = field(default_factory=list)
    #: lines about what kept the checks from being made
    problems: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    #: no request succeeds
    is_unusable: bool = False

    def has_failed(self, check: str) -> bool:
        return any(result.check == check and result.state == "failed" for result in self.results)

    @property
    def has_passed(self) -> bool:
        """Whether any check has succeeded."""
        return any(result.state in ("ok", "note") for result in self.results)

    @property
    def failures(self) -> list[str]:
        """The lines about what is wrong."""
        lines = [*self.problems]
        lines += [result.message for result in self.results if result.state == "failed" and result.message]
        if self.strict and (needed := self._lines("needed")):
            lines.append(f"The credentials need other lines: {_json(needed)}")
        return lines + [f"Could not be removed: {each}" for each in self.leftovers]

    @property
    def needed(self) -> Mapping[str, Any]:
        return self._lines("needed")

    @property
    def advised(self) -> Mapping[str, Any]:
        """With what is needed."""
        return self._lines("needed", "advised") if self._changes("advised") else {}

    def _lines(self, *kinds: str) -> Mapping[str, Any]:
        changes = {name: value for kind in kinds[::-1] for name, value in self._changes(kind).items()}
        return self.credentials.lines(changes) if changes else {}

    def _changes(self, kind: str) -> dict[str, object]:
        found: dict[str, object] = {}
        for result in self.results:
            found.update(getattr(result, kind))
        return found

    def text(self) -> Iterator[str]:
        if self.is_unusable and not self.needed:
            return
        yield self.title
        if store := self.credentials.described_store():
            yield f"store: {store}"
        if options := self._options():
            yield f"in force: {options}"
        for result in self.results:
            yield f"  {_SHOWN[result.state]:<7} {result.check:<{_CHECK_WIDTH}} {result.text}".rstrip()
            if result.grant:
                yield f"  {'':<7} {'':<{_CHECK_WIDTH}} needs {result.grant}"
        for each in self.leftovers:
            yield f"  {'FAILED':<7} {'removal':<{_CHECK_WIDTH}} {each}"
        if self.needed:
            yield from _block("The credentials need these lines:", self.needed)
        if self.advised:
            yield from _block("With these lines more of the store is used:", self.advised)

    def _options(self) -> str:
        properties = self.credentials.properties
        return ", ".join(f"{name} {properties[name]}" for name in _TOLD if name in properties)

    def as_json(self) -> dict[str, Any]:
        return {
            "destination": self.title,
            "ok": not self.failures,
            "failures": self.failures,
            "checks": [
                {
                    "check": result.check,
                    "state": result.state,
                    "text": result.text,
                    "grant": result.grant or None,
                }
                for result in self.results
            ],
            "properties": dict(self.credentials.properties),
            "needed": self.needed,
            "advised": self.advised,
        }


def _block(title: str, lines: Mapping[str, Any]) -> Iterator[str]:
    yield title
    for number, (key, value) in enumerate(lines.items(), 1):
        yield f"  {_json(key)}: {_json(value)}{',' if number < len(lines) else ''}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
