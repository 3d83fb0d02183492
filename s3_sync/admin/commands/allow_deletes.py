"""``swift-s3-ctl allow-deletes``"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from s3_sync.admin import exit_codes as codes
from s3_sync.admin.node import NodeView
from s3_sync.runtime.output import Output

NAME = "allow-deletes"
HELP = "allow the deletes that are held, of all objects deleted in Swift, or at a migration's source, so far"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("mapping", help="account/container, account/*, or its number")


def run(node: NodeView, options: Namespace, output: Output) -> int:
    mapping = node.named(options.mapping)
    until = node.controls_of(mapping).allow_deletes(mapping)
    output.answer({"mapping": mapping.label, "until": until})
    if mapping.migration is not None:
        output.line(f"{mapping.label}: objects deleted at the source so far may be deleted in Swift.")
    else:
        output.line(f"{mapping.label}: objects deleted in Swift so far may be deleted in the bucket.")
    return codes.FINE
