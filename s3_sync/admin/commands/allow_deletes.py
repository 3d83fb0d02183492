"""``swift-s3-ctl allow-deletes``"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from s3_sync.admin import exit_codes as codes
from s3_sync.admin.node import NodeView
from s3_sync.admin.output import Output

NAME = "allow-deletes"
HELP = "let go what a mapping's delete budget holds, all that was deleted in Swift by now"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("mapping", help="account/container, account/*, or its number")


def run(site: NodeView, options: Namespace, output: Output) -> int:
    mapping = site.mapping(options.mapping)
    site.require_state()
    until = site.controls.allow_deletes(mapping)
    output.answer({"mapping": mapping.label, "until": until})
    output.line(f"{mapping.label}: what was deleted by now may be deleted in the bucket.")
    return codes.FINE
