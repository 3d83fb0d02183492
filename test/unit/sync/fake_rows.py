"""Rows as a container database has them."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nlargest
from typing import Any

from s3_sync.cluster.brokers import BriefRow
from s3_sync.model.rows import Row


def created_at(row: Row) -> str:
    """As a container database keeps the times of data and metadata in one field."""
    later = row.timestamp.raw - row.data_timestamp.raw
    return f"{row.data_timestamp.internal}+0+{later:x}" if later else row.data_timestamp.internal


def brief(rows: Iterable[Row], rowid: int, limit: int) -> list[BriefRow]:
    """Up to ``limit`` of them after ``rowid``."""
    found = sorted((row for row in rows if row.rowid > rowid), key=lambda row: row.rowid)
    return [
        (row.rowid, row.name, created_at(row), row.size, int(row.deleted), row.content_type)
        for row in found[:limit]
    ]


def objects_in(db: Any) -> int:
    """As ``ContainerDb.object_count``."""
    return sum(not row.deleted for row in db.rows.values())


def last_of(db: Any, rowid: int, limit: int) -> list[Row]:
    """As ``ContainerDb.last_rows``."""
    found = (row for row in db.rows.values() if row.rowid <= rowid)
    return nlargest(limit, found, key=lambda row: row.rowid)


def rows_named(db: Any, name: str) -> list[Row]:
    """As ``ContainerDb.rows_of``."""
    return [row for row in db.rows.values() if row.name == name]


def known_metadata_of(db: Any) -> dict[str, str]:
    """As ``ContainerDb.known_metadata``."""
    return dict(db.headers)


def metadata_of(db: Any) -> dict[str, str]:
    """As ``ContainerDb.metadata``."""
    return {name: value for name, value in db.headers.items() if value}
