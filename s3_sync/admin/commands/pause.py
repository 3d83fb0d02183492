"""``swift-s3-ctl pause``"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from s3_sync.admin import exit_codes as codes
from s3_sync.admin.node import NodeView
from s3_sync.admin.output import Output

NAME = "pause"
HELP = "begin nothing more for a mapping until it is resumed, over restarts too"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("mapping", help="account/container, account/*, or its number")


def run(site: NodeView, options: Namespace, output: Output) -> int:
    mapping = site.mapping(options.mapping)
    site.require_state()
    changed = site.controls.pause(mapping)
    output.answer({"mapping": mapping.label, "paused": True, "changed": changed})
    if changed:
        output.line(f"{mapping.label} is paused. What is in flight ends, nothing more is begun.")
    else:
        output.line(f"{mapping.label} was paused already.")
    return codes.FINE
