"""Copies one object from the source into the local cluster, as the version that it is at the source."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from enum import Enum

from s3_sync.cluster.client_writer import ClientWriter
from s3_sync.cluster.newest import Present
from s3_sync.errors import LocalChanged, LocalMissing, NotFound, ObjectRefused
from s3_sync.migrate.decide import Action
from s3_sync.migrate.headers import checked_version, object_headers
from s3_sync.migrate.large.comparison import MISMATCH
from s3_sync.migrate.large_copying import LargeCopier
from s3_sync.model.migration import SOURCE_ETAG, source_version
from s3_sync.model.objects import GetOptions, ListedObject, ObjectInfo
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import Bucket
from s3_sync.streams.counting import CountingBody

_ANY_TIME = Timestamp(0)


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
    ``owned``: returns the newest state of a local object, if it is as this migration has written it.
    ``source_digest``: the mapping's."""

    source: Bucket
    writer: ClientWriter
    large: LargeCopier
    count: Callable[[int], None]
    now: Callable[[], float]
    owned: Callable[[str], Present | None]
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
        return self._guarded(lambda: self._do(listed, action))

    def compare(self, listed: ListedObject) -> Copied | Present:
        """Compare an object whose times are the same on both sides, as far as the source tells them, and
        whose ETags differ. Returns the local object if the source's was written again within that second.

        Raises ObjectRefused (``mismatching_etag``) for a difference that cannot come from that; SyncError."""
        try:
            self._services.large.check_same(self._container, listed)
        except ObjectRefused as refused:
            if refused.reason != MISMATCH:
                raise
            if (owned := self._services.owned(listed.name)) is not None:
                return owned
            local = self._writer.find(self._container, listed.name)
            if local is None or local.timestamp <= source_version(listed.last_modified, 0.0):
                raise
            return Copied(Outcome.SUPERSEDED)
        return Copied(Outcome.SAME)

    def copy_again(self, listed: ListedObject, local: Present) -> Copied:
        """Copy the later one of two writes within a second over the earlier one, ``local``."""
        known = local.headers.get("etag", "").strip('"'), local.headers.get(SOURCE_ETAG)
        return self._guarded(lambda: self._copy(listed, local.timestamp.next_time(), known))

    def _do(self, listed: ListedObject, action: Action) -> Copied:
        if action is Action.UPDATE and (updated := self._update(listed)) is not None:
            return updated
        return self._copy(listed)

    def _guarded(self, copy: Callable[[], Copied]) -> Copied:
        try:
            return copy()
        except NotFound:
            return Copied(Outcome.GONE)
        except LocalChanged:
            status, _ = self._writer.request("HEAD", self._container)
            if status == 404:
                raise LocalMissing(f"container {self._container} was deleted") from None
            return Copied(Outcome.SUPERSEDED)

    def _copy(
        self, listed: ListedObject, at_least: Timestamp = _ANY_TIME, known: Container[str | None] = ()
    ) -> Copied:
        """``at_least``: the version of the copy, unless it is later. ``known``: ETags of what is here."""
        # at another Swift, as it is stored: it would read what a manifest names, and some it would refuse
        options = GetOptions(stored=self._source.features.native_large_objects)
        with self._source.get_object(listed.name, options) as result:
            info = result.info
            if self._is_expired(info):
                return Copied(Outcome.GONE)
            if info.etag in known:
                return Copied(Outcome.SAME)  # the listing is another one than the object's
            version = max(checked_version(listed, info, self._services.now()), at_least)
            headers = object_headers(info, version, self._services.source_digest)
            if not self._services.large.is_large(info):
                headers["etag"] = info.md5 or ""  # Swift refuses other bytes
                body = CountingBody(result.body, self._services.count)
                self._writer.put_object(self._container, listed.name, body, headers)
                return Copied(Outcome.COPIED, info.size)
        # the connection is free again: parts have requests of their own
        size = self._services.large.copy(self._container, info, version, headers)
        return Copied(Outcome.COPIED, size)

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
