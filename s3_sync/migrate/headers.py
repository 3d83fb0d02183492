"""Which version the copy of an object is, and the headers that it gets."""

from __future__ import annotations

from s3_sync.model.headers import storable
from s3_sync.model.migration import OWNER, SOURCE, check_past, source_version
from s3_sync.model.objects import ListedObject, ObjectInfo
from s3_sync.model.timestamps import Timestamp


def checked_version(listed: ListedObject | None, info: ObjectInfo, now: float) -> Timestamp:
    """As ``version_of``. Raises ObjectRefused (``time_in_future``)."""
    version = version_of(listed, info)
    check_past(version, now)
    return version


def version_of(listed: ListedObject | None, info: ObjectInfo) -> Timestamp:
    """Return the X-Timestamp of the local object: that of a Swift source, else when it was last modified."""
    if info.x_timestamp is not None:
        return info.x_timestamp
    return source_version(0.0 if listed is None else listed.last_modified, info.last_modified)


def object_headers(info: ObjectInfo, version: Timestamp, source_digest: str = "") -> dict[str, str]:
    """Return the headers of a PUT or POST that gives the local object the source's metadata, its time, and
    the marks of this migration. ``source_digest``: the mapping's."""
    headers = {**storable(info.meta), "x-timestamp": version.internal, OWNER: version.internal}
    if source_digest:
        headers[SOURCE] = source_digest
    headers.setdefault("content-type", info.meta.content_type)
    if info.expires is not None:
        headers["x-delete-at"] = str(info.expires)
    return headers
