"""``--convert-config``: a file of the form of earlier versions, written in the new form.

It works on what is written, so that nothing is lost of an entry that cannot be used yet; and what comes out
is read back and compared, so that a converted file means exactly what the old one meant.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from s3_sync.config.file.base import Form
from s3_sync.config.file.document import read_document
from s3_sync.config.file.fields import (
    LONGEST,
    FlatFileModel,
    MappingForm,
    MigrationForm,
    MigratorForm,
    PlaceForm,
    PolicyForm,
    RemoteForm,
)
from s3_sync.config.file.flat import listed
from s3_sync.config.file.section_models import A_DAY, IN_DAYS, PRESETS, MappingEntry, new_name
from s3_sync.config.findings import Diagnostics, join
from s3_sync.config.load import MISSING, is_new, load_written
from s3_sync.config.settings import Credentials, Settings
from s3_sync.errors import ConfigError, Problem
from s3_sync.model.keys import KeyNamer

#: of a mapping rather than of its profile, as far as the file can say either
_OWN_OPTIONS = [name for name in MappingEntry.model_fields if name in PolicyForm.model_fields]
_NOT_IN_NAMES = re.compile(r"[^\w-]+")


@dataclass(frozen=True, slots=True)
class Converted:
    """``text``: the file in the new form. ``dropped``: what had no meaning and is not in there."""

    text: str
    dropped: tuple[Problem, ...]


def convert_file(path: str) -> Converted:
    """Read and convert the file at ``path``. Raises ConfigError when it cannot be."""
    findings = Diagnostics()
    try:
        document = read_document(path, findings)
    except FileNotFoundError:
        raise ConfigError([Problem("", MISSING)]) from None
    if document is None:
        raise ConfigError(findings.problems)
    written = document.written
    if is_new(written):
        both = "containers" in written
        message = "the file mixes two forms" if both else "the file has the new form already"
        raise ConfigError([Problem("", message)])
    if not isinstance(written.get("containers"), list | None):
        raise ConfigError([Problem("containers", "must be a list")])
    dropped = [Problem("", f'all but the last "{key}" in one object') for key in document.twice]
    text = _text(convert(written, dropped))
    _compare(written, json.loads(text))
    return Converted(text, tuple(dropped))


def convert(written: dict[str, Any], dropped: list[Problem]) -> dict[str, Any]:
    """The same configuration in the new form; what had no meaning is noted in ``dropped``."""
    credentials, profiles = _Section(), _Section()
    mappings = []
    for place, entry in listed(written.get("containers"), "containers"):
        if not isinstance(entry, dict):
            dropped.append(Problem(place, "is not an object"))
            continue
        known = _known(MappingForm, entry, place, dropped)
        remote, policy = _remote(known), _policy(known)
        mapping = _place(known, place, dropped)
        mapping["credentials"] = credentials.name(remote, _credentials_name(remote))
        mapping["profile"] = profiles.name(policy, _profile_name(policy))
        mappings.append(mapping | _told(known, _OWN_OPTIONS, {}))
    rest = {key: value for key, value in written.items() if key != "containers"}
    sections = {"credentials": credentials.named, "profiles": profiles.named, "mappings": mappings}
    return sections | _top(rest, dropped)


def _text(converted: dict[str, Any]) -> str:
    try:
        return json.dumps(converted, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    except ValueError:  # 1e999 can be read, and is infinite then
        raise ConfigError([Problem("", "the file holds a number that is too large")]) from None
    except RecursionError:
        raise ConfigError([Problem("", "the file is nested too deeply")]) from None


class _Section:
    """Names for what is there, each value once."""

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


def _known(form: type[Form], written: dict[str, Any], place: str, dropped: list[Problem]) -> dict[str, Any]:
    """Without keys that mean nothing; ``null`` is as good as absent."""
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


def _known_inside(form: type[Form], value: Any, place: str, dropped: list[Problem]) -> Any:
    if isinstance(value, dict):
        return _known(form, value, place, dropped)
    if isinstance(value, list):
        return [_known_inside(form, each, join(place, i), dropped) for i, each in enumerate(value)]
    return value


def _top(written: dict[str, Any], dropped: list[Problem]) -> dict[str, Any]:
    top = _known(FlatFileModel, written, "", dropped)
    if isinstance(top.get("migrations"), list):
        top["migrations"] = [
            _known(MigrationForm, entry, place, dropped) if isinstance(entry, dict) else entry
            for place, entry in listed(top["migrations"], "migrations")
        ]
    if isinstance(section := top.get("migrator_settings"), dict):
        top["migrator_settings"] = _known(MigratorForm, section, "migrator_settings", dropped)
    return top


def _place(known: dict[str, Any], place: str, dropped: list[Problem]) -> dict[str, Any]:
    """``directory`` is the old form's way to join and has to be said in the new one, where it matters."""
    mapping = {new_name(key): value for key, value in known.items() if key in PlaceForm.model_fields}
    how = mapping.pop("prefix_join", None)
    prefix = mapping.get("prefix")
    if how not in (None, "directory", "literal"):
        mapping["prefix_join"] = how  # as wrong as it was
    elif prefix is None and how is not None:
        dropped.append(Problem(join(place, "prefix_join"), "has no effect without custom_prefix"))
    elif how != "literal" and isinstance(prefix, str) and _is_joined_otherwise(prefix):
        mapping["prefix_join"] = "directory"
    return mapping


def _is_joined_otherwise(prefix: str) -> bool:
    return KeyNamer.directory(prefix) != KeyNamer.literal(prefix)


def _remote(known: dict[str, Any]) -> dict[str, Any]:
    options = [name for name in RemoteForm.model_fields if name != "protocol"]
    told = _told(known, options, {})
    return {"provider": known.get("protocol", "s3")} | {new_name(key): told[key] for key in told}


def _policy(known: dict[str, Any]) -> dict[str, Any]:
    kind = "lifecycle" if known.get("retain_local") is False else "sync"
    options = [name for name in PolicyForm.model_fields if name not in _OWN_OPTIONS]
    told = _told(known, options, PRESETS[kind])
    if "selection_criteria" in told:
        told["conditions"] = told.pop("selection_criteria")
    for name, seconds in IN_DAYS.items():
        if _is_days(told.get(seconds)):
            told[name] = int(told.pop(seconds)) // A_DAY
    return {"type": kind} | told


def _told(known: dict[str, Any], options: list[str], presets: dict[str, Any]) -> dict[str, Any]:
    """Those options that are not what the new form takes for granted."""
    told = {}
    for name in options:
        default = MappingForm.model_fields[name].get_default(call_default_factory=True)
        value = known.get(name, default)
        granted = presets.get(name, default)
        if type(value) is not type(granted) or value != granted:  # True == 1, and is not the same
            told[name] = value
    return told


def _is_days(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value <= LONGEST and value % A_DAY == 0


def _credentials_name(remote: dict[str, Any]) -> str:
    """After the store: ``aws``, ``google``, or the endpoint's host."""
    provider, endpoint = remote["provider"], remote.get("endpoint")
    try:
        host = urlsplit(endpoint or "").hostname or ""
        credentials = Credentials(endpoint=endpoint or None)
        if provider == "s3" and (credentials.is_aws or credentials.is_google):
            return "aws" if credentials.is_aws else "google"
    except (ValueError, TypeError, AttributeError):  # as wrong as it was
        host = ""
    return _NOT_IN_NAMES.sub("-", host).strip("-") or "remote"


def _profile_name(policy: dict[str, Any]) -> str:
    delay = f"-{policy['delay_days']}d" if "delay_days" in policy else ""
    return f"{policy['type']}{delay}"


def _compare(written: dict[str, Any], converted: dict[str, Any]) -> None:
    """Raises ConfigError should the two not mean the same: then nothing is to be used of it."""
    old, new = load_written(written).settings, load_written(converted).settings
    if _bare(old) != _bare(new):
        raise ConfigError([Problem("", "the result would not mean the same: please report this file")])


def _bare(settings: Settings | None) -> Settings | None:
    if settings is None:
        return None
    return replace(settings, mappings=tuple(replace(each, place="") for each in settings.mappings))
