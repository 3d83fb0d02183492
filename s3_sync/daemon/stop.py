"""Stop flags: tell threads at work to begin nothing more."""

from __future__ import annotations

from typing import Protocol


class Stop(Protocol):
    """The part of ``threading.Event`` that is used."""

    def is_set(self) -> bool: ...

    def set(self) -> None: ...


class LinkedStop:
    """Set by itself, or together with ``parent``."""

    def __init__(self, parent: Stop) -> None:
        self._parent = parent
        self._set = False

    def is_set(self) -> bool:
        return self._set or self._parent.is_set()

    def set(self) -> None:
        self._set = True
