"""Commands of the daemons' programs that answer on standard output instead of running."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable


def answer(program: str, command: Callable[[], int]) -> int:
    """Run a command that writes to standard output, and return its exit code: 1 also if the output is
    incomplete."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # the terminal's encoding may lack a name's letters
    try:
        code = command()
        sys.stdout.flush()
    except OSError as error:  # a full disk, or `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        if not isinstance(error, BrokenPipeError):
            print(f"{program}: stdout: {error.strerror or error}", file=sys.stderr)
        return 1
    return code
