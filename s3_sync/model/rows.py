"""A row of a container database, and its owner among the replicas."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from s3_sync.model.timestamps import Timestamp, decode_row_timestamps

#: ROWID, name, created_at, size, content_type, etag, deleted, storage_policy_index
Columns = tuple[int, str, str, int, str, str, int, int]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a container DB's ``object`` table.

    A database keeps one row per object name and storage policy; each newer event replaces it by one with a
    higher ROWID. ``data_timestamp`` is when the bytes were written (or deleted), ``timestamp`` when anything
    last changed. ``etag`` and ``size`` describe what is stored: ciphertext on an encrypted cluster, the
    manifest for a large object.
    """

    rowid: int
    name: str
    data_timestamp: Timestamp
    timestamp: Timestamp
    size: int
    content_type: str
    etag: str
    deleted: bool
    policy: int

    @classmethod
    def from_columns(cls, columns: Columns) -> Row:
        """Build a row from its record in the database."""
        rowid, name, created_at, size, content_type, etag, deleted, policy = columns
        data, type_changed, meta = decode_row_timestamps(str(created_at))
        last = data if meta is data else max(data, type_changed, meta)
        return cls(rowid, name, data, last, size, content_type, etag, bool(deleted), int(policy))

    @classmethod
    def of_version(
        cls,
        name: str,
        data_timestamp: Timestamp,
        timestamp: Timestamp,
        *,
        policy: int,
        deleted: bool = False,
        size: int = 0,
    ) -> Row:
        """Return a substitute for the row of a known version; the missing fields are read again from
        Swift."""
        return cls(0, name, data_timestamp, timestamp, size, "", "", deleted, policy)

    @property
    def metadata_changed(self) -> bool:
        """Whether a POST followed the write of the bytes."""
        return self.timestamp is not self.data_timestamp and self.timestamp != self.data_timestamp


def owner_ordinal(name: str, replicas: int) -> int:
    """Return which of a container's ``replicas`` databases handles this object name first.

    The last six hexadecimal digits of the name's SHA-1, modulo the number of replicas: the rule of earlier
    versions of swift-s3-sync, so that old and new nodes divide the rows alike.
    """
    digest = hashlib.sha1(name.encode("utf-8"), usedforsecurity=False).digest()
    return int.from_bytes(digest[-3:], "big") % replicas


def owns_row(name: str, ordinal: int | None, replicas: int) -> bool:
    """Return whether the database with this ordinal handles this object name first. A handoff, which has
    none, owns no rows."""
    if ordinal is None:
        return False
    return replicas == 1 or owner_ordinal(name, replicas) == ordinal
