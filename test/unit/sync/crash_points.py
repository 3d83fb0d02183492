"""A daemon that ends at a certain step."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from s3_sync.errors import AccessDenied
from unit.sync.worlds import World


class Crash(BaseException):
    """The process ends here."""


class Crashing:
    """A daemon that ends before or after a certain call of a method, once, and is started again."""

    def __init__(self, world: World, target: str, method: str, when: str, number: int) -> None:
        self.world = world
        self._left = number
        self.crashed = False
        if target == "bucket":
            setattr(world.bucket, when, self._fault(method))
        else:
            holder = attrgetter(target)(world.node.context)
            setattr(holder, method, self._breaking(getattr(holder, method), when))

    def run(self) -> None:
        """All that can be done now, whatever happens."""
        try:
            self.world.node.settle()
        except Crash:
            self.crashed = True
            self.world.node.restart()
            self.world.node.settle()

    def disarm(self) -> None:
        self._left = 0
        self.world.bucket.before = self.world.bucket.after = lambda method, name: None

    def _is_now(self) -> bool:
        self._left -= 1
        return self._left == 0

    def _fault(self, method: str) -> Callable[[str, str], BaseException | None]:
        def fault(called: str, name: str) -> BaseException | None:
            if called == method and name != "bad":
                return Crash() if self._is_now() else None
            return AccessDenied("no") if called == "put" and name == "bad" else None

        return fault

    def _breaking(self, real: Callable[..., Any], when: str) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            now = self._is_now()
            if now and when == "before":
                raise Crash
            result = real(*arguments, **named)
            if now:
                raise Crash
            return result

        return call
