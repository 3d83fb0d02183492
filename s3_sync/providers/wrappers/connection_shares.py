"""A semaphore whose places are shared by holders, none of whom can lock the others out."""

from __future__ import annotations

import threading
from collections import deque


class Places:
    """``total`` places. A holder may acquire another place while more are free than it holds. Thread-safe.

    So one holder has at most half of the places, a second one at most half of the rest, and so on, in any
    order of requests: n holders leave at least ``total`` / 2 ** n places free, rounded down, even if they
    never release any. A released place goes to the waiting holder with the fewest places, and among its
    threads to the first.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.free = total
        self._held: dict[str, int] = {}
        self._waiting: dict[str, deque[threading.Event]] = {}
        self._lock = threading.Lock()

    def held(self, holder: str) -> int:
        return self._held.get(holder, 0)

    def acquire(self, holder: str, timeout: float) -> bool:
        """Acquire a place. Returns False if there was none within ``timeout`` seconds."""
        with self._lock:
            if self._is_available(holder):
                self._assign(holder)
                return True
            granted = threading.Event()
            self._waiting.setdefault(holder, deque()).append(granted)
        try:
            granted.wait(timeout)
        except BaseException:  # killed while it waited
            if not self._withdraw(holder, granted):
                self.release(holder)
            raise
        return not self._withdraw(holder, granted)

    def release(self, holder: str) -> None:
        with self._lock:
            self.free += 1
            self._held[holder] -= 1
            if not self._held[holder]:
                del self._held[holder]
            while self._waiting:
                first = min(self._waiting, key=self.held)
                if not self._is_available(first):
                    break
                self._assign(first)
                granted = self._waiting[first][0]
                self._remove(first, granted)
                granted.set()

    def _is_available(self, holder: str) -> bool:
        return self.free > self.held(holder)

    def _assign(self, holder: str) -> None:
        self.free -= 1
        self._held[holder] = self.held(holder) + 1

    def _withdraw(self, holder: str, granted: threading.Event) -> bool:
        """Stop waiting. Returns False if a place has been granted meanwhile."""
        with self._lock:
            if granted.is_set():
                return False
            self._remove(holder, granted)
            return True

    def _remove(self, holder: str, granted: threading.Event) -> None:
        waiting = self._waiting[holder]
        waiting.remove(granted)
        if not waiting:
            del self._waiting[holder]
