"""Numeric argument types for argparse, which adds the name of the option to the error."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError


def natural(text: str) -> int:
    """Parse a non-negative integer. Raises ArgumentTypeError."""
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is not a non-negative integer")
    return int(text)


def pause(text: str) -> float:
    """Parse an interval in seconds, raised to at least 0.1. Raises ArgumentTypeError."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= 86400:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds between 0 and 86400")
    return max(0.1, seconds)


def days(text: str) -> int:
    """Parse a number of days, from 1 to 36500. Raises ArgumentTypeError."""
    number = natural(text)
    if not 1 <= number <= 36500:
        raise ArgumentTypeError(f"{text!r} is not a number of days between 1 and 36500")
    return number
