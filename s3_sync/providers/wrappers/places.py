"""A number of places that many share, none of whom can keep the others out."""

from __future__ import annotations

import threading
from collections import deque


class Places:
    """``total`` places. A holder gets another one while more are free than it has.

    So one holder has half of them at most, and what holders leave free is at least ``total`` / 2 ** holders,
    rounded down: a second one takes at most half of the rest, and so on, whatever they do and in which order.
    It is as good a rule for holders that never give anything back. A free place goes to that one of the
    waiting holders that has the fewest, and there to who came first. Safe to share between threads.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.free = total
        self._held: dict[str, int] = {}
        self._waiting: dict[str, deque[threading.Event]] = {}
        self._lock = threading.Lock()

    def held(self, holder: str) -> int:
        return self._held.get(holder, 0)

    def take(self, holder: str, wait: float) -> bool:
        """Whether a place was had within ``wait`` seconds."""
        with self._lock:
            if self._may_take(holder):
                self._take(holder)
                return True
            mine = threading.Event()
            self._waiting.setdefault(holder, deque()).append(mine)
        try:
            mine.wait(wait)
        except BaseException:  # killed while it waited
            if not self._withdraw(holder, mine):
                self.give_back(holder)
            raise
        return not self._withdraw(holder, mine)

    def give_back(self, holder: str) -> None:
        with self._lock:
            self.free += 1
            self._held[holder] -= 1
            if not self._held[holder]:
                del self._held[holder]
            while self._waiting:
                first = min(self._waiting, key=self.held)
                if not self._may_take(first):
                    break
                self._take(first)
                mine = self._waiting[first][0]
                self._forget(first, mine)
                mine.set()

    def _may_take(self, holder: str) -> bool:
        return self.free > self.held(holder)

    def _take(self, holder: str) -> None:
        self.free -= 1
        self._held[holder] = self.held(holder) + 1

    def _withdraw(self, holder: str, mine: threading.Event) -> bool:
        """Stop waiting; False = the place has been given meanwhile."""
        with self._lock:
            if mine.is_set():
                return False
            self._forget(holder, mine)
            return True

    def _forget(self, holder: str, mine: threading.Event) -> None:
        waiting = self._waiting[holder]
        waiting.remove(mine)
        if not waiting:
            del self._waiting[holder]
