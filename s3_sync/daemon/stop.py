"""Stop flags: running threads poll them and start nothing more once they are set."""

from __future__ import annotations

from typing import Protocol


class Stop(Protocol):
    """The part of ``threading.Event`` that stop flags need."""

    def is_set(self) -> bool: ...

    def set(self) -> None: ...


class LinkedStop:
    """A stop flag that is also set whenever ``parent`` is."""

    def __init__(self, parent: Stop) -> None:
        self._parent = parent
        self._set = False

    def is_set(self) -> bool:
        return self._set or self._parent.is_set()

    def set(self) -> None:
        self._set = True
