"""``swift-s3-ctl cutover``"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from s3_sync.admin import exit_codes as codes
from s3_sync.admin.node import NodeView
from s3_sync.migrate.cutover import NEXT_STEPS, unmet
from s3_sync.runtime.output import Output

NAME = "cutover"
HELP = "check whether a migration is complete, and say what to do next"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("migration", help="account/container, account/*, or its number: migrations[0]")
    parser.add_argument(
        "--compared", action="store_true", help="both sides were compared, and found equal, on another node"
    )


def run(node: NodeView, options: Namespace, output: Output) -> int:
    files, mapping = node.migration(options.migration)
    lines = unmet(files, mapping, options.compared)
    steps = [] if lines else list(NEXT_STEPS)
    output.answer({"migration": mapping.label, "ready": not lines, "unmet": lines, "steps": steps})
    for line in lines:
        output.line(f"not yet: {line}")
    if lines:
        return codes.FAILED
    output.line(f"{mapping.label}: nothing is behind on this node. What to do next:")
    for number, step in enumerate(steps, start=1):
        output.line(f"{number}. {step}")
    return codes.FINE
