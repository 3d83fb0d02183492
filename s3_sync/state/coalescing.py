"""How ranges of the journal are made so that their rows become due together."""

from __future__ import annotations

#: the longest delay, in seconds
_MAX_WINDOW = 60.0


def coalesce_window(copy_after: int) -> float:
    """How much later than its first row a range of deferred rows is due, in seconds: a tenth of
    ``copy_after``, 60 seconds at most."""
    return min(_MAX_WINDOW, copy_after / 10)
