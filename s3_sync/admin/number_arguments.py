"""Numbers on the command line: for argparse, which says which option was wrong."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError


def natural(text: str) -> int:
    """0, 1, 2 ... Raises ArgumentTypeError."""
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is not 0, 1, 2 ...")
    return int(text)


def pause(text: str) -> float:
    """Seconds between two answers, at least a tenth of one. Raises ArgumentTypeError."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= 86400:
        raise ArgumentTypeError(f"{text!r} is no number of seconds up to a day")
    return max(0.1, seconds)
