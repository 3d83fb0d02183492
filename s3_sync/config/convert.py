"""``--convert-config``: converts a file from the flat format to the one with sections.

It works on the JSON document, so that nothing is lost of an entry that is invalid or not supported yet. The
result is loaded and compared, so that the converted file means exactly the same.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass, replace
from typing import Any

from s3_sync.config.credentials.kinds import DEFAULT, every_key, kind_of, with_credentials
from s3_sync.config.file.base import FileModel
from s3_sync.config.file.document import read_document
from s3_sync.config.file.flat import listed, mapping_form
from s3_sync.config.file.options import (
    FlatFileModel,
    MappingForm,
    MigrationForm,
    MigratorForm,
    PlaceForm,
    PolicyForm,
)
from s3_sync.config.file.section_models import DAY, IN_DAYS, PRESETS, MappingEntry, flat_key, section_key
from s3_sync.config.file.types import MAX_SECONDS
from s3_sync.config.findings import Diagnostics, join
from s3_sync.config.load import MISSING, has_sections, load_written
from s3_sync.config.settings import Settings
from s3_sync.errors import ConfigError, Problem
from s3_sync.model.keys import KeyNamer

#: options that are written to the mapping although its profile could have them too
_OWN_OPTIONS = [name for name in MappingEntry.model_fields if name in PolicyForm.model_fields]
_NOT_IN_NAMES = re.compile(r"[^\w-]+")


@dataclass(frozen=True, slots=True)
class Converted:
    """``text``: the converted file. ``dropped``: parts without meaning that were left out."""

    text: str
    dropped: tuple[Problem, ...]


def convert_file(path: str) -> Converted:
    """Read and convert the file at ``path``. Raises ConfigError if that is impossible."""
    findings = Diagnostics()
    try:
        document = read_document(path, findings)
    except FileNotFoundError:
        raise ConfigError([Problem("", MISSING)]) from None
    if document is None:
        raise ConfigError(findings.problems)
    written = document.written
    if has_sections(written):
        both = "containers" in written
        message = "the file mixes two formats" if both else "the file already has the new format"
        raise ConfigError([Problem("", message)])
    if not isinstance(written.get("containers"), list | None):
        raise ConfigError([Problem("containers", "must be a list")])
    dropped = [Problem("", f'all but the last "{key}" in one object') for key in document.duplicates]
    text = _text(convert(written, dropped))
    _compare(written, json.loads(text))
    return Converted(text, tuple(dropped))


def convert(written: dict[str, Any], dropped: list[Problem]) -> dict[str, Any]:
    """Convert a configuration; parts without meaning are added to ``dropped``."""
    credentials, profiles = _Section(), _Section()
    model = mapping_form(every_key())
    mappings = []
    for place, entry in listed(written.get("containers"), "containers"):
        if not isinstance(entry, dict):
            dropped.append(Problem(place, "is not an object"))
            continue
        known = _known(model, entry, place, dropped)
        remote, policy = _remote(known), _policy(known)
        mapping = _place(known, place, dropped)
        mapping["credentials"] = credentials.name(remote, _credentials_name(remote))
        mapping["profile"] = profiles.name(policy, _profile_name(policy))
        mappings.append(mapping | _non_defaults(known, _OWN_OPTIONS, {}))
    rest = {key: value for key, value in written.items() if key != "containers"}
    sections = {"credentials": credentials.named, "profiles": profiles.named, "mappings": mappings}
    return sections | _top(rest, dropped)


def _text(converted: dict[str, Any]) -> str:
    try:
        return json.dumps(converted, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    except ValueError:  # 1e999 is parsed as infinity
        raise ConfigError([Problem("", "the file contains a number that is too large")]) from None
    except RecursionError:
        raise ConfigError([Problem("", "the file is nested too deeply")]) from None


class _Section:
    """The named entries of one section, without duplicates."""

    def __init__(self) -> None:
        self.named: dict[str, dict[str, Any]] = {}
        self._names: dict[str, str] = {}

    def name(self, value: dict[str, Any], wanted: str) -> str:
        known = json.dumps(value, sort_keys=True)
        if known not in self._names:
            numbered = (f"{wanted}-{number}" for number in itertools.count(2))
            name = next(name for name in itertools.chain((wanted,), numbered) if name not in self.named)
            self._names[known] = name
            self.named[name] = value
        return self._names[known]


def _known(
    form: type[FileModel], written: dict[str, Any], place: str, dropped: list[Problem]
) -> dict[str, Any]:
    """Return the known keys of ``written``, without ``null`` ones."""
    kept: dict[str, Any] = {}
    names = form.names()
    for key, value in written.items():
        here = join(place, key)
        if key not in names:
            dropped.append(Problem(here, "is not a known key"))
        elif value is not None:
            inner = form.inner(names[key])
            kept[key] = _known_inside(inner, value, here, dropped) if inner else value
    return kept


def _known_inside(form: type[FileModel], value: Any, place: str, dropped: list[Problem]) -> Any:
    if isinstance(value, dict):
        return _known(form, value, place, dropped)
    if isinstance(value, list):
        return [_known_inside(form, each, join(place, i), dropped) for i, each in enumerate(value)]
    return value


def _top(written: dict[str, Any], dropped: list[Problem]) -> dict[str, Any]:
    top = _known(FlatFileModel, written, "", dropped)
    if isinstance(top.get("migrations"), list):
        model = with_credentials(MigrationForm, every_key(), flat_key)
        top["migrations"] = [
            _known(model, entry, place, dropped) if isinstance(entry, dict) else entry
            for place, entry in listed(top["migrations"], "migrations")
        ]
    if isinstance(section := top.get("migrator_settings"), dict):
        top["migrator_settings"] = _known(MigratorForm, section, "migrator_settings", dropped)
    return top


def _place(known: dict[str, Any], place: str, dropped: list[Problem]) -> dict[str, Any]:
    """Convert the keys of PlaceForm. The flat format joins prefixes as ``directory`` by default, which must
    be explicit in the new one if it makes a difference."""
    mapping = {section_key(key): value for key, value in known.items() if key in PlaceForm.model_fields}
    how = mapping.pop("prefix_join", None)
    prefix = mapping.get("prefix")
    if how not in (None, "directory", "literal"):
        mapping["prefix_join"] = how  # invalid as before
    elif prefix is None and how is not None:
        dropped.append(Problem(join(place, "prefix_join"), "has no effect without custom_prefix"))
    elif how != "literal" and isinstance(prefix, str) and _join_matters(prefix):
        mapping["prefix_join"] = "directory"
    return mapping


def _join_matters(prefix: str) -> bool:
    return KeyNamer.directory(prefix) != KeyNamer.literal(prefix)


def _remote(known: dict[str, Any]) -> dict[str, Any]:
    fields = every_key().model_fields
    written = {name: known[key] for name in every_key().names() if (key := flat_key(name)) in known}
    values = {name: value for name, value in written.items() if not _is_same(value, fields[name].default)}
    return {"provider": DEFAULT} | values


def _policy(known: dict[str, Any]) -> dict[str, Any]:
    kind = "lifecycle" if known.get("retain_local") is False else "sync"
    options = [name for name in PolicyForm.model_fields if name not in _OWN_OPTIONS]
    values = _non_defaults(known, options, PRESETS[kind])
    if "selection_criteria" in values:
        values["conditions"] = values.pop("selection_criteria")
    for name, seconds in IN_DAYS.items():
        if _is_days(values.get(seconds)):
            values[name] = int(values.pop(seconds)) // DAY
    return {"type": kind} | values


def _non_defaults(known: dict[str, Any], options: list[str], presets: dict[str, Any]) -> dict[str, Any]:
    """Return the options that differ from the defaults of the new format."""
    values = {}
    for name in options:
        default = MappingForm.model_fields[name].get_default(call_default_factory=True)
        value = known.get(name, default)
        implied = presets.get(name, default)
        if not _is_same(value, implied):
            values[name] = value
    return values


def _is_same(value: Any, default: Any) -> bool:
    return type(value) is type(default) and bool(value == default)  # True == 1, but differs in type


def _is_days(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value <= MAX_SECONDS and value % DAY == 0


def _credentials_name(remote: dict[str, Any]) -> str:
    """Name credentials after the store: ``aws``, ``google``, or the endpoint's host."""
    provider, endpoint = remote["provider"], remote.get("endpoint")
    try:
        name = kind_of(provider).model_construct(provider=provider, endpoint=endpoint or None).short_name
    except (ValueError, TypeError, AttributeError):  # invalid as before
        name = ""
    return _NOT_IN_NAMES.sub("-", name).strip("-") or "remote"


def _profile_name(policy: dict[str, Any]) -> str:
    delay = f"-{policy['delay_days']}d" if "delay_days" in policy else ""
    return f"{policy['type']}{delay}"


def _compare(written: dict[str, Any], converted: dict[str, Any]) -> None:
    """Check that both documents yield the same settings. Raises ConfigError."""
    old, new = load_written(written).settings, load_written(converted).settings
    if _without_places(old) != _without_places(new):
        raise ConfigError(
            [Problem("", "the converted file would differ in meaning: please report this file")]
        )


def _without_places(settings: Settings | None) -> Settings | None:
    if settings is None:
        return None
    return replace(settings, mappings=tuple(replace(each, place="") for each in settings.mappings))
