"""The status file of swift-s3-migrator: how far each container of each migration is.

One JSON list for all of them, ``[{<the migration's configuration>, "status": {...}}, ...]``. The format is
that of earlier versions, so an upgrade goes on where they stopped. docs/data-model.md lists the keys.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from s3_sync.config.settings import EVERY_CONTAINER, Mapping
from s3_sync.errors import StateError
from s3_sync.state.atomic import remove_leftovers, set_aside, write_atomically
from s3_sync.state.migration_entries import (
    SECRETS,
    SOURCE,
    Entry,
    Key,
    configuration,
    has_names,
    is_same,
    key_of,
    value_of,
)
from s3_sync.streams.small_files import is_count, is_text, number, parse_json, read_file

log = logging.getLogger("s3-sync.state")

#: minimum seconds between two writes; what a kill loses of it is compared once more
WRITE_INTERVAL = 1.0
#: a write may take this part of the time, since a file of many containers is written as a whole
_WRITE_SHARE = 0.1
#: limit of the file's size: some hundred bytes for each container of an account
_MAX_BYTES = 1 << 30
_MAX_DEPTH = 20
#: of one pass; those of the last pass that did something are kept, too, with "last_" before them
_COUNTS = ("moved_count", "scanned_count", "bytes_count", "finished")
#: of all passes
_TOTALS = {"moved_count": "copied_count", "bytes_count": "copied_bytes_count"}
#: counts that files of earlier versions do not have
_ADDED = {
    "listed_bytes": "listed_bytes_count",
    "deleted": "deleted_count",
    "failed": "errors",
    "waiting": "waiting_count",
}
_KEYS = {"scanned": "scanned_count", "moved": "moved_count", "bytes": "bytes_count", **_ADDED}


@dataclass(frozen=True, slots=True)
class PassCounts:
    """What a part of a pass did, or several: ``scanned`` names of the source with ``listed_bytes`` in all;
    ``moved`` objects with ``bytes``; ``deleted`` local objects; ``failed`` names; ``waiting`` names whose
    turn has not come: too young, archived, or held by a limit of deletes."""

    scanned: int = 0
    listed_bytes: int = 0
    moved: int = 0
    bytes: int = 0
    deleted: int = 0
    failed: int = 0
    waiting: int = 0

    @property
    def is_idle(self) -> bool:
        """Whether both sides were equal, as far as the pass went."""
        return not (self.moved or self.deleted or self.failed or self.waiting)


@dataclass(frozen=True, slots=True)
class ContainerStatus:
    """Where a container of a migration is. Times in seconds since the epoch, 0.0 if there was none.

    ``marker``: the last source name that was compared; the next page begins after it. ``counts``: of the pass
    that began at ``started`` (0.0: under an earlier version), up to ``finished``, when it was last saved.
    ``last_counts`` and ``last_finished``: of the last pass before it that moved or found something new.
    ``total_objects``, ``total_bytes``: an estimate of what the source has; None if unknown.
    ``last_pass``: when the last whole pass ended; ``last_clean_pass``: the last that had nothing to do.
    ``last_change``: when an object was last copied or deleted. ``copied_objects``, ``copied_bytes``: of all
    passes.
    """

    marker: str = ""
    counts: PassCounts = PassCounts()
    started: float = 0.0
    finished: float = 0.0
    last_counts: PassCounts = PassCounts()
    last_finished: float = 0.0
    total_objects: int | None = None
    total_bytes: int | None = None
    last_pass: float = 0.0
    last_clean_pass: float = 0.0
    last_change: float = 0.0
    copied_objects: int = 0
    copied_bytes: int = 0

    @property
    def is_between_passes(self) -> bool:
        """Whether the last save was that of the end of a pass."""
        return 0.0 < self.last_pass == self.finished

    @property
    def is_clean(self) -> bool:
        """Whether the last whole pass had nothing to do, and nothing has changed since."""
        return 0.0 < self.last_pass == self.last_clean_pass and self.last_change <= self.last_pass


class MigrationStatuses:
    """The status file of this node's daemon. For several threads. Every method raises StateError.

    Changes are written at most every ``interval`` seconds, and by ``flush``. ``observed``: another process
    owns the file, which is not changed, not even if it is damaged.
    """

    def __init__(
        self,
        path: str,
        now: Callable[[], float] = time.time,
        interval: float = WRITE_INTERVAL,
        observed: bool = False,
    ) -> None:
        self._path = path
        self._now = now
        self._interval = interval
        self._observed = observed
        self._lock = threading.Lock()
        #: by source and bucket: an account may have thousands of them
        self._entries: dict[Key, list[Entry]] | None = None
        #: by account and container, as they were read
        self._before: dict[tuple[str, str], Entry] = {}
        self._dirty = False
        self._next_write = float("-inf")

    def of(self, mapping: Mapping) -> ContainerStatus:
        """Return the status of a migration of one container."""
        with self._lock:
            found = self._find(configuration(mapping))
            return _parse(found.get("status"), mapping) if found else ContainerStatus()

    def containers(self, mapping: Mapping) -> list[Mapping]:
        """Return the migration itself or, if it is account-wide, those of its containers that have a status,
        by name."""
        if not mapping.is_account_wide:
            return [mapping]
        with self._lock:
            source = key_of(configuration(mapping)).source
            names = {key.bucket for key in self._loaded() if key.source == source}
        return [mapping.of_container(name) for name in sorted(names - {EVERY_CONTAINER})]

    def save_pass(
        self, mapping: Mapping, marker: str, counts: PassCounts, is_reset: bool, ended: bool = False
    ) -> None:
        """Save the progress of a migration of one container.

        ``counts``: since the last save. ``is_reset``: they are the first ones of a new pass, from the first
        name. ``ended``: the pass has reached the last name.
        """
        with self._lock:
            entry = self._entry(mapping)
            status: dict[str, Any] = entry["status"]
            now = self._now()
            _take_over(status)
            if is_reset or not status.get("finished"):
                _roll_over(status)
                status["started"] = now
            _add(status, counts)
            status["marker"] = marker
            status["finished"] = now
            if counts.moved or counts.deleted:
                status["last_change"] = now
            if ended and status.get("started"):
                _end(status, now)
            self._changed()

    def expect(self, mapping: Mapping, objects: int | None, size: int | None) -> None:
        """Save that there is a migration of one container, and what the source says it has, before the first
        pass has counted it; ``size`` in bytes. None: it does not say."""
        with self._lock:
            status = self._entry(mapping)["status"]
            told = {"total_count": objects, "bytes_total": size}
            if not status.get("last_pass"):
                status.update({key: value for key, value in told.items() if value is not None})
                self._changed()

    def prune(self, handled: Iterable[Mapping]) -> None:
        """Remove what belongs to none of these migrations, and write the file. An account-wide one keeps all
        of its containers."""
        with self._lock:
            wanted: dict[Key, list[Entry]] = {}
            for mapping in handled:
                each = configuration(mapping)
                wanted.setdefault(key_of(each), []).append(each)
            kept: dict[Key, list[Entry]] = {}
            for key, entries in self._loaded().items():
                of_bucket, of_all = wanted.get(key, []), wanted.get(key.of_all, [])
                if of_all or key == key.of_all:
                    kept[key] = entries
                elif found := [each for each in entries if any(is_same(each, one) for one in of_bucket)]:
                    kept[key] = found
            if sum(map(len, kept.values())) != sum(map(len, self._loaded().values())):
                self._entries, self._dirty = kept, True
            self._write()

    def flush(self) -> None:
        """Write what has not been written yet."""
        with self._lock:
            self._write()

    def tidy(self, before: float) -> None:
        """Remove temporary files that a killed process left beside the status file, last modified ``before``
        that time."""
        try:
            remove_leftovers(os.path.dirname(self._path) or ".", before)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise StateError(f"cannot tidy up beside {self._path}: {error}") from error

    def _find(self, wanted: Entry) -> Entry | None:
        key = key_of(wanted)
        entries = (*self._loaded().get(key, ()), *self._loaded().get(key.of_all, ()))
        return next((each for each in entries if is_same(each, wanted)), None)

    def _entry(self, mapping: Mapping) -> Entry:
        """Return the entry with the present configuration, a new one if there is none for this source."""
        wanted = configuration(mapping)
        found = self._find(wanted)
        status = found.get("status") if found else None
        if found is None:
            self._tell_of_change(wanted)
            found = {}
            self._loaded().setdefault(key_of(wanted), []).append(found)
        if not isinstance(status, dict) or status.get("source", mapping.fingerprint) != mapping.fingerprint:
            status = {}
        found.clear()
        found.update(wanted, status=status)
        status["source"] = mapping.fingerprint
        return found

    def _tell_of_change(self, wanted: Entry) -> None:
        place = wanted["account"], wanted["container"]
        if (before := self._before.get(place)) is not None:
            keys = (*SOURCE, "aws_bucket")
            changed = ", ".join(key for key in keys if value_of(before, key) != value_of(wanted, key))
            log.info("%s/%s is compared from its first name: another %s than before", *place, changed)

    def _all(self) -> list[Entry]:
        return [each for entries in self._loaded().values() for each in entries]

    def _loaded(self) -> dict[Key, list[Entry]]:
        if self._entries is None:
            self._entries = {}
            for each in self._read():
                for key in SECRETS:
                    each.pop(key, None)
                self._entries.setdefault(key_of(each), []).append(each)
                self._before[str(each.get("account")), str(each.get("container"))] = each
        return self._entries

    def _read(self) -> list[Entry]:
        try:
            data = read_file(self._path, _MAX_BYTES)
            found = parse_json(data, _MAX_DEPTH) if data.strip() else []
            if not isinstance(found, list):
                raise ValueError("not a JSON list")
            return [each for each in found if isinstance(each, dict) and has_names(each)]
        except FileNotFoundError:
            return []
        except ValueError as error:
            if self._observed:
                raise StateError(f"the status file {self._path} is damaged: {error}") from error
            return self._set_aside(error)
        except OSError as error:
            raise StateError(f"cannot read the status file {self._path}: {error}") from error

    def _set_aside(self, damage: ValueError) -> list[Entry]:
        try:
            aside = set_aside(self._path)
        except OSError as error:
            raise StateError(f"cannot rename the damaged status file {self._path}: {error}") from error
        log.warning("status file %s is damaged (%s); set aside as %s", self._path, damage, aside)
        return []

    def _changed(self) -> None:
        self._dirty = True
        if self._now() >= self._next_write:
            self._write()

    def _write(self) -> None:
        if not self._dirty or self._observed:
            return
        begun = time.monotonic()
        try:
            os.makedirs(os.path.dirname(self._path) or ".", mode=0o755, exist_ok=True)
            write_atomically(self._path, json.dumps(self._all()).encode("ascii"))
        except OSError as error:
            raise StateError(f"cannot write the status file {self._path}: {error}") from error
        self._dirty = False
        self._next_write = self._now() + max(self._interval, (time.monotonic() - begun) / _WRITE_SHARE)


def _take_over(status: dict[str, Any]) -> None:
    """Add the totals that an earlier version did not have: it kept the counts of two passes."""
    for key, total in _TOTALS.items():
        if not is_count(status.get(total)):
            status[total] = _count(status, key) + _count(status, f"last_{key}")


def _roll_over(status: dict[str, Any]) -> None:
    """Begin a new pass. The counts of the one before are kept, unless it did nothing and found no more or
    less than the pass whose counts are kept already: the last one that matters stays."""
    before = {key: status.get(key, 0) for key in _COUNTS}
    is_new = not status.get("last_finished") or before["moved_count"]
    if before["finished"] and (is_new or before["scanned_count"] != status.get("last_scanned_count")):
        status.update({f"last_{key}": value for key, value in before.items()})
    for key in ("moved_count", "scanned_count", "bytes_count", *_ADDED.values()):
        status[key] = 0


def _add(status: dict[str, Any], counts: PassCounts) -> None:
    status["copied_count"] += counts.moved
    status["copied_bytes_count"] += counts.bytes
    for name, key in _KEYS.items():
        status[key] = _count(status, key) + getattr(counts, name)


def _end(status: dict[str, Any], now: float) -> None:
    status["last_pass"] = now
    status["total_count"] = status["scanned_count"]
    status["bytes_total"] = status["listed_bytes_count"]
    if _counts(status).is_idle:
        status["last_clean_pass"] = now


def _parse(written: object, mapping: Mapping) -> ContainerStatus:
    status = written if isinstance(written, dict) else {}
    if status.get("source", mapping.fingerprint) != mapping.fingerprint:
        return ContainerStatus()  # other objects, although the keys that identify an entry are the same
    marker = status.get("marker")
    return ContainerStatus(
        marker=marker if is_text(marker) else "",
        counts=_counts(status),
        started=number(status.get("started")),
        finished=number(status.get("finished")),
        last_counts=PassCounts(
            scanned=_count(status, "last_scanned_count"),
            moved=_count(status, "last_moved_count"),
            bytes=_count(status, "last_bytes_count"),
        ),
        last_finished=number(status.get("last_finished")),
        total_objects=_count(status, "total_count") if is_count(status.get("total_count")) else None,
        total_bytes=_count(status, "bytes_total") if is_count(status.get("bytes_total")) else None,
        last_pass=number(status.get("last_pass")),
        last_clean_pass=number(status.get("last_clean_pass")),
        last_change=number(status.get("last_change")),
        copied_objects=_count(status, "copied_count"),
        copied_bytes=_count(status, "copied_bytes_count"),
    )


def _counts(status: dict[str, Any]) -> PassCounts:
    return PassCounts(**{name: _count(status, key) for name, key in _KEYS.items()})


def _count(status: dict[str, Any], key: str) -> int:
    value = status.get(key)
    return value if is_count(value) else 0
