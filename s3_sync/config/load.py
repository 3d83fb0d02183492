"""Loads a configuration file; whatever it contains, the result is a ``Loaded`` with every problem."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from s3_sync.config import checks, unsupported
from s3_sync.config.build import build_migrator_settings, build_settings
from s3_sync.config.credentials.base import Proxies
from s3_sync.config.file.document import Document, read_document
from s3_sync.config.file.flat import FlatFile, Reading, listed
from s3_sync.config.file.options import MigratorForm, MigratorTopForm, ShuntForm, TopForm
from s3_sync.config.file.sections import SectionedFile
from s3_sync.config.findings import Diagnostics
from s3_sync.config.migrations import check_migrations, read_migration
from s3_sync.config.settings import Mapping, Settings, ShuntSettings
from s3_sync.errors import ConfigError, Problem

MISSING = "Configuration file does not exist"
SECTIONS = ("credentials", "profiles", "mappings")


@dataclass(frozen=True, slots=True)
class Loaded:
    """``settings`` has every mapping without a problem; None if nothing can be used.

    ``missing``: the file does not exist, which is not an error for a daemon. ``secret_files``: the secret
    files that were read.
    """

    settings: Settings | None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    missing: bool = False
    secret_files: frozenset[str] = frozenset()


def load(path: str | os.PathLike[str]) -> Loaded:
    """Load the file at ``path``. Never raises, whatever the file contains."""
    findings = Diagnostics()
    try:
        document = read_document(path, findings)
    except FileNotFoundError:
        return Loaded(None, (Problem("", MISSING),), missing=True)
    settings = None if document is None else _settings(document, findings)
    problems, warnings = tuple(findings.problems), tuple(findings.warnings)
    return Loaded(settings, problems, warnings, secret_files=frozenset(findings.secret_files))


def load_migrator(path: str | os.PathLike[str]) -> Loaded:
    """Load the part of the file that swift-s3-migrator needs; the mappings of its settings are the
    migrations. Never raises, whatever the file contains."""
    findings = Diagnostics()
    try:
        document = read_document(path, findings)
    except FileNotFoundError:
        return Loaded(None, (Problem("", MISSING),), missing=True)
    settings = None if document is None else _migrator_settings(document, findings)
    problems, warnings = tuple(findings.problems), tuple(findings.warnings)
    return Loaded(settings, problems, warnings, secret_files=frozenset(findings.secret_files))


def is_for_migrator_alone(path: str | os.PathLike[str]) -> bool:
    """Whether a file configures swift-s3-migrator, and has nothing for swift-s3-sync. Never raises."""
    try:
        document = read_document(path, Diagnostics())
    except FileNotFoundError:
        return False
    written = {} if document is None else document.written
    return "migrator_settings" in written and not any(
        key in written for key in (*SECTIONS, "containers", "status_dir")
    )


def load_written(written: dict[str, Any]) -> Loaded:
    """Load a configuration from the JSON object of a file."""
    findings = Diagnostics()
    settings = _settings(Document(written, readable_by_all=False, duplicates=()), findings)
    return Loaded(settings, tuple(findings.problems), tuple(findings.warnings))


def load_shunt_settings(path: str | os.PathLike[str]) -> tuple[ShuntSettings, tuple[Problem, ...]]:
    """Load the part of the file that the middlewares of a proxy need; also returns its problems.

    A mapping with a problem is left out. Raises ConfigError if nothing can be used: the file is missing,
    unreadable, or not a complete JSON document.
    """
    findings = Diagnostics()
    try:
        document = read_document(path, findings)
    except FileNotFoundError:
        raise ConfigError([Problem("", MISSING)]) from None
    written = document.written if document else None
    top = None if written is None else findings.read(ShuntForm, written, "")
    form = None if document is None else _format_of(document, findings)
    if written is None or top is None or form is None or findings.problems:
        raise ConfigError(findings.problems)
    proxies = Proxies(top.http_proxy, top.https_proxy)
    entries = form(written, Reading(findings, proxies))
    merging = [(place, entry) for place, entry in entries.entries() if entries.merges(entry)]
    mappings = _usable(
        [mapping for place, entry in merging if (mapping := entries.read(entry, place))], findings
    )
    mappings += _migrations(written, [], proxies, findings)
    migrating = listed(written.get("migrations"), "migrations")
    named = frozenset(
        (str(entry.get("account")), _container_of(entry))
        for _, entry in (*merging, *migrating)
        if isinstance(entry, dict)
    )
    size = (top.migrator_settings or {}).get("segment_size")
    default: int = MigratorForm.model_fields["segment_size"].default
    segment_size = size if isinstance(size, int) and not isinstance(size, bool) and size > 0 else default
    settings = ShuntSettings(tuple(mappings), segment_size, named, frozenset(findings.secret_files))
    return settings, tuple(findings.problems)


def _container_of(entry: dict[str, Any]) -> str:
    """Return the container of an entry, for a migration that of its bucket unless it has another one."""
    return str(entry.get("container") or entry.get("aws_bucket"))


def has_sections(written: dict[str, Any]) -> bool:
    """Returns whether a file has the format with credentials, profiles and mappings."""
    return any(section in written for section in SECTIONS)


def _format_of(document: Document, findings: Diagnostics) -> type[FlatFile] | type[SectionedFile] | None:
    """Return the reader for the document's format; None after reporting that it mixes both."""
    written = document.written
    sectioned = has_sections(written)
    if sectioned and "containers" in written:
        present = ", ".join(section for section in SECTIONS if section in written)
        findings.problem("", f"the file mixes two formats: {present} of one, containers of the other")
        return None
    findings.strict = sectioned
    for key in document.duplicates:
        message = f'duplicate key "{key}" in one object'
        if sectioned:
            findings.problem("", message)
        else:
            findings.warning("", f"{message}; the last one is used")
    return SectionedFile if sectioned else FlatFile


def _settings(document: Document, findings: Diagnostics) -> Settings | None:
    written = document.written
    form = _format_of(document, findings)
    if form is None:
        return None
    top = findings.read(form.top, written, "")
    proxies = Proxies(top.http_proxy, top.https_proxy) if top else Proxies()
    entries = form(written, Reading(findings, proxies))
    if document.readable_by_all:
        _check_secrets((*entries.secret_holders(), *_migration_entries(written)), findings)
    unsupported.refuse(TopForm, written, findings)
    if top is not None:
        _check_ports(top, findings)
    usable = not findings.problems
    mappings = _mappings(entries, top, findings)
    migrations = _migrations(written, mappings, proxies, findings)
    section = written.get("migrator_settings")
    migrator = None
    if isinstance(section, dict):
        migrator = findings.read(MigratorForm, section, "migrator_settings")
    if top is None or not usable:
        return None
    _check_paths(top, findings)
    if not written.get(entries.section):
        findings.warning(entries.section, "is empty: there is nothing to do")
    return build_settings(top, tuple(mappings), tuple(migrations), migrator)


def _migrator_settings(document: Document, findings: Diagnostics) -> Settings | None:
    written = document.written
    if _format_of(document, findings) is None:
        return None
    top = findings.read(MigratorTopForm, written, "")
    findings.warnings.clear()  # keys of the other programs
    if document.readable_by_all:
        _check_secrets(_migration_entries(written), findings)
    section = None
    if not isinstance(written.get("migrator_settings"), dict):
        findings.problem("migrator_settings", "is required")
    else:
        section = findings.read(MigratorForm, written["migrator_settings"], "migrator_settings")
    usable = not findings.problems
    proxies = Proxies(top.http_proxy, top.https_proxy) if top else Proxies()
    migrations = _migrations(written, [], proxies, findings)
    if top is None or section is None or not usable:
        return None
    if not written.get("migrations"):
        findings.warning("migrations", "is empty: there is nothing to do")
    return build_migrator_settings(top, section, tuple(migrations))


def _mappings(entries: FlatFile | SectionedFile, top: TopForm | None, findings: Diagnostics) -> list[Mapping]:
    entries.read_rest()
    mappings = _usable(
        [mapping for place, entry in entries.entries() if (mapping := entries.read(entry, place))], findings
    )
    checks.check_moves(mappings, findings)
    checks.check_expiry(mappings, findings)
    checks.warn_of_both(mappings, findings)
    checks.warn_of_trust(mappings, findings)
    checks.warn_of_idle(mappings, findings)
    mappings = [mapping for mapping in mappings if not findings.has_problem(mapping.place)]
    checks.check_loops(mappings, top.swift_bind_ip if top else "", findings)
    return [mapping for mapping in mappings if not findings.has_problem(mapping.place)]


def _usable(read: list[Mapping], findings: Diagnostics) -> list[Mapping]:
    # of two that overlap, one that has a problem anyway is the one to report
    checks.find_overlaps(sorted(read, key=lambda mapping: findings.has_problem(mapping.place)), findings)
    return [mapping for mapping in read if not findings.has_problem(mapping.place)]


def _migrations(
    written: dict[str, Any], mappings: list[Mapping], proxies: Proxies, findings: Diagnostics
) -> list[Mapping]:
    read = [
        migration
        for place, entry in listed(written.get("migrations"), "migrations")
        if (migration := read_migration(entry, place, proxies, findings))
    ]
    # of two that overlap, one that has a problem anyway is the one to report
    read.sort(key=lambda migration: findings.has_problem(migration.place))
    check_migrations(read, mappings, findings)
    return [migration for migration in read if not findings.has_problem(migration.place)]


def _check_ports(top: TopForm, findings: Diagnostics) -> None:
    """Check that there are enough port numbers: each process uses its own."""
    highest = 65536 - top.processes
    if top.metrics_port is not None and top.metrics_port > highest:
        findings.problem(
            "metrics_port",
            f"must be at most {highest}, as {top.processes} processes use consecutive ports, "
            f"not {top.metrics_port}",
        )


def _check_paths(top: TopForm, findings: Diagnostics) -> None:
    """Warn of paths that do not exist; not a problem, as the file may be meant for another machine."""
    places = {
        "devices": (top.devices, top.devices),
        "status_dir": (top.status_dir, os.path.dirname(os.path.abspath(top.status_dir))),
        "log_file": (top.log_file, os.path.dirname(top.log_file or "")),
        "recon_cache_path": (top.recon_cache_path, top.recon_cache_path),
    }
    for key, (path, directory) in places.items():
        if path and not os.path.isabs(path):
            findings.warning(
                key, "should be an absolute path: a relative one depends on the working directory"
            )
        elif path and not os.path.isdir(directory or "/"):
            findings.warning(key, f"{directory} is not a directory on this machine")
    if top.internal_client_path and not os.path.isfile(top.internal_client_path):
        findings.warning(
            "internal_client_path",
            f"{top.internal_client_path} does not exist on this machine: a default pipeline, which cannot "
            "decrypt, is used",
        )


def _migration_entries(written: dict[str, Any]) -> Iterator[Any]:
    return (entry for _, entry in listed(written.get("migrations"), "migrations"))


def _check_secrets(entries: Iterable[Any], findings: Diagnostics) -> None:
    """Warn if one of the entries of a file that everybody may read has a secret, not just a reference to
    one."""
    keys = ("aws_secret", "aws_session_token", "secret", "session_token")
    if any(
        isinstance(each, dict) and any(isinstance(each.get(key), str) for key in keys) for each in entries
    ):
        findings.warning("", "the file contains secrets and is readable by every user: chmod o-rwx")
