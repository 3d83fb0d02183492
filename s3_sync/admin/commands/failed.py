"""``swift-s3-ctl failed``"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from itertools import islice

from s3_sync.admin import codes
from s3_sync.admin.failures import EXPIRY, Failure, Wanted, failures, forget, retry
from s3_sync.admin.naming import select
from s3_sync.admin.output import NOTHING, Output, duration, moment
from s3_sync.admin.site import Site
from s3_sync.config.schema import Mapping
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
    parser.add_argument("--limit", type=int, default=1000, help="list so many at most (1000; 0: all)")
    deeds = parser.add_mutually_exclusive_group()
    deeds.add_argument("--retry", action="store_true", help="try them again with the next turn")
    deeds.add_argument(
        "--forget", action="store_true", help="drop them from the list: they do not converge any more"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before --forget")


def run(site: Site, options: Namespace, output: Output) -> int:
    chosen = [select(site.mappings, options.mapping)] if options.mapping else list(site.mappings)
    wanted = Wanted(tuple(options.name), options.prefix, options.reason, options.state)
    if options.retry:
        number = retry(site, chosen, wanted)
        output.answer({"retried": number})
        output.line(f"{number} objects are tried again with the daemon's next turn.")
        return codes.FINE
    if options.forget:
        return _forget(site, chosen, wanted, options.yes, output)
    found = list(islice(failures(site, chosen, wanted), options.limit or None))
    output.answer({"at": site.now(), "failures": [_as_json(each) for each in found]})
    output.table(COLUMNS, [_row(each, site.now()) for each in found], ("attempts", "since"))
    if found and len(found) == options.limit and output.console.is_terminal:
        output.line(f"These are the first {options.limit}; --limit 0 shows all.")
    return codes.FOUND if found else codes.FINE


def _forget(site: Site, chosen: Sequence[Mapping], wanted: Wanted, sure: bool, output: Output) -> int:
    number = sum(1 for each in failures(site, chosen, wanted) if each.state != EXPIRY)
    if number and not sure:
        if not sys.stdin.isatty():
            raise UsageError("--forget asks before it forgets; where nobody can answer, say --yes")
        print(
            f"{number} objects have not converged. Forgotten, they stay as they are until they change or the"
            " mapping is reset, and nothing tells of them any more. Forget them? [yes/no] ",
            end="", file=sys.stderr, flush=True,
        )  # fmt: skip
        if sys.stdin.readline().strip() != "yes":
            output.line("Nothing was forgotten.")
            return codes.FAILED
    number = forget(site, chosen, wanted) if number else 0
    output.answer({"forgotten": number})
    output.line(f"{number} objects were forgotten.")
    return codes.FINE


def _as_json(each: Failure) -> dict[str, object]:
    return {name: getattr(each, name) for name in each.__slots__}


def _row(each: Failure, now: float) -> list[str]:
    if each.state == QUARANTINE:
        again = "when it changes"
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
