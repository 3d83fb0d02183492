"""The report of ``--check-config``: what the daemon would do with a file, and its problems."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TextIO
from urllib.parse import urlsplit

from s3_sync.config.archive_restore import ArchiveRestore
from s3_sync.config.budgets import Budget, DeleteBudget, Rates
from s3_sync.config.credentials.base import Credentials
from s3_sync.config.load import Loaded, load, load_migrator
from s3_sync.config.migrations import MIGRATED
from s3_sync.config.settings import Mapping, Profile, Settings
from s3_sync.errors import Problem

WIDTH = 100
_LABEL = 14
#: options with lines of their own
_OWN_LINES = {
    "copy_after",
    "retain_local",
    "propagate_delete",
    "criteria",
    "exclude",
    "remote_delete_after",
    "budget",
    "delete_budget",
    "archive_restore",
    "tags",
}


@dataclass(frozen=True, slots=True)
class Program:
    """What the report of a daemon has of its own. ``read``: loads a file; ``noun``: what a mapping is
    called; ``mapping`` and ``daemon``: the lines about one mapping, and about the rest."""

    read: Callable[[str], Loaded]
    noun: str
    mapping: Callable[[Mapping], Iterator[str]]
    daemon: Callable[[Settings], Iterator[str]]


def check_config(path: str, program: Program, out: TextIO | None = None) -> int:
    """Write the report on the file at ``path`` to ``out`` (None: standard output).

    Returns the exit code of the process: 0, or 1 if there is a problem.
    """
    out = out or sys.stdout
    loaded = program.read(path)
    if loaded.missing:
        out.write(f"{loaded.problems[0]}: {path}\n")
        return 1
    out.write(render(loaded, path, program))
    return 1 if loaded.problems else 0


def render(loaded: Loaded, path: str, program: Program) -> str:
    """Format the report as plain text, in lines of 100 columns unless names are longer; secrets are
    masked."""
    lines = [f"Configuration {path}"]
    if loaded.settings:
        mappings = loaded.settings.mappings
        lines += ["", f"{program.noun.capitalize()}s ({len(mappings)})"]
        for mapping in mappings:
            lines += [f"  {mapping.label}  ({mapping.place})", *program.mapping(mapping)]
        lines += ["", "Daemon", *program.daemon(loaded.settings), *_reports(loaded.settings)]
    lines += _list("Warnings", loaded.warnings)
    lines += _list("Problems", loaded.problems)
    lines += ["", _verdict(loaded, program.noun)]
    return "\n".join(map(_printable, lines)) + "\n"


def _mapping(mapping: Mapping) -> Iterator[str]:
    profile = mapping.profile
    yield from _row("bucket", _bucket(mapping))
    yield from _store(mapping.credentials)
    prefix = mapping.namer.prefix
    yield from _row("key prefix", f'"{prefix}"' if prefix else "none: keys are the object names")
    when = f"{_duration(profile.copy_after)} after the last change" if profile.copy_after else "at once"
    deletes = "propagated" if profile.propagate_delete else "not propagated"
    verb = "copied" if profile.retain_local else "moved"
    if life := _life(mapping):
        yield from _row("expiry", f"the store deletes copies {life}")
    yield from _row("mode", f"{profile.mode}: objects are {verb} {when}; deletes are {deletes}")
    if profile.exclude:
        yield from _row("excluded", f"names that begin with a match of {profile.exclude.pattern}")
    if profile.criteria != Profile().criteria:
        yield from _row("condition", str(profile.criteria))
    yield from _own_budget(profile)
    if (shared := mapping.account_budget) is not None:
        whose = f'shared by all mappings with credentials "{shared.name}"'
        yield from _row("budget", f"{whose}: {_budget(shared.budget)}")
    if profile.delete_budget is not None:
        yield from _row("delete budget", _delete_budget(profile.delete_budget))
    if (archive := profile.archive_restore) is not None:
        yield from _row("archive", f"a GET has an object in an archive class retrieved {_archive(archive)}")
    if profile.tags:
        yield from _row("tags", ", ".join(f"{key}={value}" for key, value in profile.tags))
    yield from _row("options", ", ".join(_options(mapping, Profile())) or "all defaults")


def _migration(mapping: Mapping) -> Iterator[str]:
    options, profile = mapping.migration, mapping.profile
    assert options is not None
    yield from _row("source", mapping.bucket or "every bucket of the account")
    yield from _store(mapping.credentials)
    if options.prefix:
        yield from _row("prefix", f'only names that begin with "{options.prefix}"')
    if mapping.custom_prefix:
        yield from _row("prefix", f'only keys that begin with "{mapping.custom_prefix}", which is taken off')
    old = "" if options.older_than is None else f" once unchanged for {_duration(options.older_than)}"
    yield from _row("mode", f"objects are copied{old}; what is deleted at the source is deleted here")
    limits = (
        None if options.max_deletes is None else f"{options.max_deletes:,}",
        None
        if options.max_deletes_percent is None
        else f"{options.max_deletes_percent:g} % of the container's migrated objects",
    )
    if most := " and ".join(filter(None, limits)):
        yield from _row(
            "deletes", f"at most {most} in a pass; further ones wait for the operator's permission"
        )
    yield from _own_budget(profile)
    if (archive := profile.archive_restore) is not None:
        yield from _row("archive", f"objects in archive classes are retrieved {_archive(archive)}")
    if options.propagate_account_metadata:
        yield from _row("account", "gets the metadata of the source's account")
    yield from _row("options", ", ".join(_options(mapping, MIGRATED)) or "all defaults")


def _store(credentials: Credentials) -> Iterator[str]:
    yield from _row("endpoint", credentials.described_endpoint())
    if store := credentials.described_store():
        yield from _row("store", store)
    yield from _row("credentials", credentials.described())


def _own_budget(profile: Profile) -> Iterator[str]:
    if profile.budget is not None:
        yield from _row("budget", _budget(profile.budget))


def _archive(archive: ArchiveRestore) -> str:
    return f"({archive.tier}) for {_duration(archive.days * 86400)}; the store charges for it"


def _bucket(mapping: Mapping) -> str:
    is_prefix = mapping.is_account_wide and not mapping.credentials.shares_bucket
    return f"{mapping.bucket}<container>" if is_prefix else mapping.bucket


def _life(mapping: Mapping) -> str:
    """How long copies live; empty: for ever, as far as the options alone tell."""
    if mapping.rule_days:
        return f"after {_duration(mapping.rule_days * 86400)}"
    seconds = mapping.lifetime.seconds
    return f"{_duration(seconds)} after the object's last change" if seconds else ""


def _budget(budget: Budget) -> str:
    times = len(budget.timetable)
    other = f"; {times} other {'time' if times == 1 else 'times'} in {budget.zone or 'local time'}"
    return _rates(budget.rates) + (other if times else "")


def _rates(rates: Rates) -> str:
    if rates.closed:
        return "no transfers start"
    each = ((rates.bytes_per_second, "bytes"), (rates.requests_per_second, "requests"))
    return (
        ", ".join(f"{_plain(rate)} {what} per second" for rate, what in each if rate is not None)
        or "no limit"
    )


def _plain(rate: float) -> str:
    """A rate without an exponent."""
    return f"{rate:,.0f}" if rate >= 1000 else f"{rate:g}"


def _delete_budget(budget: DeleteBudget) -> str:
    deletes = None if budget.deletes is None else f"{budget.deletes:,} deletes"
    percent = None if budget.percent is None else f"{budget.percent:g} % of the objects"
    then = "the operator's permission" if budget.then == "operator" else "the next interval"
    what = " and ".join(filter(None, (deletes, percent)))
    return f"at most {what} in {_duration(budget.interval)}; further deletes wait for {then}"


def _daemon(settings: Settings) -> Iterator[str]:
    yield from _row("devices", settings.devices)
    yield from _row("status_dir", settings.status_dir)
    yield from _row("swift_dir", settings.swift_dir)
    passes = f"every {_duration(settings.poll_interval)}, {settings.items_chunk} rows per container"
    if settings.processes > 1:
        yield from _row("processes", f"{settings.processes}, which share the containers")
    yield from _row("passes", f"{passes}, {settings.workers} workers")
    yield from _row("verification", f"of rows older than {_duration(settings.verification_slack_seconds)}")


def _migrator(settings: Settings) -> Iterator[str]:
    form = settings.migrator
    assert form is not None
    yield from _row("status_file", form.status_file)
    yield from _row("other state", settings.status_dir)
    yield from _row("swift_dir", settings.swift_dir)
    passes = f"every {_duration(settings.poll_interval)}, {settings.items_chunk} names per page"
    yield from _row("passes", f"{passes}, {settings.workers} workers for each source")
    yield from _row("division", f"by the ring {form.ring_name}, at {settings.swift_bind_ip}")
    yield from _row("segments", f"of {form.segment_size:,} bytes, where an object is too large for one")


def _reports(settings: Settings) -> Iterator[str]:
    yield from _row("log", f"{settings.log_file or 'none: --console is needed'} ({settings.log_level})")
    if settings.syslog:
        syslog = settings.syslog
        yield from _row("syslog", f"{syslog.host}:{syslog.port} ({syslog.proto})")
    if settings.statsd_host:
        prefix = f", prefix {settings.statsd_prefix}" if settings.statsd_prefix else ""
        yield from _row("statsd", f"{settings.statsd_host}:{settings.statsd_port}{prefix}")
    if settings.metrics_port:
        yield from _row("metrics", f"{settings.metrics_bind_ip} port {settings.metrics_port}")
    for name, url in (("http proxy", settings.http_proxy), ("https proxy", settings.https_proxy)):
        if url:
            yield from _row(name, _without_password(url))


def _options(mapping: Mapping, defaults: Profile) -> Iterator[str]:
    """Iterate over the options that differ from the defaults and have no line of their own."""
    for key in fields(Profile):
        value = getattr(mapping.profile, key.name)
        if key.name not in _OWN_LINES and value != getattr(defaults, key.name):
            yield f"{key.name}={_value(value)}"
    for name, value in mapping.credentials.options():
        yield f"{name}={_value(value)}"
    if not mapping.cloud_connector:
        yield "cloud_connector=false"


def _verdict(loaded: Loaded, noun: str) -> str:
    if loaded.settings is None:
        return "NOT OK: nothing in this file can be used."
    count = len(loaded.settings.mappings)
    usable = f"{count} {noun}{'' if count == 1 else 's'} can be used."
    return f"NOT OK: see the problems above; {usable}" if loaded.problems else f"OK: {usable}"


def _list(title: str, found: Sequence[Problem]) -> list[str]:
    if not found:
        return []
    lines = ["", f"{title} ({len(found)})"]
    for problem in found:
        lines += _wrap(str(problem), "  ", "      ")
    return lines


def _row(label: str, text: str) -> list[str]:
    return _wrap(text, f"    {label:<{_LABEL}}", " " * (_LABEL + 4))


def _wrap(text: str, first: str, others: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _printable(line: str) -> str:
    """Escape control characters, so that a name cannot control the terminal."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in line)


def _duration(seconds: float) -> str:
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds and seconds % length == 0:
            count = int(seconds // length)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds:g} seconds"


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _without_password(url: str) -> str:
    password = urlsplit(url).password
    return url.replace(f":{password}@", ":********@", 1) if password else url


SYNC = Program(load, "mapping", _mapping, _daemon)
MIGRATOR = Program(load_migrator, "migration", _migration, _migrator)
