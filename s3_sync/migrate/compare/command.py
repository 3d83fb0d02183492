"""The command line of ``swift-s3-migrator --compare``."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from s3_sync.config.mapping_names import select
from s3_sync.config.settings import Mapping, Settings
from s3_sync.errors import StateError
from s3_sync.migrate.compare.findings import UNSURE
from s3_sync.migrate.compare.migrations import CompareOptions, MigrationComparison, Summary, open_services
from s3_sync.runtime.output import Output
from s3_sync.state.owner import become_owner_of

EQUAL, FAILED, DIFFERENT = 0, 1, 3
ALL = ""


def add_arguments(parser: ArgumentParser) -> None:
    """Add ``--compare`` and its options."""
    parser.add_argument(
        "--compare",
        nargs="?",
        const=ALL,
        metavar="MIGRATION",
        help="compare both sides of all migrations, or of one: account/container, account/*, or its number",
    )
    parser.add_argument(
        "--every",
        action="store_true",
        help="with --compare: ask for every object, not only where the listings do not decide",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="with --compare: what clients wrote and deleted in Swift counts as different, too",
    )
    parser.add_argument("--resume", action="store_true", help="with --compare: go on with an interrupted one")
    parser.add_argument("--report", metavar="PATH", help="with --compare: write the differences to this file")


def compare(settings: Settings, arguments: Namespace, as_json: bool) -> int:
    """Print the differences. Returns 0 only if both sides are equal, 3 if not, 1 if that could not be told.
    Raises UsageError, ConfigError, StateError, LocalError."""
    chosen = settings.mappings
    if arguments.compare != ALL:
        chosen = (select(settings.mappings, arguments.compare),)
    become_owner_of(settings.status_dir)
    if not os.path.isdir(settings.status_dir):
        raise StateError(f"{settings.status_dir} does not exist: no migrator has run on this node")
    options = CompareOptions(arguments.every, arguments.strict, arguments.resume)
    output = Output(as_json)
    with _report(arguments, output, as_json) as found:
        summary = _run(settings, chosen, options, found)
        output.answer({**asdict(summary), "equal": summary.is_equal})
        for line in _lines(summary):
            output.line(line)
        output.flush()
    certain = {what for what in summary.differences if what != UNSURE}
    if certain:
        return DIFFERENT
    return EQUAL if summary.is_equal else FAILED


def _run(settings: Settings, chosen: Sequence[Mapping], options: CompareOptions, output: Output) -> Summary:
    summary = Summary()
    with open_services(settings) as services:
        comparison = MigrationComparison(services, options)
        for mapping in chosen:
            for of, finding in comparison.run(mapping, summary):
                output.answer({"account": of.account, "container": of.container, **asdict(finding)})
                output.cells([finding.what, f"{of.label}/{finding.name}", finding.detail])
                output.flush()  # before its progress is saved: a resumed run does not print it again
    return summary


@contextmanager
def _report(arguments: Namespace, output: Output, as_json: bool) -> Iterator[Output]:
    """Yield where to print the differences. Raises StateError."""
    if not arguments.report:
        yield output
        return
    try:
        mode = os.O_APPEND if arguments.resume else os.O_TRUNC
        descriptor = os.open(arguments.report, os.O_CREAT | os.O_WRONLY | mode, 0o600)
    except OSError as error:
        raise StateError(f"{arguments.report}: {error.strerror or error}") from error
    with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        yield Output(as_json, file)


def _lines(summary: Summary) -> list[str]:
    lines = list(summary.errors)
    different = ", ".join(f"{what} {number}" for what, number in sorted(summary.differences.items()))
    lines.append(f"{summary.names} names compared: {different or 'no differences'}")
    if summary.by_clients:
        by_clients = ", ".join(f"{what} {number}" for what, number in sorted(summary.by_clients.items()))
        lines.append(f"by clients of this cluster: {by_clients}")
    return lines
