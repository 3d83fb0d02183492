"""Copies the objects of another Swift as what they are: SLOs, DLOs, symlinks, and plain ones.

A manifest is written after everything that it names. What it names are objects of the source, too, and copied
as such: in the container of the same name, with their own time and the mark of the migration. So what an
attempt has copied before it failed stays: the next one need not copy it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from s3_sync.errors import LocalChanged, NotFound, ObjectRefused, PreconditionFailed, SegmentChanged
from s3_sync.largeobject.naming import Place
from s3_sync.largeobject.segment_places import may_hold_segments
from s3_sync.largeobject.stored_slo import Entry, StoredSlo
from s3_sync.migrate.headers import checked_version, object_headers
from s3_sync.migrate.large.job import LargeJob, LargeServices
from s3_sync.migrate.large.local_slo import put_manifest
from s3_sync.migrate.large.stored_object import StoredThere, read_stored
from s3_sync.model.objects import GetOptions, ListedObject, ObjectInfo
from s3_sync.model.segment_names import SEGMENT_SUFFIXES
from s3_sync.providers.base import Bucket, GetResult, ListQuery
from s3_sync.runtime.key_locks import KeyLocks
from s3_sync.streams.reader import BytesBody
from s3_sync.transfer.parallel import in_parallel

#: SLOs in SLOs that Swift reads (``swift.common.middleware.slo``); as many DLOs in DLOs are followed
MAX_DEPTH = 10
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class _Task:
    """An object of the source to copy to ``place``, with these headers. ``depth``: how many others name it,
    one another."""

    found: StoredThere
    place: Place
    headers: dict[str, str]
    depth: int = 0


class SwiftCopier:
    """Copies objects into one container during one pass: what is below the prefix of DLOs is copied once.

    Containers that are named after the bucket follow it, if the local ``container`` has another name."""

    def __init__(self, services: LargeServices, container: str) -> None:
        self._services = services
        self._source = services.source
        self._writer = services.writer
        own = ("", *SEGMENT_SUFFIXES)
        self._local = {self._source.name + suffix: container + suffix for suffix in own}
        self._locks = KeyLocks()
        self._below: set[Place] = set()
        self._containers = {container}

    def copy(self, job: LargeJob) -> int:
        """Copy the object, whatever it is. Returns the bytes that were copied.

        Raises PreconditionFailed if it is another version than ``job.info``; SegmentChanged if a segment at
        the source is not as its manifest says; ObjectRefused: ``segments_elsewhere``, ``symlink_elsewhere``,
        ``slo_malformed``, ``slo_nested``, ``dlo_nested``, ``segment_conflict``; LocalChanged; SyncError.
        """
        found = read_stored(self._source, self._source.name, job.info.name)
        if found.info.x_timestamp != job.info.x_timestamp:
            raise PreconditionFailed(f"{job.info.name} was replaced meanwhile", status=412)
        return self._copy(_Task(found, (job.container, job.info.name), job.object_headers))

    def renamed(self, manifest: StoredSlo) -> StoredSlo:
        """Return a manifest of the source as it is here."""
        return manifest.renamed(self.local)

    def local(self, container: str) -> str:
        """Return the local container for a container of the source."""
        return self._local.get(container, container)

    def _copy(self, task: _Task) -> int:
        found = task.found
        if found.manifest is not None:
            return self._copy_slo(task, found.manifest)
        if found.dynamic is not None:
            return self._copy_dlo(task, found.dynamic)
        if found.info.meta.link is not None:
            return self._copy_link(task)
        with self._open(found.container, found.info.name, found.info.etag) as result:
            return self._put(task.place, result, task.headers)

    # SLOs

    def _copy_slo(self, task: _Task, manifest: StoredSlo) -> int:
        parts = [each for each in manifest.segments if not each.is_slo]
        nested = [each for each in manifest.segments if each.is_slo]
        if nested and task.depth >= MAX_DEPTH:
            raise ObjectRefused("slo_nested", f"{task.found.path}: more than {MAX_DEPTH} SLOs in one another")
        self._prepare([each.container for each in manifest.segments])
        copied = sum(self._copy_nested(each, task.depth + 1) for each in nested)
        copied += sum(in_parallel(self._services.parts, parts, self._copy_segment))
        put_manifest(self._writer, task.place, self.renamed(manifest), task.headers)
        return copied + len(manifest.raw)

    def _copy_segment(self, entry: Entry) -> int:
        """Copy a plain segment, unless it is there."""
        place = self.local(entry.container), entry.name
        if self._has(place, entry.etag, entry.size):
            return 0
        with self._open_segment(entry) as result:
            copied = self._put_named(place, result)
        if not copied and not self._has(place, entry.etag, entry.size):
            raise _conflict(place)
        return copied

    def _open_segment(self, entry: Entry) -> GetResult:
        """Raises SegmentChanged if it is not a plain object with the ETag of the manifest."""
        try:
            result = self._open(entry.container, entry.name, entry.etag)
        except (NotFound, PreconditionFailed) as error:
            raise SegmentChanged(f"segment /{entry.container}/{entry.name} at the source: {error}") from error
        meta = result.info.meta
        if result.info.size != entry.size or meta.marks or meta.link is not None:
            result.close()
            raise SegmentChanged(f"segment /{entry.container}/{entry.name} is no such object at the source")
        return result

    def _copy_nested(self, entry: Entry, depth: int) -> int:
        found = self._read(entry.container, entry.name)
        manifest = None if found is None else found.manifest
        if found is None or manifest is None or (manifest.etag, manifest.size) != (entry.etag, entry.size):
            raise SegmentChanged(f"/{entry.container}/{entry.name} at the source is no such SLO")
        place, raw = (self.local(entry.container), entry.name), self.renamed(manifest)
        if self._has(place, raw.md5, len(raw.raw)):
            return 0  # and so is all that it names
        copied = self._copy_named(found, depth)
        if not copied and not self._has(place, raw.md5, len(raw.raw)):
            raise _conflict(place)
        return copied

    def _copy_named(self, found: StoredThere, depth: int) -> int:
        """Copy what another object names. Returns 0 if there is something newer here."""
        headers = self._headers(found.info)
        place = self.local(found.container), found.info.name
        try:
            return self._copy(_Task(found, place, headers, depth))
        except LocalChanged:
            return 0

    # DLOs

    def _copy_dlo(self, task: _Task, target: Place) -> int:
        if task.depth >= MAX_DEPTH:
            raise ObjectRefused("dlo_nested", f"{task.found.path}: more than {MAX_DEPTH} DLOs in one another")
        container, prefix = target
        itself = task.found.container, task.found.info.name
        copied = self._copy_below(target, itself, task.depth)
        headers = {**task.headers, "x-object-manifest": quote(f"{self.local(container)}/{prefix}")}
        with self._open(*itself, task.found.info.etag) as result:
            return copied + self._put(task.place, result, headers)

    def _copy_below(self, target: Place, itself: Place, depth: int) -> int:
        """Copy what is below the prefix of a DLO, but the DLO ``itself``."""
        container, prefix = target
        self._prepare([container])
        copied, nested = 0, list[StoredThere]()
        with self._locks.hold(target):
            if target in self._below:
                return 0
            after: str | None = ""
            while after is not None:
                page = self._bucket(container).list_objects(ListQuery(prefix, after, limit=_PAGE))
                after = page.next_after
                listed = [each for each in page.objects if (container, each.name) != itself]
                for result in in_parallel(
                    self._services.parts, listed, partial(self._copy_listed, container)
                ):
                    if isinstance(result, int):
                        copied += result
                    else:
                        nested.append(result)
            self._below.add(target)
        try:
            return copied + sum(self._copy_named(each, depth + 1) for each in nested)
        except BaseException:
            self._below.discard(target)
            raise

    def _copy_listed(self, container: str, listed: ListedObject) -> int | StoredThere:
        """Copy a plain object below the prefix of a DLO, unless it is here. Returns any other as it is
        stored."""
        place = self.local(container), listed.name
        if listed.link is None and self._has(place, listed.etag, listed.size):
            return 0
        try:
            with self._bucket(container).get_object(listed.name, GetOptions(stored=True)) as result:
                if not result.info.meta.marks and result.info.meta.link is None:
                    return self._put_named(place, result)
        except NotFound:
            return 0
        return self._read(container, listed.name) or 0

    # Both

    def _copy_link(self, task: _Task) -> int:
        link = task.found.info.meta.link
        assert link is not None
        if not link.container or link.container.startswith("\0"):
            raise ObjectRefused("symlink_elsewhere", f"{task.found.path} leads out of what is migrated")
        headers = {**task.headers, "x-symlink-target": quote(f"{self.local(link.container)}/{link.name}")}
        if link.etag:
            headers |= {"x-symlink-target-etag": link.etag, "x-symlink-target-bytes": str(link.size)}
        self._writer.put_object(*task.place, BytesBody(b""), headers)
        return 0

    def _put(self, place: Place, result: GetResult, headers: dict[str, str]) -> int:
        if result.info.md5 is not None:
            headers = {**headers, "etag": result.info.md5}
        self._writer.put_object(*place, self._services.counted(result.body), headers)
        return result.info.size

    def _put_named(self, place: Place, result: GetResult) -> int:
        """Write a plain object that another one names. Returns 0 if there is something newer here."""
        try:
            return self._put(place, result, self._headers(result.info))
        except LocalChanged:
            return 0

    def _headers(self, info: ObjectInfo) -> dict[str, str]:
        """Return the headers of what another object names. Raises ObjectRefused (``time_in_future``)."""
        version = checked_version(None, info, self._services.now())
        return object_headers(info, version, self._services.source_digest)

    def _has(self, place: Place, etag: str, size: int) -> bool:
        found = self._writer.find(*place)
        return found is not None and (found.etag, found.size) == (etag, size)

    def _bucket(self, container: str) -> Bucket:
        return self._source.large_objects.remote(container)

    def _read(self, container: str, name: str) -> StoredThere | None:
        try:
            return read_stored(self._bucket(container), container, name)
        except NotFound:
            return None

    def _open(self, container: str, name: str, etag: str) -> GetResult:
        """Open an object as it is stored. Raises PreconditionFailed for another ETag."""
        result = self._bucket(container).get_object(name, GetOptions(if_match=etag, stored=True))
        if result.info.etag != etag:
            result.close()
            raise PreconditionFailed(f"{container}/{name} was replaced meanwhile", status=412)
        return result

    def _prepare(self, containers: Sequence[str]) -> None:
        """Create the local containers for segments. Raises ObjectRefused for containers whose objects the
        writers of the bucket may have no right to."""
        for container in dict.fromkeys(containers):
            if not may_hold_segments(container, self._source.name, self._services.allowed):
                why = f"segments are in container {container}, which segment_containers does not include"
                raise ObjectRefused("segments_elsewhere", why)
            local = self.local(container)
            if local not in self._containers:
                self._services.put_container(local)
                self._containers.add(local)


def _conflict(place: Place) -> ObjectRefused:
    why = f"segment /{'/'.join(place)} is newer here, and another one than at the source"
    return ObjectRefused("segment_conflict", why)
