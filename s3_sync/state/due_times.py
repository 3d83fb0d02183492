"""When rows that wait are due: those of other nodes, and ranges of rows that were deferred."""

from __future__ import annotations

from s3_sync.state.journal import VERIFY, DueRange

#: verify rounds per verification slack
VERIFY_ROUNDS_PER_SLACK = 6
#: how much later than its first row a range is due so that more rows are due together, at most; in seconds
_MAX_WINDOW = 60.0
#: rounding error, in seconds, of a range's due time
_FLOAT_TOLERANCE = 0.001


def verifiable_at(written: float, begun: float, slack: float) -> float:
    """When another node's daemon may verify a row: a ``slack`` after it was written and after the mapping
    started; else all nodes would send all the rows that existed before. Seconds since the epoch."""
    return max(written, begun) + slack


def range_due(first_due: float, kind: str, copy_after: int, slack: float) -> float:
    """When a range of rows is due, the first of which is due at ``first_due``; seconds since the epoch.

    The delay is a tenth of ``copy_after``, 60 seconds at most. Rows of other nodes (``kind`` VERIFY) wait for
    the verification ``slack`` as well.
    """
    return first_due + _delay(kind, copy_after, slack)


def earliest_due(waiting: DueRange, copy_after: int, slack: float) -> float:
    """The inverse: when the first row for which the range was made is due. Rows of the range that are due
    earlier had their turn when it was made."""
    return waiting.due - _delay(waiting.kind, copy_after, slack) - _FLOAT_TOLERANCE


def _delay(kind: str, copy_after: int, slack: float) -> float:
    window = min(_MAX_WINDOW, copy_after / 10)
    return window + slack if kind == VERIFY else window
