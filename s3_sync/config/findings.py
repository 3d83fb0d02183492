"""Collects the problems of a file, each with its place; translates pydantic's messages."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from s3_sync.config.file.base import FileModel
from s3_sync.config.secret import Secret, find_secret
from s3_sync.errors import ConfigError, Problem

Model = TypeVar("Model", bound=FileModel)

_MESSAGES = {
    "missing": "is required",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "list_type": "must be a list",
    "string_too_short": "must not be empty",
    "literal_error": "must be one of {expected}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "less_than": "must be below {lt:g}",
    "wrong": "{message}",
}
_MAX_SHOWN = 60
_STEP = re.compile(r"[.\[]")


@dataclass
class Diagnostics:
    """A mapping, or the file, with a problem cannot be used; warnings do not prevent that.

    ``strict``: an unknown key is a problem, not a warning.
    """

    strict: bool = False
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    #: every place with a problem, and all its parents
    _bad: set[str] = field(default_factory=set)
    _warned: set[tuple[str, str]] = field(default_factory=set)
    #: files that secrets were read from
    secret_files: set[str] = field(default_factory=set)

    def problem(self, place: str, message: str) -> None:
        self.problems.append(Problem(place, message))
        self._bad.add(place)
        self._bad.update(place[: step.start()] for step in _STEP.finditer(place))

    def warning(self, place: str, message: str) -> None:
        """Add a warning, once for all the mappings that share this place."""
        if (place, message) not in self._warned:
            self._warned.add((place, message))
            self.warnings.append(Problem(place, message))

    def has_problem(self, place: str) -> bool:
        """Returns whether there is a problem at ``place`` or inside it."""
        return place in self._bad

    def read(self, form: type[Model], written: Any, place: str) -> Model | None:
        """Validate ``written`` as ``form``; None after adding every problem."""
        if isinstance(written, dict):
            written = self._known(form, written, place)
        try:
            return form.model_validate(written)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                self.problem(join(place, *detail["loc"]), _message(detail))
            return None

    def _known(self, form: type[FileModel], written: Mapping[str, Any], place: str) -> dict[str, Any]:
        """Return the keys that ``form`` has, without ``null`` ones, which count as absent."""
        known: dict[str, Any] = {}
        names = form.names()
        for key, value in written.items():
            here = join(place, key)
            if key not in names:
                self._unused(form, key, value, here)
                continue
            inner = form.inner(names[key])
            if inner and isinstance(value, dict):
                known[key] = self._known(inner, value, here)
            elif inner and isinstance(value, list):
                known[key] = [
                    self._known(inner, each, join(here, index)) if isinstance(each, dict) else each
                    for index, each in enumerate(value)
                ]
            elif isinstance(value, dict) and _is_secret(form, names[key]):
                known[key] = self._secret(value, here)
            elif value is not None:
                known[key] = value
        return known

    def _unused(self, form: type[FileModel], key: str, value: Any, place: str) -> None:
        if (reason := form.without_effect(key, value)) is not None:
            if reason:
                self.warning(place, reason)
            return
        elsewhere = form.hint(key)
        close = difflib.get_close_matches(key.lower(), form.names(), n=1)
        hint = elsewhere or (f'did you mean "{close[0]}"?' if close else "")
        message = "is not a known key" if self.strict else "is not a known key and has no effect"
        report = self.problem if self.strict else self.warning
        report(place, f"{message}; {hint}" if hint else message)

    def _secret(self, reference: dict[str, Any], place: str) -> str:
        """Resolve a reference to a secret; returns a placeholder after adding a problem."""
        try:
            text, readable_by_all = find_secret(reference, place)
        except ConfigError as error:
            self.problem(place, error.problems[0].message)
            return "none"
        finally:
            if isinstance(path := reference.get("file"), str):
                self.secret_files.add(path)
        if readable_by_all:
            self.warning(place, f"{reference['file']} is readable by every user: chmod o-rwx")
        return text


def _is_secret(form: type[FileModel], name: str) -> bool:
    annotation = form.model_fields[name].annotation
    return any(each is Secret or Secret in get_args(each) for each in (annotation, *get_args(annotation)))


def join(place: str, *steps: int | str) -> str:
    """``join("containers[3]", "syslog", "port")`` -> ``containers[3].syslog.port``."""
    for step in steps:
        if isinstance(step, int):
            place += f"[{step}]"
        else:
            key = step if step.isprintable() else ascii(step)
            place += f".{key}" if place else key
    return place


def shown(value: Any) -> str:
    """Format a value as in the file, shortened for a message."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 4]} ..."


def _message(detail: ErrorDetails) -> str:
    template = _MESSAGES.get(detail["type"], detail["msg"])
    message = template.format(**detail["ctx"]).replace("'", '"') if "ctx" in detail else template
    key = str(detail["loc"][-1]) if detail["loc"] else ""
    scalar = isinstance(detail["input"], str | int | float)
    sensitive = any(word in key for word in ("secret", "token", "identity", "proxy", "endpoint"))
    if detail["type"] in ("missing", "string_too_short") or not scalar or sensitive:
        return message
    return f"{message}, not {shown(detail['input'])}"
