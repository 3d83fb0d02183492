"""The container databases on this node, and their rows."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from swift.common.db import DatabaseConnectionError
from swift.common.exceptions import LockTimeout
from swift.common.ring import Ring
from swift.common.utils import ShardRange, get_db_files, hash_path, storage_directory, whataremyips
from swift.container.backend import DATADIR, ContainerBroker

from s3_sync.cluster.database_files import DatabaseFiles, Fingerprint
from s3_sync.config.settings import Settings
from s3_sync.errors import LocalError, LocalMissing, LocalUnavailable
from s3_sync.model.rows import Columns, Row, owns_row

#: seconds to wait for a database that is locked by another process
_LOCK_WAIT = 10.0
#: seconds after rows of a container have been moved to another database during which late rows may follow:
#: proxies cache for up to an hour where they were
SETTLED_AFTER = 86400.0

#: reads ``Columns``
_SELECT = (
    "SELECT ROWID, name, created_at, size, content_type, etag, deleted, storage_policy_index FROM object"
)
#: ROWID, name, created_at as stored, size, deleted, content type. A plain tuple: counting a database with
#: named ones takes a tenth longer
BriefRow = tuple[int, str, str, int, int, str]


class ContainerDb:
    """One open container database: wraps a ContainerBroker; created by ``LocalReplica.open``.

    Every method raises LocalUnavailable if the database is locked for too long or cannot be read, and
    LocalMissing if it is gone. Reading commits the rows in the ``.pending`` file, as all of Swift's readers
    do, which requires the rights of the swift user.
    """

    def __init__(self, broker: ContainerBroker) -> None:
        self._broker = broker
        with _translated(broker):
            info, deleted = broker.get_info_is_deleted()
        if not info:
            raise LocalMissing(f"no container database {broker.db_file}")
        #: unique per replica of a container, and per database file
        self.id: str = info["id"]
        #: for a shard, the shard's own
        self.account: str = info["account"]
        self.container: str = info["container"]
        self._deleted: bool = deleted

    def is_deleted(self) -> bool:
        return self._deleted

    def bounds(self) -> tuple[str, str]:
        """Return a shard's bounds: its names are greater than the first, up to and including the second;
        empty: none."""
        with _translated(self._broker):
            own = self._broker.get_own_shard_range(no_default=True)
        return ("", "") if own is None else (str(own.lower_str), str(own.upper_str))

    def has_shards(self) -> bool:
        """Return whether the database has shard ranges, which it may long before its own rows are moved."""
        with _translated(self._broker):
            return bool(self._broker.has_other_shard_ranges())

    def moved_until(self) -> float:
        """Return the time before which rows may be, or may have been, in another database of the container,
        too.

        Seconds since the epoch; 0 for a container that was never sharded; infinity while rows are moved: out
        of this database, into it, or because they do not belong here. Swift's sharder copies them as new
        rows.
        """
        with _translated(self._broker):
            own = self._broker.get_own_shard_range(no_default=True)
        if own is None:
            return 0.0
        if own.state != ShardRange.ACTIVE or own.deleted:
            return float("inf")
        return max(float(own.timestamp), float(own.state_timestamp)) + SETTLED_AFTER

    def max_rowid(self) -> int:
        """Return the highest ROWID ever assigned; 0 if there never was a row."""
        with _translated(self._broker):
            rowid: int = self._broker.get_max_row()
        return max(0, rowid)

    def object_count(self) -> int:
        """Return the number of objects in this database, without those that a root database counts in its
        shards."""
        with _translated(self._broker), self._broker.get() as connection:
            found = connection.execute("SELECT coalesce(sum(object_count), 0) FROM policy_stat").fetchone()
        return int(found[0])

    def has_several_policies(self) -> bool:
        """Return whether rows are, or ever were, of other storage policies than the container's.

        A name may then be in two policies until Swift's reconciler has handled it.
        """
        with _translated(self._broker):
            return bool(self._broker.has_multiple_policies())

    def rows_since(self, rowid: int, limit: int) -> tuple[list[Row], int]:
        """Return up to ``limit`` rows with a higher ROWID, in order, and the last ROWID that was read.

        Swift's reserved names, which begin with NUL, are read but not returned: fewer rows than ``limit`` do
        not mean the end. At the end the second value is ``rowid`` itself.
        """
        with _translated(self._broker):
            self._broker.get_items_since(rowid, 0)  # commits the rows in the .pending file
            with self._broker.get() as connection:
                records = connection.execute(
                    f"{_SELECT} WHERE ROWID > ? ORDER BY ROWID LIMIT ?", (rowid, limit)
                ).fetchall()
        rows = _rows(record for record in records if not record[1].startswith("\0"))
        return rows, records[-1][0] if records else rowid

    def last_rows(self, rowid: int, limit: int) -> list[Row]:
        """Return up to ``limit`` rows up to this ROWID, in descending order, reserved names included."""
        with _translated(self._broker), self._broker.get() as connection:
            found = connection.execute(
                f"{_SELECT} WHERE ROWID <= ? ORDER BY ROWID DESC LIMIT ?", (rowid, limit)
            )
            return _rows(found)

    def brief_since(self, rowid: int, limit: int) -> list[BriefRow]:
        """Return up to ``limit`` rows with a higher ROWID, in order, reserved names included, without the
        cost of a ``Row`` for each: for counting."""
        with _translated(self._broker), self._broker.get() as connection:
            found = connection.execute(
                "SELECT ROWID, name, created_at, size, deleted, content_type FROM object"
                " WHERE ROWID > ? ORDER BY ROWID LIMIT ?",
                (rowid, limit),
            )
            return [tuple(record) for record in found]

    def rows_of(self, name: str) -> list[Row]:
        """Return the rows of one object: one per storage policy that it is or was in."""
        with _translated(self._broker), self._broker.get() as connection:
            found = connection.execute(f"{_SELECT} WHERE deleted IN (0, 1) AND name = ?", (name,))
            return _rows(found)

    def metadata(self) -> dict[str, str]:
        """Return the container headers set by users and middleware: lower-case name -> value."""
        return {name: value for name, value in self.known_metadata().items() if value}

    def known_metadata(self) -> dict[str, str]:
        """Return the same with the headers that were removed, whose values are empty; Swift forgets these
        after its ``reclaim_age``."""
        with _translated(self._broker):
            metadata = self._broker.metadata
        return {name.lower(): value for name, (value, _) in metadata.items()}


@dataclass(frozen=True, slots=True)
class LocalReplica:
    """One replica of a container on this node; ``path`` may not exist (yet, or any more).

    ``ordinal``: which of the ``replicas`` primaries it is; None for a handoff. While a container is being
    sharded there are two databases: the active one, and the ``retiring`` one, whose rows are copied to the
    shards and which is deleted afterwards.
    """

    path: str
    ordinal: int | None
    replicas: int
    retiring: bool = False
    _files: DatabaseFiles = field(default_factory=DatabaseFiles, compare=False, repr=False)

    @contextmanager
    def open(self) -> Iterator[ContainerDb]:
        """Open the database, never create it. Raises LocalMissing if there is none, LocalUnavailable."""
        with ContainerBroker(self.path, timeout=_LOCK_WAIT, pending_timeout=_LOCK_WAIT) as broker:
            if not self.retiring:
                yield ContainerDb(broker)
                return
            if not self.is_sharding():
                raise LocalMissing(f"no retiring container database beside {broker.db_file}")
            with broker.get_brokers()[0] as retiring:
                yield ContainerDb(retiring)

    @property
    def share(self) -> str:
        """Which of the container's rows this replica owns, as written in status files."""
        return f"{'-' if self.ordinal is None else self.ordinal}/{self.replicas}"

    def owns(self, name: str) -> bool:
        """Return whether this replica handles the rows of this object name first."""
        return owns_row(name, self.ordinal, self.replicas)

    def fingerprint(self) -> Fingerprint | None:
        """Return a fingerprint of the files without opening them; None if there is no database.

        Take it before reading: an equal one means that nothing was written since. It covers the database
        (whose name has an epoch in it after sharding) and the rows not yet committed to it.
        """
        if self.retiring and not self.is_sharding():
            return None
        return self._files.fingerprint(self.path)

    def is_sharding(self) -> bool:
        """Return whether there is a retiring database."""
        return len(self._databases()) > 1

    def was_never_sharded(self) -> bool:
        """Return whether there is exactly one database, untouched by the sharder. Reads only the
        directory."""
        return self._databases() == [self.path]

    def _databases(self) -> list[str]:
        """List the database files. Raises LocalUnavailable."""
        try:
            found: list[str] = get_db_files(self.path)
        except OSError as error:
            raise LocalUnavailable(f"{self.path}: {error}") from error
        return found


class Brokers:
    """Finds the databases of containers on this node's devices."""

    def __init__(self, settings: Settings) -> None:
        """Raises LocalError if there is no container ring."""
        self._devices = settings.devices
        self._ips = frozenset(whataremyips(settings.swift_bind_ip))
        try:
            self._ring = Ring(settings.swift_dir, ring_name="container")
        except Exception as error:  # a damaged file can raise anything, from zlib's errors to array's
            raise LocalError(f"no container ring in {settings.swift_dir}: {error}") from error

    def has_devices(self) -> bool:
        """Return whether the container ring has a device on this node."""
        return any(device and device["ip"] in self._ips for device in self._ring.devs)

    def replicas(self, account: str, container: str) -> list[LocalReplica]:
        """Return every primary replica that the ring assigns to this node, then the handoffs found here.

        A device is local if its IP is one of this host's, whatever its port. The ring is reloaded when its
        file changes.
        """
        try:
            partition, nodes = self._ring.get_nodes(account, container)
        except Exception as error:  # its file has changed and is damaged
            raise LocalUnavailable(f"the container ring cannot be read: {error!r}") from error
        digest = hash_path(account, container)
        tail = os.path.join(storage_directory(DATADIR, partition, digest), f"{digest}.db")

        def replica(device: str, ordinal: int | None) -> LocalReplica:
            return LocalReplica(os.path.join(self._devices, device, tail), ordinal, len(nodes))

        primaries = [replica(node["device"], node["index"]) for node in nodes if node["ip"] in self._ips]
        primary_ids = {node["id"] for node in nodes}
        handoffs = [
            replica(device["device"], None)
            for device in self._ring.devs
            if device and device["ip"] in self._ips and device["id"] not in primary_ids
        ]
        return primaries + [copy for copy in handoffs if os.path.isdir(os.path.dirname(copy.path))]


def _rows(found: Iterable[Columns]) -> list[Row]:
    return [Row.from_columns(record) for record in found]


@contextmanager
def _translated(broker: ContainerBroker) -> Iterator[None]:
    """Translate Swift's and SQLite's exceptions into ours."""
    try:
        yield
    except (LockTimeout, sqlite3.DatabaseError, UnicodeDecodeError, OSError) as error:
        # UnicodeDecodeError: SQLite's message quotes a damaged schema
        if isinstance(error, DatabaseConnectionError) and not os.path.exists(broker.db_file):
            raise LocalMissing(f"no container database {broker.db_file}") from error
        raise LocalUnavailable(f"container database {broker.db_file}: {error}") from error
