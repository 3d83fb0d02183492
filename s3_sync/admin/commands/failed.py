"""``swift-s3-ctl failed``"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice

from s3_sync.admin import exit_codes as codes
from s3_sync.admin.failures import EXPIRY, Failure, Version, Wanted, failures, forget, retry
from s3_sync.admin.node import NodeView
from s3_sync.admin.number_arguments import natural
from s3_sync.admin.output import NOTHING, Output, duration, moment
from s3_sync.errors import UsageError
from s3_sync.state.journal import QUARANTINE, RETRY

NAME = "failed"
HELP = "what has failed and has not converged, and why"
COLUMNS = (
    "mapping", "container", "object", "what", "state", "reason", "attempts", "since", "next try", "detail",
)  # fmt: skip


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("mapping", nargs="?", help="only of this one: account/container, or its number")
    parser.add_argument("--name", action="append", default=[], help="only this object; may be repeated")
    parser.add_argument("--prefix", default="", help="only objects whose names begin like this")
    parser.add_argument("--reason", default="", help="only those that failed for this reason")
    parser.add_argument("--state", default="", choices=(RETRY, QUARANTINE, EXPIRY), help="only those")
    parser.add_argument("--limit", type=natural, default=1000, help="list so many at most (1000; 0: all)")
    deeds = parser.add_mutually_exclusive_group()
    deeds.add_argument("--retry", action="store_true", help="try them again with the next turn")
    deeds.add_argument(
        "--forget", action="store_true", help="drop them from the list: they do not converge any more"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before --forget")


def run(site: NodeView, options: Namespace, output: Output) -> int:
    chosen = [site.mapping(options.mapping)] if options.mapping else list(site.mappings)
    wanted = Wanted(tuple(options.name), options.prefix, options.reason, options.state)
    if options.retry:
        number = retry(site, chosen, wanted)
        output.answer({"retried": number})
        output.line(f"{number} objects are tried again with the daemon's next turn.")
        return codes.FINE
    found = failures(site, chosen, wanted)
    if options.forget:
        return _forget(site, [each.version for each in found if each.state != EXPIRY], options.yes, output)
    shown = list(islice(found, options.limit or None))
    more = next(found, None) is not None
    output.answer({"at": site.now(), "failures": [asdict(each) for each in shown], "more": more})
    output.table(COLUMNS, [_row(each, site.now()) for each in shown], ("attempts", "since"))
    if more:
        output.note(f"These are the first {options.limit}; --limit 0 shows all.")
    return codes.FOUND if shown else codes.FINE


def _forget(site: NodeView, found: Sequence[Version], sure: bool, output: Output) -> int:
    """Exactly what was counted: what fails while the operator thinks about it is not forgotten."""
    if found and not sure:
        if sys.stdin is None or not sys.stdin.isatty():
            raise UsageError("--forget asks before it forgets; where nobody can answer, say --yes")
        print(
            f"{len(found)} objects have not converged. Forgotten, they stay as they are until they change or"
            " the mapping is reset, and nothing tells of them any more. Forget them? [yes/no] ",
            end="", file=sys.stderr, flush=True,
        )  # fmt: skip
        if sys.stdin.readline().strip() != "yes":
            output.line("Nothing was forgotten.")
            return codes.FAILED
    number = forget(site, found)
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
        each.name,
        "delete" if each.deleted else "copy",
        each.state,
        each.reason,
        str(each.attempts),
        duration(now - each.first_failure) if each.first_failure else NOTHING,
        again,
        each.detail,
    ]
