"""What the operator wants, kept where every daemon of a node finds it: mappings to leave alone, and resets.

Small files in ``<status_dir>/.controls``. ``swift-s3-ctl`` makes and removes them; daemons only read. Who is
concerned carries a wish out, and keeps in mind that he has: so that nothing depends on who was running when
it was made.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from s3_sync.config.settings import Mapping
from s3_sync.errors import StateError
from s3_sync.runtime.log_once import LogOnce
from s3_sync.state.atomic import sync_directory, write_atomically
from s3_sync.streams.small_files import is_text, number, parse_json, read_file

log = logging.getLogger("s3-sync.state")

DIRECTORY = ".controls"
#: how often a daemon looks, in seconds
LOOK_EVERY = 0.5
#: no time is as late, in seconds since the epoch
_NEVER = 1e11
_PAUSE, _RESET, _DELETES = "pause-", "reset-", "deletes-"


@dataclass(frozen=True, slots=True)
class Reset:
    """Objects of a mapping are to be compared again: those whose names begin with ``prefix`` and that were
    changed at ``since`` or later. Times in seconds since the epoch.

    ``mapping``: its ``control_key``. ``id``: sorts as ``made`` does.
    """

    id: str
    mapping: str
    made: float
    prefix: str = ""
    since: float = 0.0


class Controls:
    """``now``: seconds since the epoch, for what is made; ``look_every``: see above."""

    def __init__(
        self, status_dir: str, now: Callable[[], float] = time.time, look_every: float = LOOK_EVERY
    ) -> None:
        self._directory = os.path.join(status_dir, DIRECTORY)
        self._now = now
        self._look_every = look_every
        self._lock = threading.Lock()
        self._log_once = LogOnce()
        self._look_at = float("-inf")
        self._names: frozenset[str] = frozenset()
        self._paused: frozenset[str] = frozenset()
        self._resets: dict[str, list[Reset]] = {}
        self._allowed: dict[str, float] = {}

    def is_paused(self, mapping: Mapping) -> bool:
        """Cheap: asked for every row. A directory that cannot be read changes nothing."""
        self._look()
        return bool(self._paused) and _pause(mapping) in self._paused

    def paused_since(self, mapping: Mapping) -> float | None:
        """Seconds since the epoch; None: it is not paused. That its file is there pauses a mapping, whatever
        is in it. Raises StateError."""
        path = os.path.join(self._directory, _pause(mapping))
        since = math.nan
        with suppress(StateError):
            if (found := self._read(_pause(mapping))) is not None:
                since = number(found.get("since", 0.0), math.nan)
        if not math.isnan(since):
            return since
        with _translated(path):
            return os.lstat(path).st_mtime if os.path.lexists(path) else None

    def resets(self, mapping: Mapping) -> list[Reset]:
        """All that were ever asked for and are not part of a later one, in order."""
        self._look()
        return self._resets.get(mapping.control_key, []) if self._resets else []

    def pause(self, mapping: Mapping) -> bool:
        """Durable when it returns. False: it was paused before. Raises StateError."""
        if self.paused_since(mapping) is not None:
            return False
        self._write(_pause(mapping), {"mapping": mapping.control_key, "since": self._now()})
        return True

    def resume(self, mapping: Mapping) -> bool:
        """False: it was not paused. Raises StateError."""
        return self._remove(_pause(mapping))

    def reset(self, mapping: Mapping, prefix: str = "", since: float = 0.0) -> Reset:
        """Durable when it returns; takes the place of those that it includes. Raises StateError."""
        self._look(at_once=True)
        before = self.resets(mapping)
        made = max([self._now(), *(each.made + 0.001 for each in before)])
        reset = Reset(f"{made:017.6f}", mapping.control_key, made, prefix, since)
        self._write(f"{_RESET}{reset.id}-{_digest(mapping)}", asdict(reset))
        for each in before:
            if each.prefix.startswith(prefix) and each.since >= since:
                self._remove(f"{_RESET}{each.id}-{_digest(mapping)}")
        return reset

    def deletes_allowed(self, mapping: Mapping) -> float:
        """What was deleted in Swift up to this time, in seconds since the epoch, may be deleted remotely
        whatever the mapping's budget says. Cheap."""
        self._look()
        return self._allowed.get(_digest(mapping), 0.0) if self._allowed else 0.0

    def allow_deletes(self, mapping: Mapping) -> float:
        """Allow all that have been made by now; returns until when. Durable then. Raises StateError."""
        self._look(at_once=True)
        before = self.deletes_allowed(mapping)
        until = max(self._now(), before)
        self._write(f"{_DELETES}{until:017.6f}-{_digest(mapping)}", {"mapping": mapping.control_key})
        if before and before < until:
            self._remove(f"{_DELETES}{before:017.6f}-{_digest(mapping)}")
        return until

    def _look(self, at_once: bool = False) -> None:
        now = time.monotonic()
        if now < self._look_at and not at_once:
            return
        with self._lock:
            self._look_at = now + self._look_every
            try:
                names = frozenset(os.listdir(self._directory))
            except FileNotFoundError:
                names = frozenset()
            except OSError as error:
                level = self._log_once.level_for("look", str(error), logging.ERROR)
                log.log(level, "cannot read %s: %s", self._directory, error)
                return
            self._log_once.clear("look")
            if names != self._names:
                self._resets = self._read_resets(names)
                self._paused = frozenset(name for name in names if name.startswith(_PAUSE))
                self._allowed = _read_allowed(names)
                self._names = names

    def _read_resets(self, names: frozenset[str]) -> dict[str, list[Reset]]:
        found: dict[str, list[Reset]] = {}
        for name in sorted(names):
            if not name.startswith(_RESET):
                continue
            try:
                written = self._read(name)
                if written is not None:
                    reset = _reset(written)
                    if name != f"{_RESET}{reset.id}-{name.rpartition('-')[2]}":
                        raise ValueError("it is called otherwise than it says")
                    found.setdefault(reset.mapping, []).append(reset)
            except (StateError, TypeError, ValueError) as error:
                log.error("%s in %s is left alone: %s", name, self._directory, error)
        return found

    def _read(self, name: str) -> dict[str, Any] | None:
        path = os.path.join(self._directory, name)
        with _translated(path):
            try:
                found = parse_json(read_file(path))
            except FileNotFoundError:
                return None
        if not isinstance(found, dict):
            raise StateError(f"{path}: not a JSON object")
        return found

    def _write(self, name: str, value: dict[str, Any]) -> None:
        path = os.path.join(self._directory, name)
        with _translated(path):
            os.makedirs(self._directory, mode=0o700, exist_ok=True)
            write_atomically(path, json.dumps(value).encode("ascii"))
        self._look_at = float("-inf")

    def _remove(self, name: str) -> bool:
        path = os.path.join(self._directory, name)
        self._look_at = float("-inf")
        with _translated(path):
            try:
                os.unlink(path)
            except FileNotFoundError:
                return False
            sync_directory(self._directory)
        return True


@contextmanager
def _translated(path: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise StateError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def _reset(written: dict[str, Any]) -> Reset:
    """Raises TypeError, ValueError for what is none: a daemon would stumble over it at each turn."""
    reset = Reset(**written)
    if not all(map(is_text, (reset.id, reset.mapping, reset.prefix))):
        raise ValueError("its id, mapping and prefix must be texts")
    made, since = number(reset.made, math.inf), number(reset.since, math.inf)
    if not 0.0 <= made < _NEVER or not math.isfinite(since):
        raise ValueError("its times are none")
    return replace(reset, made=made, since=since)


def _read_allowed(names: Iterable[str]) -> dict[str, float]:
    """By the digest of the mapping; the names say it all."""
    allowed: dict[str, float] = {}
    for name in names:
        until, _, digest = name.removeprefix(_DELETES).partition("-")
        if name.startswith(_DELETES) and until.replace(".", "", 1).isdecimal():
            allowed[digest] = max(float(until), allowed.get(digest, 0.0))
    return allowed


def _digest(mapping: Mapping) -> str:
    return hashlib.sha256(mapping.control_key.encode("utf-8")).hexdigest()[:16]


def _pause(mapping: Mapping) -> str:
    return _PAUSE + _digest(mapping)
