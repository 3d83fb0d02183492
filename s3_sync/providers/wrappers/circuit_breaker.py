"""A circuit breaker: fails requests fast while the remote store does not respond."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

#: "trial" is what others call half-open
State = Literal["closed", "open", "trial"]


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """After ``failures`` consecutive failures the breaker opens for ``pause`` seconds; then it admits one
    trial request. Each failed trial doubles the pause, up to ``longest``."""

    failures: int = 5
    pause: float = 2.0
    longest: float = 60.0


class CircuitBreaker:
    """Closed: all requests pass. Open: none do. Trial: one request is in flight, no others pass.

    No green thread switch can occur between reading and changing the state, so it needs no lock; with real
    threads, at worst a second trial request passes. ``changed`` is called with each new state.
    """

    def __init__(
        self,
        policy: BreakerPolicy,
        changed: Callable[[State], None] = lambda _: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.state: State = "closed"
        self._policy = policy
        self._changed = changed
        self._now = now
        self._failures = 0
        self._pause = policy.pause
        self._until = 0.0

    def admits(self) -> bool:
        """Whether a request may be sent now; ``succeeded`` or ``failed`` must report its result."""
        if self.state == "closed":
            return True
        if self._now() < self._until:
            return False
        # admits another trial if this one has not reported after the pause
        self._until = self._now() + self._pause
        self._enter("trial")
        return True

    @property
    def remaining(self) -> float:
        """Seconds until the next trial."""
        return 0.0 if self.state == "closed" else max(0.0, self._until - self._now())

    def succeeded(self) -> None:
        self._failures = 0
        if self.state != "closed":
            self._pause = self._policy.pause
            self._enter("closed")

    def failed(self) -> None:
        self._failures += 1
        if self.state == "trial":
            self._pause = min(self._policy.longest, self._pause * 2)
        elif self.state == "open" or self._failures < self._policy.failures:
            return  # a request that passed before the breaker opened
        self._until = self._now() + self._pause
        self._enter("open")

    def _enter(self, state: State) -> None:
        if state != self.state:
            self.state = state
            self._changed(state)
