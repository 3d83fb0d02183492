"""When to stop asking a remote store that does not answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

State = Literal["closed", "open", "trial"]


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """After ``failures`` in a row nobody is let through for ``pause`` seconds; then one, as a trial. Each
    trial that fails doubles the pause, up to ``longest``."""

    failures: int = 5
    pause: float = 2.0
    longest: float = 60.0


class Breaker:
    """Closed: everybody may pass. Open: nobody. Trial: one is on its way, the others may not pass.

    There is no yield between reading and changing the state, so that green threads need no lock;
    real threads can at worst let a second trial through. ``changed`` is told each new state.
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
        """Whether a request may be made now. A trial must be followed by ``succeeded`` or ``failed``."""
        if self.state == "closed":
            return True
        if self._now() < self._until:
            return False
        # the next one may try when this one has not been heard of for so long
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
            return  # one that was let through before it opened
        self._until = self._now() + self._pause
        self._enter("open")

    def _enter(self, state: State) -> None:
        if state != self.state:
            self.state = state
            self._changed(state)
