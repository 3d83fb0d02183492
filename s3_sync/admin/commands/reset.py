"""``swift-s3-ctl reset``"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict

from s3_sync.admin import exit_codes as codes
from s3_sync.admin.node import NodeView
from s3_sync.admin.output import Output, moment, size
from s3_sync.admin.resets import plan, since_of

NAME = "reset"
HELP = "compare a mapping with its store again, and send what is missing or differs"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("mapping", help="account/container, account/*, or its number")
    parser.add_argument("--prefix", default="", help="only objects whose names begin like this")
    parser.add_argument(
        "--since",
        default="",
        metavar="WHEN",
        help="only what was changed since a date, or in the last 24h",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say how much would be compared")


def run(site: NodeView, options: Namespace, output: Output) -> int:
    mapping = site.mapping(options.mapping)
    since = since_of(options.since, site.now()) if options.since else 0.0
    which = f"objects of {mapping.label}"
    which += f" that begin with {options.prefix}" if options.prefix else ""
    which += f" and were changed since {moment(since)}" if since else ""
    if options.dry_run:
        found = plan(site, mapping, options.prefix, since)
        output.answer({"mapping": mapping.label, "prefix": options.prefix, "since": since, **asdict(found)})
        output.line(
            f"{found.objects} {which} ({size(found.bytes)}) and {found.deletes} deletes would be compared"
            f" with the store, {found.others} of other nodes after the verification slack, and"
            f" {found.failures} that have failed would be tried again. Only what is missing or differs would"
            " be sent."
        )
        return codes.FINE
    site.require_state()
    reset = site.controls.reset(mapping, options.prefix, since)
    when = (
        "beginning with the next turn" if site.daemon().running is not False else "when the daemon is started"
    )
    if site.controls.is_paused(mapping):
        when = "when the mapping is resumed"
    output.answer({"mapping": mapping.label, **asdict(reset)})
    output.line(f"{which[0].upper()}{which[1:]} are compared with the store again, {when}.")
    return codes.FINE
