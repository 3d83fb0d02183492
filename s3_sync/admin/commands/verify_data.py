"""``swift-s3-ctl verify-data``"""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from dataclasses import asdict

from s3_sync.admin import exit_codes as codes
from s3_sync.admin.comparison import Depth
from s3_sync.admin.node import NodeView
from s3_sync.admin.verification import Summary, Verification
from s3_sync.runtime.output import Output
from s3_sync.state.verification_state import VerificationState

NAME = "verify-data"
HELP = "compare Swift with the store, and print the differences"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("mapping", help="account/container, account/*, or its number")
    parser.add_argument(
        "--metadata", action="store_true", help="also compare the metadata of every object: two requests each"
    )
    parser.add_argument(
        "--content", action="store_true", help="also read every object on both sides, and compare the bytes"
    )
    parser.add_argument("--pending", action="store_true", help="also print pending differences")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted verification")
    parser.add_argument("--state", metavar="PATH", help="progress file (default: in status_dir)")


def run(node: NodeView, options: Namespace, output: Output) -> int:
    mapping = node.mapping(options.mapping)
    path = options.state or os.path.join(node.settings.status_dir, f".verify-{mapping.fingerprint}.sqlite")
    depth = Depth(options.metadata, options.content)
    state = VerificationState(path, f"{mapping.journal_key}{_depth_options(depth)}", options.resume)
    ended = False
    try:
        verification = Verification(node, mapping, state, depth)
        for of, found in verification.findings():
            if found.pending and not options.pending:
                continue
            output.answer({"container": of.container, **asdict(found)})
            details = [found.detail, f"pending: {found.pending}" if found.pending else ""]
            output.cells([found.what, f"{of.container}/{found.name}", "; ".join(filter(None, details))])
            output.flush()  # before its progress is saved: a resumed run does not print it again
        summary = verification.summary()
        ended = not summary.errors
    finally:
        state.close(remove=ended)
    output.answer(asdict(summary))
    for line in _lines(summary):
        output.line(line)
    if summary.wrong:
        return codes.FOUND
    return codes.FINE if summary.could_tell else codes.FAILED


def _depth_options(depth: Depth) -> str:
    return "".join(f" --{name}" for name, is_set in asdict(depth).items() if is_set)


def _lines(summary: Summary) -> list[str]:
    lines = [*summary.errors, *summary.notes]
    wrong = ", ".join(f"{what} {number}" for what, number in sorted(summary.wrong.items()))
    pending = ", ".join(f"{what} {number}" for what, number in sorted(summary.pending.items()))
    lines.append(f"{summary.names} names compared: {wrong or 'no differences'}")
    if pending:
        lines.append(f"pending: {pending}")
    if summary.unsure:
        lines.append(f"undetermined: {summary.unsure}")
    return lines
