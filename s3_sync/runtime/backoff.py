"""Exponential backoff with jitter."""

from __future__ import annotations

import random
from collections.abc import Callable

#: consecutive failures, from 1 -> seconds
Backoff = Callable[[int], float]


def exponential(base: float, ceiling: float, jitter: Callable[[], float] = random.random) -> Backoff:
    """``base`` seconds after the first failure, doubled each time up to ``ceiling``, with +-20 % jitter."""

    def delay(attempts: int) -> float:
        return min(ceiling, base * 2.0 ** min(attempts - 1, 30)) * (0.8 + 0.4 * jitter())

    return delay
