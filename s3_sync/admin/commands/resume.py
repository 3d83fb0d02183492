"""``swift-s3-ctl resume``"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from s3_sync.admin import exit_codes as codes
from s3_sync.admin.node import NodeView
from s3_sync.runtime.output import Output

NAME = "resume"
HELP = "resume a paused mapping"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("mapping", help="account/container, account/*, or its number")


def run(node: NodeView, options: Namespace, output: Output) -> int:
    mapping = node.named(options.mapping)
    changed = node.controls_of(mapping).resume(mapping)
    output.answer({"mapping": mapping.label, "paused": False, "changed": changed})
    output.line(f"{mapping.label} {'is resumed' if changed else 'was not paused'}.")
    return codes.FINE
