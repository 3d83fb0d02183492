"""One line of a listing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple

from s3_sync.model.objects import ListedObject, is_md5
from s3_sync.model.timestamps import parse_iso_date

#: object stores do not list content types
UNKNOWN_TYPE = "application/octet-stream"
#: the MD5 of an empty object
_EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"


class Entry(NamedTuple):
    """``record``: as in Swift's JSON listings, with ``name`` (an object) or ``subdir`` (a group).

    An entry is made for every line of a page, so it is a plain tuple.
    """

    name: str
    record: Mapping[str, Any]

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Entry:
        """Build an entry from one element of a JSON listing. Raises KeyError, TypeError for anything else."""
        return cls(record["subdir"] if "subdir" in record else record["name"], record)

    @classmethod
    def group(cls, name: str) -> Entry:
        return cls(name, {"subdir": name})

    @classmethod
    def from_object(cls, info: ListedObject, account: str = "") -> Entry:
        """Build an entry from an object of a remote listing, in this account of the cluster.
        ``storage_class`` is there if it is not the store's default: objects in an archive class cannot be
        read at once."""
        record: dict[str, Any] = {
            "name": info.name,
            "bytes": info.size,
            "hash": info.etag,
            "content_type": UNKNOWN_TYPE,
            "last_modified": iso_date(info.last_modified),
        }
        if info.storage_class:
            record["storage_class"] = info.storage_class
        if info.link is not None:
            record["symlink_path"] = info.link.path(account)
        return cls(info.name, record)


def iso_date(seconds: float) -> str:
    """Format a time as in Swift's listings: ``2026-01-02T03:04:05.678900``, UTC, always with six decimals."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="microseconds")[:26]


def is_newer(remote: Mapping[str, Any], local: Mapping[str, Any]) -> bool:
    """Return whether a remote object is a different, newer version than the local one of the same name.

    A copy is always stored after its original was written, so the dates alone prove nothing. A remote object
    of the same size counts as a copy if its ETag is the same or not an MD5 (a multipart upload). It also
    counts as one if the local record describes other bytes than its own: a symlink, an SLO of that size, or a
    possible DLO manifest, which a listing does not distinguish from an empty object. Groups have no versions.
    """
    if "subdir" in remote or "subdir" in local or "symlink_path" in local or local.get("hash") == _EMPTY_MD5:
        return False
    if remote["bytes"] == local.get("bytes"):
        etag = remote["hash"]
        if etag == local.get("hash") or not is_md5(etag) or "slo_etag" in local:
            return False
    return _date(remote) > _date(local)


def _date(record: Mapping[str, Any]) -> float:
    try:
        return parse_iso_date(record["last_modified"])
    except (KeyError, ValueError):
        return 0.0
