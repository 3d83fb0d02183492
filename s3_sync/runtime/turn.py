"""A turn: of several that would read the same account, one at a time does."""

from __future__ import annotations

from collections.abc import Callable

#: an owner that is silent for longer, in seconds, may lose its turn
OWNER_TIMEOUT = 600.0


class Turn:
    """Who may work now."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._owner: object = None
        self._seen = 0.0

    def acquire(self, owner: object) -> bool:
        """Whether ``owner`` may work. Call it before each slice of the work."""
        now = self._now()
        if self._owner not in (None, owner) and 0 <= now - self._seen <= OWNER_TIMEOUT:
            return False
        self._owner, self._seen = owner, now
        return True

    def end(self, owner: object) -> None:
        """Let another owner work."""
        if self._owner is owner:
            self._owner = None
