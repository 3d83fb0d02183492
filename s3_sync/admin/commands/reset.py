"""``swift-s3-ctl reset``"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict

from s3_sync.admin import exit_codes as codes
from s3_sync.admin.node import NodeView
from s3_sync.admin.resets import plan, since_of
from s3_sync.runtime.output import Output, moment, size

NAME = "reset"
HELP = "compare a mapping with its store again, and send what is missing or differs"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("mapping", help="account/container, account/*, or its number")
    parser.add_argument("--prefix", default="", help="only objects whose names start with this")
    parser.add_argument(
        "--since",
        default="",
        metavar="WHEN",
        help="only objects changed since a date, or within an age such as 24h",
    )
    parser.add_argument("--dry-run", action="store_true", help="only print how much would be compared")


def run(node: NodeView, options: Namespace, output: Output) -> int:
    mapping = node.mapping(options.mapping)
    since = since_of(options.since, node.now()) if options.since else 0.0
    which = f"objects of {mapping.label}"
    which += f" whose names start with {options.prefix}" if options.prefix else ""
    which += f" changed since {moment(since)}" if since else ""
    if options.dry_run:
        found = plan(node, mapping, options.prefix, since)
        output.answer({"mapping": mapping.label, "prefix": options.prefix, "since": since, **asdict(found)})
        output.line(
            f"{found.objects} {which} ({size(found.bytes)}) and {found.deletes} deletes would be compared"
            f" with the store, {found.others} of other nodes after the verification slack, and"
            f" {found.failures} failed ones would be retried. Only objects that are missing or differ would"
            " be sent."
        )
        return codes.FINE
    node.require_state()
    reset = node.controls.reset(mapping, options.prefix, since)
    when = (
        "starting with the next turn" if node.daemon().running is not False else "when the daemon is started"
    )
    if node.controls.is_paused(mapping):
        when = "when the mapping is resumed"
    output.answer({"mapping": mapping.label, **asdict(reset)})
    output.line(f"{which[0].upper()}{which[1:]} will be compared with the store again, {when}.")
    return codes.FINE
