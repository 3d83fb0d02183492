"""Logs each change of state once: a repeated state is logged at DEBUG."""

from __future__ import annotations

import logging


class LogOnce:
    """Remembers the last state logged per topic. Its size is bounded by the number of topics."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}

    def level_for(self, topic: str, state: str, level: int = logging.WARNING) -> int:
        """``level`` if the state of ``topic`` has changed, else DEBUG."""
        changed = self._states.get(topic) != state
        self._states[topic] = state
        return level if changed else logging.DEBUG

    def clear(self, topic: str) -> bool:
        """Forget the state of a topic. Returns whether it had one."""
        return self._states.pop(topic, None) is not None

    def exception(self, log: logging.Logger, error: BaseException, message: str, *values: object) -> None:
        """Log an exception with its traceback: at ERROR once per raising line of code, then at DEBUG."""
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = "" if place is None else f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}"
        level = self.level_for(f"{type(error).__name__} at {where}", "raised", logging.ERROR)
        log.log(level, message, *values, exc_info=error)
