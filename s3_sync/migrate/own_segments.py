"""Segments that a migration has made of objects that are one object at the source: they are deleted with
their manifest, and after it.

They are recorded before the manifest is deleted, because afterwards nothing else names them.
"""

from __future__ import annotations

import json
import logging
import re

from s3_sync.cluster.client import LocalSwift
from s3_sync.cluster.client_writer import ClientWriter
from s3_sync.cluster.guarded_delete import GuardedDelete
from s3_sync.cluster.newest import NewestState, Present
from s3_sync.config.settings import Mapping
from s3_sync.errors import LocalChanged, LocalUnavailable, ObjectRefused, StateError, SyncError
from s3_sync.largeobject.manifest import Manifest, Segment
from s3_sync.model.headers import is_true
from s3_sync.model.migration import segments_container
from s3_sync.model.timestamps import Timestamp
from s3_sync.runtime.concurrency import Pool
from s3_sync.state.segment_cleanups import SegmentCleanup, SegmentCleanups

log = logging.getLogger("swift-s3-migrator")

#: cleanups that are resumed per call
_FEW = 100


class OwnSegments:
    """``pool`` handles segments: it must not be the one that handles objects."""

    def __init__(
        self,
        client: LocalSwift,
        newest: NewestState,
        removal: GuardedDelete,
        cleanups: SegmentCleanups,
        pool: Pool,
    ) -> None:
        self._client = client
        self._newest = newest
        self._removal = removal
        self._cleanups = cleanups
        self._pool = pool

    def note(self, mapping: Mapping, container: str, name: str, version: Present) -> SegmentCleanup | None:
        """Record which segments to delete once this version of an object is deleted; None: it has none.
        Raises LocalUnavailable, StateError."""
        if not is_true(version.headers.get("x-static-large-object", "")):
            return None
        try:
            manifest = Manifest.parse(self._read(f"{mapping.account}/{container}/{name}"))
        except ObjectRefused:
            return None  # a migration's own manifest names nothing but whole segments
        found = own_segments(container, name, version.data_timestamp, manifest)
        if not found:
            return None
        text = json.dumps([[each.name, each.size, each.md5] for each in found])
        cleanup = SegmentCleanup(name, version.data_timestamp.internal, False, text)
        self._cleanups.note(mapping.journal_key, cleanup)
        return cleanup

    def forget(self, mapping: Mapping, cleanup: SegmentCleanup | None) -> None:
        """The manifest stays. Raises StateError."""
        if cleanup is not None:
            self._cleanups.settle(mapping.journal_key, cleanup)

    def remove(self, mapping: Mapping, container: str, cleanup: SegmentCleanup | None) -> None:
        """Delete the segments of a manifest that is deleted. Raises the first error; then try ``resume``."""
        if cleanup is None:
            return
        place = segments_container(container)
        segments = [Segment(place, *each) for each in json.loads(cleanup.segments)]
        results = self._pool.map(lambda each: self._remove_one(mapping.account, each), segments)
        for result in results:
            if isinstance(result, SyncError):
                raise result
        if all(results):  # None: the thread was killed
            self._cleanups.settle(mapping.journal_key, cleanup)

    def resume(self, mapping: Mapping, container: str) -> list[str]:
        """Complete what was left undone, for instance by a crash. Returns the names of the objects. Raises
        LocalUnavailable, StateError."""
        done: list[str] = []
        for cleanup in self._cleanups.entries(mapping.journal_key, _FEW):
            state = self._newest.of(mapping.account, container, cleanup.name)
            if isinstance(state, Present) and state.data_timestamp == _timestamp(cleanup.version):
                self.forget(mapping, cleanup)
            else:
                self.remove(mapping, container, cleanup)
            done.append(cleanup.name)
        return done

    def _remove_one(self, account: str, segment: Segment) -> SyncError | bool:
        """Delete a segment that still has the bytes that its manifest named. Never raises."""
        try:
            found = ClientWriter(self._client, account).find(segment.container, segment.name)
            if found is None or (found.etag, found.size) != (segment.md5, segment.size):
                return True
            state = self._newest.of(account, segment.container, segment.name)
            if isinstance(state, Present) and state.data_timestamp == found.data_timestamp:
                self._removal.delete_version(account, segment.container, segment.name, state)
        except LocalChanged as error:
            log.debug("segment %s stays: %s", segment.path, error)
        except SyncError as error:
            return error
        return True

    def _read(self, path: str) -> bytes:
        """Read a manifest as it is stored, be there an slo in the pipeline or not."""
        answer = self._client.request("GET", path, {}, "multipart-manifest=get&format=raw")
        try:
            body = b"".join(answer.body)
        finally:
            answer.close()
        if answer.status != 200:
            raise LocalUnavailable(f"GET {path}: status {answer.status}")
        return body


def own_segments(container: str, name: str, version: Timestamp, manifest: Manifest) -> list[Segment]:
    """Return the segments that are of this version of this object, as their names and container tell; see
    ``model.migration.segment_base``. All others may belong to somebody else."""
    base = re.escape(f"{name}/{version.normal}/{manifest.size}/")
    pattern, place = re.compile(base + r"[0-9]+/[0-9]{8}"), segments_container(container)
    return [each for each in manifest.segments if each.container == place and pattern.fullmatch(each.name)]


def _timestamp(text: str) -> Timestamp:
    try:
        return Timestamp.parse(text)
    except ValueError as error:
        raise StateError(f"the journal has an invalid version: {error}") from error
