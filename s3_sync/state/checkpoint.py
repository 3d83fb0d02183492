"""Status files: the cursors of each mapping in each container database.

There is one file per container, ``<status_dir>/<account>/<container>``: a JSON object keyed by database id.
The format is that of earlier versions, so an upgrade needs no conversion. docs/data-model.md lists the keys.
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

#: JSON nesting limit, above that of any version; entries of other mappings must be written back
_MAX_DEPTH = 20


class Numbered(Protocol):
    """A database whose ROWIDs only grow."""

    def max_rowid(self) -> int: ...

    def last_rows(self, rowid: int, limit: int) -> list[Row]: ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Progress of one mapping in one database; all numbers are ROWIDs, 0 = nothing yet.

    ``last_row``: every own row up to here is settled or in the journal.
    ``last_verified_row``: the same for the rows of other nodes.
    ``fresh_until``: the last row at the time the mapping started here with an empty remote; up to it no
    remote object can be in the way of a copy.
    ``sweep_until``: the last row at the time the mapping started here with a remote that was not empty; up
    to it rows are compared with the remote before anything is sent.
    ``begun``: the time of that start, in seconds since the epoch.
    ``share``: which rows were own ones, as ``ordinal/replicas``; empty if not recorded.
    ``adopted``: written by an earlier version, which may have sent more than the cursors say.
    ``tail``: identifies the rows up to ``end``; None if not recorded.
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
        """The highest row that was ever handled."""
        return max(self.last_row, self.last_verified_row)

    def is_of(self, db: Numbered) -> bool:
        """Returns whether the ROWIDs still denote the rows for which they were saved.

        They do not if the database was replaced by an older copy of itself (from a backup, or after a power
        failure), even one that has grown again since: it assigns the same ROWIDs to other rows.
        """
        if self.end > db.max_rowid():
            return False
        return self.tail is None or self.tail.is_of(db.last_rows(self.end, LENGTH))

    def holds_for(self, share: str, db: Numbered) -> bool:
        """Returns whether the cursors are still valid: same database, and the ring has not assigned this
        replica another share of the rows."""
        return self.share in ("", share) and self.is_of(db)


class StatusFiles:
    """Reads and writes Checkpoints. ``journal``: the uuid of the journal that belongs to these cursors.

    ``observed``: another process owns the files; none is changed, not even a damaged one.
    """

    def __init__(
        self, status_dir: str, journal: str, mappings: Iterable[Mapping], observed: bool = False
    ) -> None:
        self._directory = status_dir
        self._journal = journal
        self._observed = observed
        self._lock = threading.Lock()
        self._coverage = Coverage(mappings)

    def set_coverage(self, coverage: Coverage) -> None:
        """Replace the mappings, several of which may share a container."""
        self._coverage = coverage

    def containers(self, account: str) -> list[str]:
        """List the containers of an account that have a status file, except those whose names a file cannot
        have. Raises StateError."""
        try:
            found = os.listdir(os.path.join(self._directory, _file_name(account)))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StateError(f"cannot read the status files of {account}: {error}") from error
        return [name for name in found if is_text(name) and not is_leftover(name)]

    def load(self, mapping: Mapping, database: str) -> Checkpoint | None:
        """Load the cursors of a mapping in a database. Raises StateError.

        Returns None if there are none, or if they belong to another destination or to a journal that was
        lost with its entries.
        """
        with self._lock:
            entries = self._read(self._path(mapping))
        key = self._key(mapping, database, entries)
        entry = entries.get(key)
        if entry is None and key == database and "last_row" in entries:
            entry = entries  # the oldest format: one cursor for the whole file
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
        """Save the cursors; entries of other databases and mappings are kept. Raises StateError."""
        profile = mapping.profile
        entry: dict[str, Any] = {
            "last_row": checkpoint.last_row,
            "last_verified_row": checkpoint.last_verified_row,
            "aws_bucket": mapping.configured_bucket,
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
            entries.pop("policy", None)  # left over from the oldest format
            entries[self._key(mapping, database, entries)] = entry
            try:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                write_atomically(path, json.dumps(entries).encode("utf-8"))
            except OSError as error:
                raise StateError(f"cannot write status file {path}: {error}") from error

    def saved(self, mapping: Mapping) -> float | None:
        """Return when a cursor of this container was last saved, in seconds since the epoch; None if never.
        Raises StateError."""
        path = self._path(mapping)
        try:
            return os.stat(path).st_mtime
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"cannot read status file {path}: {error}") from error

    def tidy(self, before: float) -> None:
        """Remove temporary files of interrupted writes that are older than ``before``. The status file of a
        container with such a name is kept. A failure is harmless and only logged."""
        keep: dict[str, set[str]] = {}
        for account, container in self._coverage.named_containers():
            keep.setdefault(_file_name(account), set()).add(_file_name(container))
        for name in os.listdir(self._directory):
            directory = os.path.join(self._directory, name)
            try:
                if os.path.isdir(directory):
                    remove_leftovers(directory, before, keep.get(name, ()))
            except OSError as error:  # a directory of another owner, such as lost+found
                log.debug("cannot remove temporary files in %s: %s", directory, error)

    def reset(self, mapping: Mapping) -> None:
        """Remove all cursors of this container, so that everything is compared again."""
        try:
            os.unlink(self._path(mapping))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise StateError(f"cannot remove status file {self._path(mapping)}: {error}") from error

    def _usable(self, entry: dict[str, Any], mapping: Mapping) -> bool:
        bucket = mapping.configured_bucket
        if entry.get("aws_bucket", bucket) != bucket:
            return False
        if entry.get("destination", mapping.fingerprint) != mapping.fingerprint:
            return False
        return bool(entry.get("journal", self._journal) == self._journal)

    def _key(self, mapping: Mapping, database: str, entries: dict[str, Any]) -> str:
        """Return the key of the mapping's entry in the status file.

        It is the plain database id for the mapping that a file of an earlier version would have had, and
        ``<id>#<fingerprint>`` for every other mapping of the container. Adding or removing mappings does not
        change the key of another one.
        """
        suffixed = f"{database}#{mapping.fingerprint}"
        plain = entries.get(database)
        plain = plain if isinstance(plain, dict) else {}
        if plain.get("destination") == mapping.fingerprint:
            return database
        if suffixed in entries:
            return suffixed
        sharing = self._coverage.all_for(mapping.account, mapping.container)
        if any(plain.get("destination") == other.fingerprint for other in sharing):
            return suffixed
        same_bucket = [each for each in sharing if each.configured_bucket == plain.get("aws_bucket")]
        first = next(iter(same_bucket or sharing), mapping)
        return database if first.fingerprint == mapping.fingerprint else suffixed

    def _path(self, mapping: Mapping) -> str:
        return os.path.join(self._directory, _file_name(mapping.account), _file_name(mapping.container))

    def _read(self, path: str) -> dict[str, Any]:
        try:
            try:
                entries = parse_json(read_file(path), _MAX_DEPTH)
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
    """Return the name itself, or a replacement for one that Swift allows and a file system does not."""
    if name in (".", ".."):
        return name.replace(".", "%2E")
    data = name.encode("utf-8")
    return name if len(data) <= 255 else hashlib.sha256(data).hexdigest()


def _rowid(entry: dict[str, Any], key: str, missing: int = 0) -> int:
    value = entry.get(key, missing)
    return value if is_count(value) else 0
