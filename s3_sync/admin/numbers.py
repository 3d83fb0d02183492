"""Numbers on the command line; argparse says which option was wrong."""

from __future__ import annotations

import math


def natural(text: str) -> int:
    """0, 1, 2 ... Raises ValueError."""
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def pause(text: str) -> float:
    """Seconds between two answers: a tenth of one to a day. Raises ValueError."""
    seconds = float(text)
    if not math.isfinite(seconds) or seconds <= 0:
        raise ValueError
    return min(max(0.1, seconds), 86400.0)
