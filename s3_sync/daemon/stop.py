"""Telling those who are at work to begin nothing more."""

from __future__ import annotations

from typing import Protocol


class Stop(Protocol):
    """Such as ``threading.Event``."""

    def is_set(self) -> bool: ...

    def set(self) -> None: ...


class OwnStop:
    """Set by itself, or with everybody's."""

    def __init__(self, everybodys: Stop) -> None:
        self._everybodys = everybodys
        self._set = False

    def is_set(self) -> bool:
        return self._set or self._everybodys.is_set()

    def set(self) -> None:
        self._set = True
