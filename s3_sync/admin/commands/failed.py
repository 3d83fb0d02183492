"""``swift-s3-ctl failed``"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice

from s3_sync.admin import exit_codes as codes
from s3_sync.admin.confirmation import is_confirmed
from s3_sync.admin.failures import (
    EXPIRY,
    LASTING,
    METADATA,
    SEGMENT,
    Failure,
    FailureFilter,
    Version,
    failures,
    forget,
    retry,
)
from s3_sync.admin.node import NodeView
from s3_sync.admin.number_arguments import natural
from s3_sync.runtime.output import NOTHING, Output, duration, moment
from s3_sync.state.journal import QUARANTINE, RETRY

NAME = "failed"
HELP = "list the objects that failed and have not converged, and why"
COLUMNS = (
    "mapping", "container", "object", "what", "state", "reason", "attempts", "since", "next try", "detail",
)  # fmt: skip


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("mapping", nargs="?", help="only this mapping: account/container, or its number")
    parser.add_argument("--name", action="append", default=[], help="only this object; may be repeated")
    parser.add_argument("--prefix", default="", help="only objects whose names start with this")
    parser.add_argument("--reason", default="", help="only objects that failed for this reason")
    parser.add_argument(
        "--state",
        default="",
        choices=(RETRY, QUARANTINE, EXPIRY, METADATA, SEGMENT),
        help="only objects in this state",
    )
    parser.add_argument(
        "--limit", type=natural, default=1000, help="list at most this many (default 1000; 0: all)"
    )
    actions = parser.add_mutually_exclusive_group()
    actions.add_argument("--retry", action="store_true", help="retry them at the daemon's next turn")
    actions.add_argument(
        "--forget", action="store_true", help="drop them from the list: they are not retried any more"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation of --forget")


def run(node: NodeView, options: Namespace, output: Output) -> int:
    chosen = [node.named(options.mapping)] if options.mapping else [*node.mappings, *node.migrations]
    selection = FailureFilter(tuple(options.name), options.prefix, options.reason, options.state)
    if options.retry:
        number = retry(node, chosen, selection)
        output.answer({"retried": number})
        output.line(f"{number} objects will be retried at the daemon's next turn.")
        return codes.FINE
    found = failures(node, chosen, selection)
    if options.forget:
        return _forget(
            node, [each.version for each in found if each.state not in LASTING], options.yes, output
        )
    shown = list(islice(found, options.limit or None))
    more = next(found, None) is not None
    output.answer({"at": node.now(), "failures": [asdict(each) for each in shown], "more": more})
    output.table(COLUMNS, [_row(each, node.now()) for each in shown], ("attempts", "since"))
    if more:
        output.note(f"Only the first {options.limit} are shown; --limit 0 shows all.")
    return codes.FOUND if shown else codes.FINE


def _forget(node: NodeView, found: Sequence[Version], sure: bool, output: Output) -> int:
    """Drop exactly the failures that were counted, not those that happen before the operator confirms."""
    question = (
        f"{len(found)} objects have not converged. Once forgotten, they are neither retried, until they"
        " change or the mapping is reset, nor reported any more. Forget them?"
    )
    if found and not sure and not is_confirmed(question, "--forget"):
        output.line("Nothing was forgotten.")
        return codes.FAILED
    number = forget(node, found)
    output.answer({"forgotten": number})
    output.line(f"{number} objects were forgotten.")
    return codes.FINE


def _row(each: Failure, now: float) -> list[str]:
    if each.state == QUARANTINE:
        again = "when it changes"
    elif each.next_try is None:
        again = "when deletes are allowed"
    else:
        again = moment(each.next_try) if each.next_try > now else "now"
    return [
        each.mapping,
        each.container,
        each.name or NOTHING,
        "delete" if each.deleted else "metadata" if each.state == METADATA else "copy",
        each.state,
        each.reason,
        str(each.attempts),
        duration(now - each.first_failure) if each.first_failure else NOTHING,
        again,
        each.detail,
    ]
