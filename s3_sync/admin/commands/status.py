"""``swift-s3-ctl status``"""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from s3_sync.admin import exit_codes as codes
from s3_sync.admin.node import NodeView
from s3_sync.admin.number_arguments import pause
from s3_sync.admin.status import MappingStatus, Status, status
from s3_sync.config.settings import Mapping
from s3_sync.migrate import report
from s3_sync.runtime.output import NOTHING, Output, duration, moment, printable, rendered, size

NAME = "status"
HELP = "show the progress of each mapping and migration on this node"
COLUMNS = (
    "no", "mapping", "destination", "state", "rows behind", "pending", "bytes", "oldest", "later", "failing",
    "rate", "eta", "last progress",
)  # fmt: skip
_NUMBERS = ("no", "rows behind", "pending", "bytes", "oldest", "later", "failing", "rate", "eta")


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("mapping", nargs="?", help="only this mapping: account/container, or its number")
    parser.add_argument(
        "--watch", nargs="?", type=pause, const=2.0, metavar="SECONDS", help="repeat (default every 2 s)"
    )


def run(node: NodeView, options: Namespace, output: Output) -> int:
    chosen = (node.named(options.mapping),) if options.mapping else (*node.mappings, *node.migrations)
    if options.watch is not None:
        return _watch(node, chosen, options.watch, output)
    found = status(node, chosen)
    output.answer(found)
    if not output.as_json:
        _print(found, output)
    return codes.FINE if found.is_good else codes.FOUND


def _watch(node: NodeView, chosen: Sequence[Mapping], seconds: float, output: Output) -> int:
    """Repeat until interrupted; in a pipe, print one answer after the other."""
    try:
        if not output.console.is_terminal or output.as_json:
            while True:
                found = status(node, chosen)
                output.answer(found)
                if not output.as_json:
                    _print(found, output)
                output.flush()
                time.sleep(seconds)
        with Live(console=output.console, auto_refresh=False, screen=True) as live:
            while True:
                found = status(node, chosen)
                live.update(Group(*_screen(found)), refresh=True)
                time.sleep(seconds)
    except KeyboardInterrupt:
        return codes.FINE


def _screen(found: Status) -> Iterator[RenderableType]:
    if not found.is_about_migrations_alone:
        yield Text(printable(_headline(found)))
        yield Text()
        yield rendered(COLUMNS, [_row(each, found.at) for each in found.mappings], _NUMBERS)
    if (migrator := found.migrator) is not None:
        yield Text(f"{moment(found.at)}  {report.headline(migrator.daemon)}")
        yield rendered(report.COLUMNS, [report.row(each) for each in migrator.migrations], report.NUMBERS)
    for remark in (*_remarks(found), *(report.remarks(migrator) if migrator else ())):
        yield Text(printable(remark))


def _print(found: Status, output: Output) -> None:
    if not found.is_about_migrations_alone:
        _print_mappings(found, output)
    if found.migrator is not None:
        report.show(found.migrator, output)
    for remark in _remarks(found):
        output.note(remark)


def _print_mappings(found: Status, output: Output) -> None:
    if output.console.is_terminal:
        output.line(_headline(found))
        output.line()
    elif found.daemon.running is False:
        output.note("the daemon is not running")
    output.table(COLUMNS, [_row(each, found.at) for each in found.mappings], _NUMBERS)


def _headline(found: Status) -> str:
    daemon = found.daemon
    if daemon.running is None:
        return f"{moment(found.at)}  unknown whether the daemon is running"
    if not daemon.running:
        return f"{moment(found.at)}  the daemon is not running"
    return f"{moment(found.at)}  the daemon is running (pid {daemon.pid})"


def _remarks(found: Status) -> list[str]:
    remarks = [f"left out: {problem}" for problem in found.problems]
    for each in found.mappings:
        remarks += [f"{each.mapping}: {error}" for error in each.errors]
        if each.reasons:
            reasons = ", ".join(f"{reason} {number}" for reason, number in sorted(each.reasons.items()))
            remarks.append(f"{each.mapping}: failing: {reasons}")
        remarks += [
            f"{each.mapping}: {number} large objects: {detail}"
            for detail, number in sorted(each.segments_elsewhere.items())
        ]
        if each.rows_resetting:
            remarks.append(f"{each.mapping}: a reset has up to {each.rows_resetting} rows to compare")
    return remarks


def _row(each: MappingStatus, now: float) -> list[str]:
    rate = NOTHING
    if each.objects_per_second is not None and each.bytes_per_second is not None:
        rate = f"{each.objects_per_second:.1f}/s {size(each.bytes_per_second)}/s"
    return [
        NOTHING if each.number is None else str(each.number),
        each.mapping,
        each.destination,
        each.state,
        str(each.rows_behind),
        str(each.objects_pending),
        size(each.bytes_pending),
        NOTHING if each.oldest is None else duration(now - each.oldest),
        str(each.objects_later),
        str(each.failing),
        rate,
        duration(each.eta),
        moment(each.last_progress),
    ]
