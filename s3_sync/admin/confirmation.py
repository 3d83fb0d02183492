"""Asks the operator before a command does what cannot be undone, or costs money."""

from __future__ import annotations

import sys

from s3_sync.errors import UsageError


def is_confirmed(question: str, action: str) -> bool:
    """Whether the operator answers "yes". ``action``: the command or option that asks. Raises UsageError
    without a terminal to ask at."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(f"{action} asks for confirmation; without a terminal, add --yes")
    print(f"{question} [yes/no] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() == "yes"
