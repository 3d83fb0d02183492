"""One log line for each change of state: what is said again and again goes to level debug."""

from __future__ import annotations

import logging


class Told:
    """What has been said, and is still so. Bounded by what it is asked about."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def level(self, about: str, what: str, level: int = logging.WARNING) -> int:
        """``level`` if that is news about it, else DEBUG."""
        news = self._said.get(about) != what
        self._said[about] = what
        return level if news else logging.DEBUG

    def over(self, about: str) -> bool:
        """It is not so any more; whether it was."""
        return self._said.pop(about, None) is not None

    def exception(self, log: logging.Logger, error: BaseException, message: str, *values: object) -> None:
        """With a traceback: at level ERROR once for each place in the code that it comes from."""
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = "" if place is None else f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}"
        level = self.level(f"{type(error).__name__} at {where}", "raised", logging.ERROR)
        log.log(level, message, *values, exc_info=error)
