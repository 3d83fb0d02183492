"""Reading a configuration file: whatever is in it, the answer is one ``Loaded`` that tells everything."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from s3_sync.config import checks
from s3_sync.config import unsupported as not_yet
from s3_sync.config.build import Proxies, build_settings, read_migration
from s3_sync.config.file.document import Document, read_document
from s3_sync.config.file.fields import MigrationForm, MigratorForm, ServedForm, TopForm
from s3_sync.config.file.flat import FlatFile, listed
from s3_sync.config.file.sections import SectionedFile
from s3_sync.config.findings import Diagnostics
from s3_sync.config.settings import Mapping, Settings, ShuntSettings
from s3_sync.errors import ConfigError, Problem

MISSING = "Configuration file does not exist"
NEW_SECTIONS = ("credentials", "profiles", "mappings")


@dataclass(frozen=True, slots=True)
class Loaded:
    """``settings`` holds what can be used: every mapping without a problem; None when nothing can be.

    ``missing``: there is no such file, which a daemon takes calmly. ``secret_files``: what was read besides.
    """

    settings: Settings | None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    missing: bool = False
    secret_files: frozenset[str] = frozenset()


def load(path: str | os.PathLike[str]) -> Loaded:
    """Read the file at ``path``. Never raises for anything that a file can hold."""
    findings = Diagnostics()
    try:
        document = read_document(path, findings)
    except FileNotFoundError:
        return Loaded(None, (Problem("", MISSING),), missing=True)
    settings = None if document is None else _settings(document, findings)
    problems, warnings = tuple(findings.problems), tuple(findings.warnings)
    return Loaded(settings, problems, warnings, secret_files=frozenset(findings.secret_files))


def load_written(written: dict[str, Any]) -> Loaded:
    """The same for what such a file would hold."""
    findings = Diagnostics()
    settings = _settings(Document(written, readable_by_all=False, twice=()), findings)
    return Loaded(settings, tuple(findings.problems), tuple(findings.warnings))


def load_served(path: str | os.PathLike[str]) -> tuple[ShuntSettings, tuple[Problem, ...]]:
    """What the middlewares of a proxy need of the file, and what is wrong with it.

    A mapping with a problem is left out. Raises ConfigError when nothing of the file can be used, be it
    missing, unreadable, or not a whole JSON document.
    """
    findings = Diagnostics()
    try:
        document = read_document(path, findings)
    except FileNotFoundError:
        raise ConfigError([Problem("", MISSING)]) from None
    written = document.written if document else None
    top = None if written is None else findings.read(ServedForm, written, "")
    entries = None if document is None else _form(document, not_yet.SERVED_OPTIONS, findings)
    if top is None or entries is None or findings.problems:
        raise ConfigError(findings.problems)
    merging = [(place, entry) for place, entry in entries.entries() if entries.merges(entry)]
    proxies = Proxies(top.http_proxy, top.https_proxy)
    mappings = _usable(
        [mapping for place, entry in merging if (mapping := entries.read(entry, place, proxies))], findings
    )
    named = frozenset(
        (str(entry.get("account")), str(entry.get("container")))
        for _, entry in merging
        if isinstance(entry, dict)
    )
    size = (top.migrator_settings or {}).get("segment_size")
    default: int = MigratorForm.model_fields["segment_size"].default
    segment_size = size if isinstance(size, int) and not isinstance(size, bool) and size > 0 else default
    served = ShuntSettings(tuple(mappings), segment_size, named, frozenset(findings.secret_files))
    return served, tuple(findings.problems)


def is_new(written: dict[str, Any]) -> bool:
    """Whether this is the form with credentials, profiles and mappings apart."""
    return any(section in written for section in NEW_SECTIONS)


def _form(
    document: Document, refused: not_yet.Tables, findings: Diagnostics
) -> FlatFile | SectionedFile | None:
    """What reads the form that the document has; None after noting that it has two."""
    written = document.written
    new = is_new(written)
    if new and "containers" in written:
        there = ", ".join(section for section in NEW_SECTIONS if section in written)
        findings.problem("", f"the file mixes two forms: {there} of one, containers of the other")
        return None
    findings.strict = new
    for key in document.twice:
        message = f'"{key}" stands twice in one object'
        if new:
            findings.problem("", message)
        else:
            findings.warning("", f"{message}; the last one counts")
    return (SectionedFile if new else FlatFile)(written, findings, refused)


def _settings(document: Document, findings: Diagnostics) -> Settings | None:
    written = document.written
    entries = _form(document, not_yet.MAPPING_OPTIONS, findings)
    if entries is None:
        return None
    if document.readable_by_all and _holds_secrets(entries, written):
        findings.warning("", "the file holds secrets and everybody may read it: chmod o-rwx")
    top = findings.read(entries.top, written, "")
    not_yet.refuse(not_yet.TOP_LEVEL_OPTIONS, TopForm, written, "", findings)
    if top is not None:
        _check_ports(top, findings)
    usable = not findings.problems
    mappings = _mappings(entries, top, findings)
    migrations = _migrations(written, findings)
    section = written.get("migrator_settings")
    migrator = None
    if isinstance(section, dict):
        migrator = findings.read(MigratorForm, section, "migrator_settings")
    if top is None or not usable:
        return None
    _check_surroundings(top, findings)
    if not written.get(entries.section):
        findings.warning(entries.section, "is empty: there is nothing to do")
    return build_settings(top, tuple(mappings), tuple(migrations), migrator)


def _mappings(entries: FlatFile | SectionedFile, top: TopForm | None, findings: Diagnostics) -> list[Mapping]:
    proxies = Proxies(top.http_proxy, top.https_proxy) if top else Proxies()
    entries.read_rest()
    mappings = _usable(
        [mapping for place, entry in entries.entries() if (mapping := entries.read(entry, place, proxies))],
        findings,
    )
    checks.check_moves(mappings, findings)
    checks.check_expiry(mappings, findings)
    checks.warn_of_both(mappings, findings)
    checks.warn_of_trust(mappings, findings)
    checks.warn_of_idle(mappings, findings)
    mappings = [mapping for mapping in mappings if not findings.has_problem(mapping.place)]
    checks.warn_of_circles(mappings, top.swift_bind_ip if top else "", findings)
    return mappings


def _usable(read: list[Mapping], findings: Diagnostics) -> list[Mapping]:
    # where two overlap, the one that cannot be used anyway has to yield
    checks.find_overlaps(sorted(read, key=lambda mapping: findings.has_problem(mapping.place)), findings)
    return [mapping for mapping in read if not findings.has_problem(mapping.place)]


def _migrations(written: dict[str, Any], findings: Diagnostics) -> list[MigrationForm]:
    entries = list(listed(written.get("migrations"), "migrations"))
    if entries:
        findings.warning("migrations", "is for swift-s3-migrator, which is not part of this version")
    return [
        migration
        for place, entry in entries
        if (migration := read_migration(entry, place, findings)) and not findings.has_problem(place)
    ]


def _check_ports(top: TopForm, findings: Diagnostics) -> None:
    """Each process has one of its own."""
    highest = 65536 - top.processes
    if top.metrics_port is not None and top.metrics_port > highest:
        findings.problem(
            "metrics_port",
            f"must be at most {highest}, as each of {top.processes} processes has the next port, "
            f"not {top.metrics_port}",
        )


def _check_surroundings(top: TopForm, findings: Diagnostics) -> None:
    """Paths that lead nowhere are no problems: the file may have been written for another machine."""
    places = {
        "devices": (top.devices, top.devices),
        "status_dir": (top.status_dir, os.path.dirname(os.path.abspath(top.status_dir))),
        "log_file": (top.log_file, os.path.dirname(top.log_file or "")),
        "recon_cache_path": (top.recon_cache_path, top.recon_cache_path),
    }
    for key, (path, directory) in places.items():
        if path and not os.path.isabs(path):
            findings.warning(
                key, "should be an absolute path: what it means depends on where a program is started"
            )
        elif path and not os.path.isdir(directory or "/"):
            findings.warning(key, f"{directory} is not a directory on this machine")
    if top.internal_client_path and not os.path.isfile(top.internal_client_path):
        findings.warning(
            "internal_client_path",
            f"{top.internal_client_path} is not on this machine: a pipeline that cannot decrypt stands in",
        )


def _holds_secrets(entries: FlatFile | SectionedFile, written: dict[str, Any]) -> bool:
    """In so many words; where one can be found is not a secret."""
    migrations = (entry for _, entry in listed(written.get("migrations"), "migrations"))
    keys = ("aws_secret", "aws_session_token", "secret", "session_token")
    return any(
        isinstance(entry, dict) and any(isinstance(entry.get(key), str) for key in keys)
        for entry in (*entries.secret_holders(), *migrations)
    )
