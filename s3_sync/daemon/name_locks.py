"""Locks per name: no two threads of a daemon process the same object of a mapping."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from s3_sync.errors import Deferred


class NameLocks:
    """One lock for each name that is being processed.

    A lock is either held for the duration of a row, and other threads wait for it; or claimed for as long as
    a very large or slow object takes, and rows of that name are deferred. ``claimed``: names claimed by
    earlier jobs of the mapping.
    """

    def __init__(self, claimed: set[str] | None = None) -> None:
        self._changed = threading.Condition()
        self._held: set[str] = set()
        self._claimed = set() if claimed is None else claimed

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Hold the lock. Raises Deferred where the name is claimed."""
        with self._changed:
            while name in self._held and name not in self._claimed:
                self._changed.wait()
            if name in self._claimed:
                raise Deferred("an older row of this name is still in progress")
            self._held.add(name)
        try:
            yield
        finally:
            with self._changed:
                self._held.discard(name)
                self._changed.notify_all()

    def is_free(self, name: str) -> bool:
        """Whether the name is neither held nor claimed at the moment."""
        return name not in self._held and name not in self._claimed

    def claim(self, name: str) -> bool:
        """Claim a name. Returns False where it is held or claimed already."""
        with self._changed:
            if name in self._held or name in self._claimed:
                return False
            self._claimed.add(name)
            return True

    def keep(self, name: str) -> bool:
        """Turn a held lock into a claim, because its row takes long; waiting threads get Deferred. Returns
        False where the name is not held, or claimed already."""
        with self._changed:
            if name not in self._held or name in self._claimed:
                return False
            self._claimed.add(name)
            self._changed.notify_all()
            return True

    def release(self, name: str) -> None:
        with self._changed:
            self._claimed.discard(name)
