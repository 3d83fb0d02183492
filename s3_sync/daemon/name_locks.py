"""One name at a time: no two threads of a daemon work on the same object of a mapping."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from s3_sync.errors import Deferred


class NameLocks:
    """As many locks as there are names being worked on right now.

    A lock is either held for the time of a row, and others wait for it; or it is claimed for as long as a
    very large or slow object takes, and nobody waits. ``claimed``: by whoever looked after the mapping
    before.
    """

    def __init__(self, claimed: set[str] | None = None) -> None:
        self._changed = threading.Condition()
        self._held: set[str] = set()
        self._claimed = set() if claimed is None else claimed

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Raises Deferred where the name is claimed."""
        with self._changed:
            while name in self._held and name not in self._claimed:
                self._changed.wait()
            if name in self._claimed:
                raise Deferred("an older row of this name is in the lane of large objects, or takes long")
            self._held.add(name)
        try:
            yield
        finally:
            with self._changed:
                self._held.discard(name)
                self._changed.notify_all()

    def claim(self, name: str) -> bool:
        """False where somebody else is at it."""
        with self._changed:
            if name in self._held or name in self._claimed:
                return False
            self._claimed.add(name)
            return True

    def keep(self, name: str) -> bool:
        """Claim what is held for a row that takes long, so that nobody waits for it any more. False where
        nothing is held, or it is claimed already."""
        with self._changed:
            if name not in self._held or name in self._claimed:
                return False
            self._claimed.add(name)
            self._changed.notify_all()
            return True

    def release(self, name: str) -> None:
        with self._changed:
            self._claimed.discard(name)
