"""Copies one object from the source into the local cluster, as the version that it is at the source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from s3_sync.cluster.client_writer import ClientWriter
from s3_sync.errors import LocalChanged, LocalMissing, NotFound
from s3_sync.migrate.decide import Action
from s3_sync.migrate.headers import checked_version, object_headers
from s3_sync.migrate.large_copying import LargeCopier
from s3_sync.model.objects import GetOptions, ListedObject, ObjectInfo
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import Bucket, GetResult
from s3_sync.streams.counting import CountingBody


class Outcome(Enum):
    """What copying one object has led to; errors are raised."""

    COPIED = "copied"
    #: only metadata
    UPDATED = "updated"
    #: a client has written or deleted it locally since
    SUPERSEDED = "superseded"
    #: it was deleted at the source since it was listed, or has expired there
    GONE = "gone"
    #: both sides have the same large object
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Copied:
    """``size``: bytes that were copied."""

    outcome: Outcome
    size: int = 0


@dataclass(frozen=True, slots=True)
class CopyServices:
    """``count``: called with the bytes that were read from the source. ``now``: seconds since the epoch.
    ``source_digest``: the mapping's."""

    source: Bucket
    writer: ClientWriter
    large: LargeCopier
    count: Callable[[int], None]
    now: Callable[[], float]
    source_digest: str = ""


class ObjectCopier:
    """Copies the objects of one container."""

    def __init__(self, services: CopyServices, container: str) -> None:
        self._services = services
        self._source = services.source
        self._writer = services.writer
        self._container = container

    def copy(self, listed: ListedObject, action: Action) -> Copied:
        """Do what was decided for a listed object. Raises SyncError."""
        try:
            if action is Action.COMPARE:
                self._services.large.check_same(self._container, listed)
                return Copied(Outcome.SAME)
            if action is Action.UPDATE and (updated := self._update(listed)) is not None:
                return updated
            return self._copy(listed)
        except NotFound:
            return Copied(Outcome.GONE)
        except LocalChanged:
            status, _ = self._writer.request("HEAD", self._container)
            if status == 404:
                raise LocalMissing(f"container {self._container} was deleted") from None
            return Copied(Outcome.SUPERSEDED)

    def copy_over(self, listed: ListedObject, timestamp: Timestamp) -> Copied | None:
        """Copy a listed object over a local one of this time, which is that of the source, too; None for a
        large object, whose segments would have the names of the other's. Raises SyncError."""
        try:
            with self._source.get_object(listed.name) as result:
                info = result.info
                if self._services.large.is_large(info):
                    return None
                version = max(checked_version(listed, info, self._services.now()), timestamp.after())
                return self._put(listed.name, result, version)
        except NotFound:
            return Copied(Outcome.GONE)
        except LocalChanged:
            return Copied(Outcome.SUPERSEDED)

    def _copy(self, listed: ListedObject) -> Copied:
        # at another Swift, as it is stored: it would read what a manifest names, and some it would refuse
        options = GetOptions(stored=self._source.features.native_large_objects)
        with self._source.get_object(listed.name, options) as result:
            info = result.info
            if self._is_expired(info):
                return Copied(Outcome.GONE)
            version = checked_version(listed, info, self._services.now())
            if not self._services.large.is_large(info):
                return self._put(listed.name, result, version)
        # the connection is free again: parts have requests of their own
        headers = object_headers(info, version, self._services.source_digest)
        size = self._services.large.copy(self._container, info, version, headers)
        return Copied(Outcome.COPIED, size)

    def _put(self, name: str, result: GetResult, version: Timestamp) -> Copied:
        info = result.info
        headers = object_headers(info, version, self._services.source_digest)
        headers["etag"] = info.md5 or ""  # Swift refuses other bytes
        body = CountingBody(result.body, self._services.count)
        self._writer.put_object(self._container, name, body, headers)
        return Copied(Outcome.COPIED, info.size)

    def _update(self, listed: ListedObject) -> Copied | None:
        """Replace the local metadata, if the bytes still are those of the source; None if they are not."""
        info = self._source.head_object(listed.name)
        if self._is_expired(info):
            return Copied(Outcome.GONE)
        local = self._writer.find(self._container, listed.name)
        if local is None or info.md5 is None or local.etag != info.md5 or info.meta.link or local.meta.link:
            return None
        version = checked_version(listed, info, self._services.now())
        if local.timestamp >= version:
            return Copied(Outcome.SUPERSEDED)
        headers = object_headers(info, version, self._services.source_digest)
        self._writer.post_object(self._container, listed.name, headers)
        return Copied(Outcome.UPDATED)

    def _is_expired(self, info: ObjectInfo) -> bool:
        """Return whether Swift would refuse the object, as its X-Delete-At has passed."""
        expires = info.meta.delete_at if info.expires is None else info.expires
        return expires is not None and expires <= self._services.now()
