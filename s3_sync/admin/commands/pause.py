"""``swift-s3-ctl pause``"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from s3_sync.admin import exit_codes as codes
from s3_sync.admin.node import NodeView
from s3_sync.runtime.output import Output

NAME = "pause"
HELP = "start no more transfers for a mapping until it is resumed, even across restarts"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("mapping", help="account/container, account/*, or its number")


def run(node: NodeView, options: Namespace, output: Output) -> int:
    mapping = node.named(options.mapping)
    changed = node.controls_of(mapping).pause(mapping)
    output.answer({"mapping": mapping.label, "paused": True, "changed": changed})
    if changed:
        output.line(f"{mapping.label} is paused. Transfers in flight finish, no new ones start.")
    else:
        output.line(f"{mapping.label} was already paused.")
    return codes.FINE
