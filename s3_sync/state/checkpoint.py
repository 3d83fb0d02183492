"""Status files: how far a container database has been read, for each mapping.

One file a container, ``<status_dir>/<account>/<container>``, in the form of earlier versions so that a
take-over needs no conversion: a JSON object keyed by database id. docs/data-model.md lists the keys.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from s3_sync.config.coverage import Coverage
from s3_sync.config.settings import Mapping
from s3_sync.errors import StateError
from s3_sync.model.rows import Row
from s3_sync.state.atomic import is_leftover, remove_leftovers, set_aside, write_atomically
from s3_sync.state.tail import LENGTH, Tail
from s3_sync.streams.small_files import is_count, is_text, number, parse_json, read_file

log = logging.getLogger("s3-sync.state")

#: more than any version nests; what is kept of others has to be written again
_LEVELS = 20


class Numbered(Protocol):
    """A database whose rows have numbers that only grow."""

    def max_rowid(self) -> int: ...

    def last_rows(self, rowid: int, limit: int) -> list[Row]: ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Progress of one mapping in one database; all numbers are ROWIDs, 0 = nothing yet.

    ``last_row``: every own row up to here was settled or is in the journal. ``last_verified_row``: the
    same for the rows of other nodes. ``fresh_until``: when the mapping started here the remote held
    nothing, and the database ended at this row; up to it nothing can be in the way of a copy.
    ``sweep_until``: the remote did hold something; up to this row it is compared before anything is sent.
    ``begun``: when all this was so, in seconds since the epoch.
    ``share``: which rows were own ones, as ``ordinal/replicas``; empty where it was not written down.
    ``adopted``: written by an earlier version, which may have sent more than it says. ``tail``: of what is
    up to the ``end``; None where it was not written down.
    """

    last_row: int = 0
    last_verified_row: int = 0
    fresh_until: int = 0
    sweep_until: int = 0
    begun: float = 0.0
    metadata_hash: str | None = None
    share: str = ""
    adopted: bool = False
    tail: Tail | None = None

    @property
    def end(self) -> int:
        """The highest row that was ever looked at."""
        return max(self.last_row, self.last_verified_row)

    def is_of(self, db: Numbered) -> bool:
        """Whether the numbers are those of the rows that they were saved for.

        They are not when the database is an older copy of itself (from a backup, or after a power failure),
        be it that it has grown again since: it gives the same numbers to other rows then.
        """
        if self.end > db.max_rowid():
            return False
        return self.tail is None or self.tail.is_of(db.last_rows(self.end, LENGTH))

    def holds_for(self, share: str, db: Numbered) -> bool:
        """Whether the numbers mean what they meant when they were written down: not when the ring gave this
        replica another share of the rows, either."""
        return self.share in ("", share) and self.is_of(db)


class StatusFiles:
    """Reads and writes Checkpoints. ``journal``: the uuid of the journal that belongs to this progress.

    ``observed``: they are another process's; nothing is changed, a damaged file included.
    """

    def __init__(
        self, status_dir: str, journal: str, mappings: Iterable[Mapping], observed: bool = False
    ) -> None:
        self._directory = status_dir
        self._journal = journal
        self._observed = observed
        self._lock = threading.Lock()
        self._coverage = Coverage(mappings)

    def use(self, coverage: Coverage) -> None:
        """From now on these are the mappings that may share a container."""
        self._coverage = coverage

    def containers(self, account: str) -> list[str]:
        """Of which there are status files, but for names that a file cannot have. Raises StateError."""
        try:
            found = os.listdir(os.path.join(self._directory, _file_name(account)))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StateError(f"cannot read the status files of {account}: {error}") from error
        return [name for name in found if is_text(name) and not is_leftover(name)]

    def load(self, mapping: Mapping, database: str) -> Checkpoint | None:
        """Progress that can be used; None when there is none: nothing known, another destination, or
        a journal that was lost, with what it remembered. Raises StateError."""
        with self._lock:
            entries = self._read(self._path(mapping))
        key = self._key(mapping, database, entries)
        entry = entries.get(key)
        if entry is None and key == database and "last_row" in entries:
            entry = entries  # the oldest form: one cursor for the whole file
        if not isinstance(entry, dict) or not self._usable(entry, mapping):
            return None
        last_row = _rowid(entry, "last_row")
        return Checkpoint(
            last_row=last_row,
            last_verified_row=_rowid(entry, "last_verified_row", last_row),
            fresh_until=_rowid(entry, "fresh_until"),
            sweep_until=_rowid(entry, "sweep_until"),
            begun=number(entry.get("begun")),
            metadata_hash=entry.get("metadata_hash"),
            share=str(entry.get("share", "")),
            adopted="journal" not in entry,
            tail=Tail.from_json(entry.get("tail")),
        )

    def save(self, mapping: Mapping, database: str, checkpoint: Checkpoint) -> None:
        """Raises StateError. Entries of other databases and mappings are kept."""
        profile = mapping.profile
        entry: dict[str, Any] = {
            "last_row": checkpoint.last_row,
            "last_verified_row": checkpoint.last_verified_row,
            "aws_bucket": mapping.bucket,
            "policy": {
                "copy_after": profile.copy_after,
                "retain_local": profile.retain_local,
                "propagate_delete": profile.propagate_delete,
            },
            "destination": mapping.fingerprint,
            "journal": self._journal,
            "fresh_until": checkpoint.fresh_until,
            "sweep_until": checkpoint.sweep_until,
            "begun": checkpoint.begun,
            "share": checkpoint.share,
        }
        if checkpoint.tail is not None:
            entry["tail"] = checkpoint.tail.to_json()
        if checkpoint.metadata_hash is not None:
            entry["metadata_hash"] = checkpoint.metadata_hash
        path = self._path(mapping)
        with self._lock:
            entries = {key: value for key, value in self._read(path).items() if isinstance(value, dict)}
            entries.pop("policy", None)  # left over from the oldest form
            entries[self._key(mapping, database, entries)] = entry
            try:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                write_atomically(path, json.dumps(entries).encode("utf-8"))
            except OSError as error:
                raise StateError(f"cannot write status file {path}: {error}") from error

    def saved(self, mapping: Mapping) -> float | None:
        """When a cursor of this container was last written down, in seconds since the epoch. Raises
        StateError."""
        path = self._path(mapping)
        try:
            return os.stat(path).st_mtime
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"cannot read status file {path}: {error}") from error

    def tidy(self, before: float) -> None:
        """Remove what kills in the middle of a write have left, if it is older than ``before``. A container
        may be called like that: its status file stays. What cannot be removed does no harm."""
        keep: dict[str, set[str]] = {}
        for account, container in self._coverage.named():
            keep.setdefault(_file_name(account), set()).add(_file_name(container))
        for name in os.listdir(self._directory):
            directory = os.path.join(self._directory, name)
            try:
                if os.path.isdir(directory):
                    remove_leftovers(directory, before, keep.get(name, ()))
            except OSError as error:  # somebody else's, such as lost+found
                log.debug("temporary files in %s cannot be removed: %s", directory, error)

    def reset(self, mapping: Mapping) -> None:
        """Forget all progress of this container, so that everything is compared again."""
        try:
            os.unlink(self._path(mapping))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise StateError(f"cannot remove status file {self._path(mapping)}: {error}") from error

    def _usable(self, entry: dict[str, Any], mapping: Mapping) -> bool:
        if entry.get("aws_bucket", mapping.bucket) != mapping.bucket:
            return False
        if entry.get("destination", mapping.fingerprint) != mapping.fingerprint:
            return False
        return bool(entry.get("journal", self._journal) == self._journal)

    def _key(self, mapping: Mapping, database: str, entries: dict[str, Any]) -> str:
        """The plain database id for the mapping that an old file would have had, with its destination
        behind it for every other mapping of the same container. Who has which stays as it is when
        mappings come and go."""
        suffixed = f"{database}#{mapping.fingerprint}"
        plain = entries.get(database)
        plain = plain if isinstance(plain, dict) else {}
        if plain.get("destination") == mapping.fingerprint:
            return database
        if suffixed in entries:
            return suffixed
        sharing = self._coverage.of(mapping.account, mapping.container)
        if any(plain.get("destination") == other.fingerprint for other in sharing):
            return suffixed
        same_bucket = [each for each in sharing if each.bucket == plain.get("aws_bucket")]
        first = next(iter(same_bucket or sharing), mapping)
        return database if first.fingerprint == mapping.fingerprint else suffixed

    def _path(self, mapping: Mapping) -> str:
        return os.path.join(self._directory, _file_name(mapping.account), _file_name(mapping.container))

    def _read(self, path: str) -> dict[str, Any]:
        try:
            try:
                entries = parse_json(read_file(path), _LEVELS)
                if isinstance(entries, dict):
                    return entries
                damage = "not a JSON object"
            except ValueError as error:
                damage = str(error)
            if not self._observed:
                log.error("status file %s is damaged (%s); set aside as %s", path, damage, set_aside(path))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise StateError(f"cannot read status file {path}: {error}") from error
        return {}


def _file_name(name: str) -> str:
    """The name itself, but for names that Swift allows and a file system does not."""
    if name in (".", ".."):
        return name.replace(".", "%2E")
    data = name.encode("utf-8")
    return name if len(data) <= 255 else hashlib.sha256(data).hexdigest()


def _rowid(entry: dict[str, Any], key: str, missing: int = 0) -> int:
    value = entry.get(key, missing)
    return value if is_count(value) else 0
