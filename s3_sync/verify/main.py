"""``swift-s3-verify``: from the command line to the exit code."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from s3_sync.config.credentials.base import Credentials
from s3_sync.config.load import load
from s3_sync.config.settings import Mapping
from s3_sync.errors import ConfigError, Problem, SyncError, UsageError
from s3_sync.http.pool import Timeouts
from s3_sync.providers.base import Provider
from s3_sync.providers.checks.access import ACCESS, UPLOADS
from s3_sync.providers.checks.suite import PROPERTIES
from s3_sync.providers.registry import Registry, build_provider
from s3_sync.providers.wrappers.retry import RetryPolicy
from s3_sync.runtime.output import Output
from s3_sync.verify.arguments import Arguments, parse
from s3_sync.verify.destination import Destination, of_arguments, of_mapping
from s3_sync.verify.lock import only_run
from s3_sync.verify.printer import Printer
from s3_sync.verify.read_only import check_buckets, read_something
from s3_sync.verify.report import Report
from s3_sync.verify.runner import Progress
from s3_sync.verify.session import Session

#: an operator waits: a store that does not answer is tried twice, for so many seconds at most
RETRIES = RetryPolicy(attempts=2, base=1.0)
CONNECT_TIMEOUT, MAX_READ_TIMEOUT = 10.0, 30.0
#: with that of the stored manifest; some mappings have more
_CHECKS_OF_ACCESS = len(ACCESS) + len(UPLOADS) + 1


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 if everything works, else 1."""
    arguments = parse(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # the terminal's encoding may lack a name's letters
            stream.reconfigure(errors="backslashreplace")
    printer = Printer(arguments.json, arguments.password)
    try:
        return _run(arguments, printer)
    except ConfigError as error:
        printer.errors(map(str, error.problems))
    except SyncError as error:
        printer.errors([str(error)])
    except KeyboardInterrupt:
        printer.errors(["interrupted"])
    except OSError as error:  # mostly of stdout: a full disk, or `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        printer.errors([f"{error.filename or 'stdout'}: {error.strerror or error}"])
    return 1


def _run(arguments: Arguments, printer: Printer) -> int:
    _check_encoding(arguments)
    if arguments.config is not None:
        return _check_configuration(arguments, printer)
    destination = of_arguments(arguments)
    printer.mask(destination.mapping.credentials.secrets())
    registry = _registry()
    try:
        report = _check_store(registry, destination, arguments, printer)
    finally:
        registry.close_all()
    printer.lines(report.text())
    printer.document(report.as_json())
    printer.errors(report.failures)
    return 1 if report.failures else 0


def _registry() -> Registry:
    return Registry(connections=4, retries=RETRIES, build=_build)


def _build(credentials: Credentials, connections: int) -> Provider:
    timeouts = Timeouts(connect=CONNECT_TIMEOUT, read=min(MAX_READ_TIMEOUT, credentials.read_timeout))
    return build_provider(credentials, connections, timeouts)


def _check_store(
    registry: Registry, destination: Destination, arguments: Arguments, printer: Printer
) -> Report:
    if not arguments.bucket:
        return check_buckets(registry, destination)
    if arguments.read_only:
        return read_something(registry, destination, arguments.bucket, arguments.prefix or "")
    return _check(registry, destination, printer, with_properties=not arguments.quick)


def _check(registry: Registry, destination: Destination, printer: Printer, with_properties: bool) -> Report:
    mapping = destination.mapping
    lock = only_run(mapping.credentials.store_id, mapping.bucket, destination.folder, destination.title)
    total = _CHECKS_OF_ACCESS + (len(PROPERTIES) if with_properties else 0)
    with lock, _progress(printer.output, total, destination.title) as progress:
        return Session(registry, destination, progress, with_properties).run()


@contextmanager
def _progress(output: Output, total: int, title: str) -> Iterator[Progress]:
    with output.progress(total, title) as advance:
        yield lambda check: advance(f"{title}: {check}")


def _check_configuration(arguments: Arguments, printer: Printer) -> int:
    assert arguments.config is not None
    loaded = load(arguments.config)
    problems = [Problem("", f"{arguments.config}: {problem}") for problem in loaded.problems]
    if loaded.settings is None:
        raise ConfigError(problems)
    printer.mask(loaded.settings.secrets())
    chosen = _chosen(arguments, loaded.settings.mappings)
    if arguments.mapping is None:
        printer.errors(map(str, problems))
    registry = _registry()
    reports: list[Report] = []
    known: set[tuple[object, str]] = set()
    try:
        for mapping in chosen:
            store = (mapping.credentials, mapping.bucket)
            report = _check_mapping(registry, mapping, arguments, printer, store not in known)
            known.add(store)
            reports.append(report)
            printer.lines(report.text())
            printer.errors(f"{mapping.place}: {line}" for line in report.failures)
    finally:
        registry.close_all()
    printer.document({"mappings": [report.as_json() for report in reports]})
    failed = any(report.failures for report in reports) or (problems and arguments.mapping is None)
    return 1 if failed else 0


def _check_mapping(
    registry: Registry, mapping: Mapping, arguments: Arguments, printer: Printer, is_new: bool
) -> Report:
    destination = of_mapping(mapping)
    try:
        if arguments.read_only:
            return read_something(registry, destination, mapping.bucket, None)
        return _check(registry, destination, printer, with_properties=is_new and not arguments.quick)
    except ConfigError:
        raise
    except SyncError as error:
        return Report(destination.title, mapping.credentials, problems=[str(error)])


def _chosen(arguments: Arguments, mappings: Sequence[Mapping]) -> Sequence[Mapping]:
    if arguments.mapping is None:
        if not mappings:
            raise UsageError(f"{arguments.config}: no mapping can be used")
        return mappings
    chosen = [mapping for mapping in mappings if mapping.place.endswith(f"[{arguments.mapping}]")]
    if not chosen:
        raise UsageError(f"{arguments.config}: no mapping {arguments.mapping} can be used")
    return chosen


def _check_encoding(arguments: Arguments) -> None:
    """Check that arguments are UTF-8, as names must be. Raises UsageError."""
    for name in Arguments.__slots__:
        value = getattr(arguments, name)
        try:
            str(value).encode("utf-8")
        except UnicodeEncodeError:
            raise UsageError(f"Invalid argument: --{name.replace('_', '-')} is not UTF-8") from None
