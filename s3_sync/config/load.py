"""Reading a configuration file: whatever is in it, the answer is one ``Loaded`` that tells everything."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from s3_sync.config import checks, not_yet
from s3_sync.config.findings import Findings, join
from s3_sync.config.forms import FileForm, MigrationForm, MigratorForm, ServedForm
from s3_sync.config.old_form import Proxies, build_settings, read_mapping, read_migration
from s3_sync.config.schema import Mapping, Served, Settings
from s3_sync.errors import ConfigError, Problem

MISSING = "Configuration file does not exist"


@dataclass(frozen=True, slots=True)
class Loaded:
    """``settings`` holds what can be used: every mapping without a problem; None when nothing can be.

    ``missing``: there is no such file, which a daemon takes calmly.
    """

    settings: Settings | None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    missing: bool = False


def load(path: str | os.PathLike[str]) -> Loaded:
    """Read the file at ``path``. Never raises for anything that a file can hold."""
    findings = Findings()
    try:
        written = _read(path, findings)
    except FileNotFoundError:
        return Loaded(None, (Problem("", MISSING),), missing=True)
    settings = None if written is None else _settings(written, findings)
    return Loaded(settings, tuple(findings.problems), tuple(findings.warnings))


def load_served(path: str | os.PathLike[str]) -> tuple[Served, tuple[Problem, ...]]:
    """What the middlewares of a proxy need of the file, and what is wrong with it.

    A mapping with a problem is left out. Raises ConfigError when nothing of the file can be used, be it
    missing, unreadable, or not a whole JSON document.
    """
    findings = Findings()
    try:
        written = _read(path, findings)
    except FileNotFoundError:
        raise ConfigError([Problem("", MISSING)]) from None
    form = None if written is None else findings.read(ServedForm, written, "")
    if written is None or form is None:
        raise ConfigError(findings.problems)
    merging = [
        (place, entry)
        for place, entry in _entries(written, "containers")
        if not isinstance(entry, dict) or entry.get("merge_namespaces")
    ]
    proxies = Proxies(form.http_proxy, form.https_proxy)
    mappings = _usable(
        [
            mapping
            for place, entry in merging
            if (mapping := read_mapping(entry, place, proxies, findings, not_yet.SERVED_OPTIONS))
        ],
        findings,
    )
    named = frozenset(
        (str(entry.get("account")), str(entry.get("container")))
        for _, entry in merging
        if isinstance(entry, dict)
    )
    size = (form.migrator_settings or {}).get("segment_size")
    default: int = MigratorForm.model_fields["segment_size"].default
    segment_size = size if isinstance(size, int) and not isinstance(size, bool) and size > 0 else default
    return Served(tuple(mappings), segment_size, named), tuple(findings.problems)


def _read(path: str | os.PathLike[str], findings: Findings) -> dict[str, Any] | None:
    """The file's one object, or None after noting what is wrong. Raises FileNotFoundError."""
    try:
        with open(path, "rb") as file:
            readable_by_all = bool(os.fstat(file.fileno()).st_mode & stat.S_IROTH)
            content = file.read()
    except FileNotFoundError:
        raise
    except OSError as error:
        findings.problem("", f"the file cannot be read: {error.strerror}")
        return None
    written = _parse(content, findings)
    if isinstance(written, dict):
        if readable_by_all and _holds_secrets(written):
            findings.warning("", "the file holds secrets and everybody may read it: chmod o-rwx")
        return written
    if not findings.problems:
        findings.problem("", "the file must hold one JSON object: {...}")
    return None


def _parse(content: bytes, findings: Findings) -> Any:
    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(found)
        if len(result) < len(found):
            names = [name for name, _ in found]
            twice = ", ".join(sorted({f'"{name}"' for name in names if names.count(name) > 1}))
            findings.warning("", f"{twice} stands twice in one object; the last one counts")
        return result

    def constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is not JSON")

    try:
        written = json.loads(content.decode("utf-8-sig"), object_pairs_hook=pairs, parse_constant=constant)
        json.dumps(written, ensure_ascii=False).encode("utf-8")  # half a surrogate pair cannot be stored
        return written
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        findings.problem(f"line {line}", "the file is not UTF-8")
    except UnicodeEncodeError as error:
        half = error.object[error.start].encode("ascii", "backslashreplace").decode("ascii")
        findings.problem("", f"the file holds {half}, which is half a character")
    except json.JSONDecodeError as error:
        findings.problem(f"line {error.lineno}, column {error.colno}", f"this is not JSON: {error.msg}")
    except ValueError as error:
        findings.problem("", f"this is not JSON: {error}")
    except RecursionError:
        findings.problem("", "the file is nested too deeply")
    return None


def _settings(written: dict[str, Any], findings: Findings) -> Settings | None:
    form = findings.read(FileForm, written, "")
    not_yet.refuse(not_yet.TOP_LEVEL_OPTIONS, written, "", findings)
    usable = not findings.problems
    proxies = Proxies(form.http_proxy, form.https_proxy) if form else Proxies()
    mappings = _mappings(written, proxies, findings)
    checks.check_moves(mappings, findings)
    checks.check_expiry(mappings, findings)
    mappings = [mapping for mapping in mappings if not findings.has_problem(mapping.place)]
    checks.warn_of_circles(mappings, form.swift_bind_ip if form else "", findings)
    migrations = _migrations(written, findings)
    section = written.get("migrator_settings")
    migrator = None
    if isinstance(section, dict):
        migrator = findings.read(MigratorForm, section, "migrator_settings")
    if form is None or not usable:
        return None
    _check_surroundings(form, findings)
    if not form.containers:
        findings.warning("containers", "is empty: there is nothing to do")
    return build_settings(form, tuple(mappings), tuple(migrations), migrator)


def _mappings(written: dict[str, Any], proxies: Proxies, findings: Findings) -> list[Mapping]:
    read = [
        mapping
        for place, entry in _entries(written, "containers")
        if (mapping := read_mapping(entry, place, proxies, findings))
    ]
    return _usable(read, findings)


def _usable(read: list[Mapping], findings: Findings) -> list[Mapping]:
    # where two overlap, the one that cannot be used anyway has to yield
    checks.find_overlaps(sorted(read, key=lambda mapping: findings.has_problem(mapping.place)), findings)
    return [mapping for mapping in read if not findings.has_problem(mapping.place)]


def _migrations(written: dict[str, Any], findings: Findings) -> list[MigrationForm]:
    return [
        migration
        for place, entry in _entries(written, "migrations")
        if (migration := read_migration(entry, place, findings)) and not findings.has_problem(place)
    ]


def _entries(written: dict[str, Any], section: str) -> Iterator[tuple[str, Any]]:
    entries = written.get(section)
    if isinstance(entries, list):  # anything else was noted when the top level was read
        for index, entry in enumerate(entries):
            yield join(section, index), entry


def _check_surroundings(form: FileForm, findings: Findings) -> None:
    if not os.path.isdir(form.devices):
        findings.warning("devices", f"{form.devices} is not a directory on this machine")
    parent = os.path.dirname(os.path.abspath(form.status_dir))
    if not os.path.isdir(parent):
        findings.warning("status_dir", f"{parent} is not a directory on this machine")


def _holds_secrets(written: dict[str, Any]) -> bool:
    return any(
        isinstance(entry, dict) and (entry.get("aws_secret") or entry.get("aws_session_token"))
        for section in ("containers", "migrations")
        for _, entry in _entries(written, section)
    )
