"""Operator requests: paused mappings, resets, allowed deletes.

Each request is a small file in ``<status_dir>/.controls``. swift-s3-ctl creates and removes the files,
daemons only read them. A daemon records in its journal which resets it has applied, so a request takes
effect no matter which daemons were running when it was made.
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
#: how often the directory is listed, in seconds
POLL_INTERVAL = 0.5
#: seconds by which a permission may lie in the future: a clock was adjusted a little
CLOCK_TOLERANCE = 60.0
#: upper limit of a valid time, in seconds since the epoch
_MAX_TIME = 1e11
_PAUSE, _RESET, _DELETES = "pause-", "reset-", "deletes-"


@dataclass(frozen=True, slots=True)
class Reset:
    """A request to compare a mapping's objects again: those whose names begin with ``prefix`` and that were
    changed at ``since`` or later. Times in seconds since the epoch.

    ``mapping``: the mapping's ``control_key``. ``id``: sorts in the order of ``made``.
    """

    id: str
    mapping: str
    made: float
    prefix: str = ""
    since: float = 0.0


class Controls:
    """Reads and writes the requests of one node. ``now``: the clock for new requests, in seconds since the
    epoch; ``poll_interval``: minimum seconds between two listings of the directory."""

    def __init__(
        self, status_dir: str, now: Callable[[], float] = time.time, poll_interval: float = POLL_INTERVAL
    ) -> None:
        self._directory = os.path.join(status_dir, DIRECTORY)
        self._now = now
        self._poll_interval = poll_interval
        self._lock = threading.Lock()
        self._log_once = LogOnce()
        self._next_poll = float("-inf")
        self._names: frozenset[str] = frozenset()
        self._paused: frozenset[str] = frozenset()
        self._resets: dict[str, list[Reset]] = {}
        self._allowed: dict[str, float] = {}

    def is_paused(self, mapping: Mapping) -> bool:
        """Returns whether a mapping is paused. Cheap enough to call for every row. If the directory cannot
        be read, the last known state applies."""
        self._poll()
        return bool(self._paused) and _pause(mapping) in self._paused

    def paused_since(self, mapping: Mapping) -> float | None:
        """Return when a mapping was paused, in seconds since the epoch; None if it is not paused. The
        existence of the file pauses the mapping, whatever its content. Raises StateError."""
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
        """Return every reset ever requested that no later one includes, oldest first."""
        self._poll()
        return self._resets.get(mapping.control_key, []) if self._resets else []

    def pause(self, mapping: Mapping) -> bool:
        """Pause a mapping, durably. Returns False if it was paused already. Raises StateError."""
        if self.paused_since(mapping) is not None:
            return False
        self._write(_pause(mapping), {"mapping": mapping.control_key, "since": self._now()})
        return True

    def resume(self, mapping: Mapping) -> bool:
        """Resume a mapping, durably. Returns False if it was not paused. Raises StateError."""
        return self._remove(_pause(mapping))

    def reset(self, mapping: Mapping, prefix: str = "", since: float = 0.0) -> Reset:
        """Request a reset, durably; it replaces earlier ones that it includes. Raises StateError."""
        self._poll(force=True)
        before = self.resets(mapping)
        made = max([self._now(), *(each.made + 0.001 for each in before)])
        reset = Reset(f"{made:017.6f}", mapping.control_key, made, prefix, since)
        self._write(f"{_RESET}{reset.id}-{_digest(mapping)}", asdict(reset))
        for each in before:
            if each.prefix.startswith(prefix) and each.since >= since:
                self._remove(f"{_RESET}{each.id}-{_digest(mapping)}")
        return reset

    def deletes_allowed(self, mapping: Mapping) -> float:
        """Return the time, in seconds since the epoch, up to which objects deleted in Swift may be deleted
        remotely regardless of the delete budget; 0.0 if none was allowed. Cheap."""
        self._poll()
        return self._allowed.get(_digest(mapping), 0.0) if self._allowed else 0.0

    def allow_deletes(self, mapping: Mapping) -> float:
        """Allow all deletes made so far, durably; returns the time up to which. Raises StateError."""
        self._poll(force=True)
        before = self.deletes_allowed(mapping)
        now = self._now()
        # one of a clock that was ahead is replaced
        until = before if now < before <= now + CLOCK_TOLERANCE else now
        self._write(f"{_DELETES}{until:017.6f}-{_digest(mapping)}", {"mapping": mapping.control_key})
        if before and before != until:
            self._remove(f"{_DELETES}{before:017.6f}-{_digest(mapping)}")
        return until

    def _poll(self, force: bool = False) -> None:
        now = time.monotonic()
        if now < self._next_poll and not force:
            return
        with self._lock:
            self._next_poll = now + self._poll_interval
            try:
                names = frozenset(os.listdir(self._directory))
            except FileNotFoundError:
                names = frozenset()
            except OSError as error:
                level = self._log_once.level_for("poll", str(error), logging.ERROR)
                log.log(level, "cannot read operator requests in %s: %s", self._directory, error)
                return
            self._log_once.clear("poll")
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
                        raise ValueError("the file name does not match its content")
                    found.setdefault(reset.mapping, []).append(reset)
            except (StateError, TypeError, ValueError) as error:
                log.error("ignoring %s in %s: %s", name, self._directory, error)
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
        self._next_poll = float("-inf")

    def _remove(self, name: str) -> bool:
        path = os.path.join(self._directory, name)
        self._next_poll = float("-inf")
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
    """Validate a request read from a file, so that a daemon cannot fail on it later. Raises TypeError,
    ValueError."""
    reset = Reset(**written)
    if not all(map(is_text, (reset.id, reset.mapping, reset.prefix))):
        raise ValueError("id, mapping and prefix must be text")
    made, since = number(reset.made, math.inf), number(reset.since, math.inf)
    if not 0.0 <= made < _MAX_TIME or not math.isfinite(since):
        raise ValueError("made and since must be valid times")
    return replace(reset, made=made, since=since)


def _read_allowed(names: Iterable[str]) -> dict[str, float]:
    """Return the allowed time by mapping digest. The file names hold all the information."""
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
