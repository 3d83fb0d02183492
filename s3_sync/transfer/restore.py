"""Writes an object of a remote store back into Swift: complete and verified, or not at all.

A restore never overwrites a client's write. It uses the timestamp at which the object was found missing, so
any later write is newer; and it is conditional on absence (``If-None-Match: *``), which holds even between
servers whose clocks differ.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from s3_sync.errors import BadDigest, LocalChanged, ObjectRefused, SyncError
from s3_sync.largeobject.manifest import Manifest, Segment, multipart_etag
from s3_sync.largeobject.segment_places import may_hold_segments
from s3_sync.model.headers import to_swift
from s3_sync.model.migration import segment_base, segment_name, segments_container
from s3_sync.model.objects import LocalInfo, ObjectInfo
from s3_sync.model.timestamps import Timestamp
from s3_sync.streams.hashing import HashingBody
from s3_sync.streams.reader import Body, BytesBody
from s3_sync.streams.slice import Slice

_ONLY_NEW = {"if-none-match": "*"}


class LocalWriter(Protocol):
    """Writes into one account of the local cluster, with full rights to it.

    Every method raises LocalUnavailable, and LocalChanged if the container does not exist.
    """

    def put_container(self, container: str) -> None:
        """Create the container unless it exists."""
        ...

    def put_object(
        self, container: str, name: str, body: Body, headers: Mapping[str, str], query: str = ""
    ) -> str:
        """Write the object, all or nothing. Returns its ETag, unquoted.

        Raises LocalChanged if an object, or something newer, exists; BadDigest if the bytes do not match the
        ``etag``; ObjectRefused; and what ``body`` raises.
        """
        ...

    def find(self, container: str, name: str) -> LocalInfo | None:
        """Return the object with its metadata and ``timestamp``; None if there is none."""
        ...

    def delete_object(self, container: str, name: str, timestamp: Timestamp) -> None:
        """Delete the object unless it is newer or does not exist, neither of which is an error."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the local cluster. ``max_segments``: per SLO, 0 = SLOs are not available. ``segment_size``:
    of new segments, unless there would be too many of them."""

    max_object: int
    max_segments: int
    segment_size: int


@dataclass(frozen=True, slots=True)
class Migrated:
    """What is known of an object at the source of a migration. ``version``: its X-Timestamp.

    ``segment_headers``: of segments that are objects at the source, too. They stay when a restore fails, as
    the migration copies them anyway, and its PUTs would be older than a delete. ``part_size``: in bytes, of
    the first part of an object that was uploaded in parts; 0 for any other.
    """

    version: Timestamp
    segment_headers: Mapping[str, str]
    part_size: int = 0


@dataclass(frozen=True, slots=True)
class RestoreJob:
    """``info`` is from a HEAD or GET; ``manifest``: the stored one, if it is for exactly these bytes;
    ``missing_since``: a moment before the local cluster answered 404; ``allowed``: containers that may hold
    segments besides the object's own ones."""

    container: str
    info: ObjectInfo
    manifest: Manifest | None
    missing_since: Timestamp
    #: headers of the object, None for those of ``info``
    headers: Mapping[str, str] | None = None
    allowed: Collection[str] = ()
    migrated: Migrated | None = None

    @property
    def timestamp(self) -> dict[str, str]:
        """The header of new segments."""
        return {"x-timestamp": self.missing_since.internal}

    @property
    def object_headers(self) -> dict[str, str]:
        headers = to_swift(self.info.meta) if self.headers is None else self.headers
        version = self.missing_since if self.migrated is None else self.migrated.version
        return {**headers, "x-timestamp": version.internal, **_ONLY_NEW}


@dataclass
class _Written:
    """``containers``: known to exist. ``segments``: created by this restore. ``done``: already handled."""

    containers: set[str]
    segments: list[tuple[str, str]] = field(default_factory=list)
    done: set[tuple[str, str]] = field(default_factory=set)


def restore(writer: LocalWriter, job: RestoreJob, body: Body, limits: Limits) -> None:
    """Write the object, whose bytes are ``body``, from start to end.

    A plain object is restored as one if Swift can hold it, else as an SLO of new segments; a large object as
    the SLO that its manifest describes, or as one of new segments in the same container. A failure leaves
    nothing behind. Raises what ``LocalWriter`` and ``body`` raise, BadDigest if the bytes do not match the
    metadata, and ObjectRefused: ``unverifiable`` if there is no digest to check, ``segments_elsewhere`` if a
    writer of the object's container could not write where segments belong.
    """
    info, manifest = job.info, job.manifest
    if manifest is not None:
        _check_places(job, manifest)
    if manifest is not None and manifest.size and len(manifest.segments) <= limits.max_segments:
        _write_slo(
            writer, job, lambda written: _write_segments_from_manifest(writer, job, manifest, body, written)
        )
    elif info.md5 is not None and info.size <= limits.max_object and not _has_segments_elsewhere(job):
        headers = {**job.object_headers, "etag": info.md5}
        writer.put_object(job.container, info.name, body, headers)
    elif job.migrated is not None and job.migrated.part_size:
        _write_slo(writer, job, lambda written: _write_parts(writer, job, body, limits, written))
    elif info.md5 is None and manifest is None:
        raise ObjectRefused("unverifiable", f"there is no digest that the bytes of {info.name} must hash to")
    else:
        checked = verified(info, manifest, body)
        segment_size = new_segment_size(info, limits)
        _write_slo(
            writer, job, lambda written: _write_new_segments(writer, job, checked, segment_size, written)
        )


def _check_places(job: RestoreJob, manifest: Manifest) -> None:
    """Raise ObjectRefused if segments belong in a container that the object's writers may not write.

    A restore has more rights than any user, so it does not write wherever a stored manifest says. Nor does it
    use another container instead: that might let users read what they may not read in the named one.
    """
    containers = {segment.container for segment in manifest.segments}
    elsewhere = sorted(name for name in containers if not may_hold_segments(name, job.container, job.allowed))
    if elsewhere:
        raise ObjectRefused(
            "segments_elsewhere",
            f"segments of {job.info.name} belong in {', '.join(elsewhere[:3])}, "
            "which segment_containers of the mapping does not include",
        )


def _has_segments_elsewhere(job: RestoreJob) -> bool:
    """Return whether segments in another container determine who may read the object."""
    return job.manifest is not None and any(
        segment.container != job.container for segment in job.manifest.segments if segment.size
    )


def _write_slo(
    writer: LocalWriter, job: RestoreJob, write_segments: Callable[[_Written], Sequence[Segment]]
) -> None:
    written = _Written({job.container})
    try:
        segments = write_segments(written)
        manifest_json = Manifest(tuple(segments), b"").to_put()
        writer.put_object(
            job.container,
            job.info.name,
            BytesBody(manifest_json),
            job.object_headers,
            "multipart-manifest=put",
        )
    except BaseException:
        _undo(writer, job, written)
        raise


def _write_segments_from_manifest(
    writer: LocalWriter, job: RestoreJob, manifest: Manifest, body: Body, written: _Written
) -> list[Segment]:
    """Write the segments that the manifest describes; some may still exist.

    Existing ones are written again: while they are as old as the moved manifest, the daemon that moved it may
    be about to delete them, but it never deletes newer ones. It does not delete segments with metadata of
    their own either, so those are kept.
    """
    segments = [segment for segment in manifest.segments if segment.size]  # Swift refuses empty segments
    for segment in segments:
        piece = Slice(body, segment.size)
        place = (segment.container, segment.name)
        own = job.timestamp if job.migrated is None else job.migrated.segment_headers
        headers = {**own, "etag": segment.md5}
        existing = writer.find(*place) if place not in written.done else None
        if existing is not None and (existing.etag, existing.size) != (segment.md5, segment.size):
            raise LocalChanged(f"{segment.path} exists with other bytes than the segment")
        kept = existing is not None and (job.migrated is not None or _has_metadata(existing))
        if place in written.done or kept:
            piece.skip()
            if piece.md5() != segment.md5:
                raise BadDigest(
                    f"the bytes of segment {segment.path} hash to {piece.md5()}, not {segment.md5}"
                )
        elif existing is None:
            _put_segment(writer, place, piece, {**headers, **_ONLY_NEW}, written)
        else:
            writer.put_object(*place, piece, headers)
        written.done.add(place)
    return segments


def _has_metadata(info: ObjectInfo) -> bool:
    return bool(info.meta.user or info.meta.marks)


def _write_new_segments(
    writer: LocalWriter, job: RestoreJob, body: Body, segment_size: int, written: _Written
) -> list[Segment]:
    """Write new segments. Their names contain version and size, so a new attempt overwrites what an
    interrupted one left behind with the same bytes.

    An existing segment may also belong to a concurrent or finished restore of the same object. Then it is not
    ours to remove, as in ``_write_segments_from_manifest``: an older restore cannot overwrite what another
    one owns.
    """
    info = job.info
    container = _container_for_new_segments(job)
    version = _version(info) if job.migrated is None else job.migrated.version
    base = segment_base(info.name, version, info.size, segment_size)
    expiry = {key: value for key, value in job.object_headers.items() if key == "x-delete-at"}
    segments: list[Segment] = []
    for number, size in enumerate(segment_sizes(info.size, segment_size), start=1):
        piece = Slice(body, size)
        name = segment_name(base, number)
        headers = {**job.timestamp, **expiry}
        if writer.find(container, name) is None:
            _put_segment(writer, (container, name), piece, {**headers, **_ONLY_NEW}, written)
        else:
            writer.put_object(container, name, piece, headers)
        segments.append(Segment(container, name, size, piece.md5()))
    if body.read(1):
        raise BadDigest(f"the store sent more than the {info.size} bytes of {info.name}")
    return segments


def _write_parts(
    writer: LocalWriter, job: RestoreJob, body: Body, limits: Limits, written: _Written
) -> list[Segment]:
    """Write the parts that an object was uploaded in, of which all but the last have one size, as segments:
    their MD5s make the ETag."""
    assert job.migrated is not None
    size, etag = job.migrated.part_size, job.info.etag
    if size > limits.max_object or job.info.size > limits.max_segments * size:
        raise ObjectRefused("too_large", f"{job.info.name}: Swift cannot hold its parts of {size} bytes")
    segments = _write_new_segments(writer, job, body, size, written)
    found = multipart_etag(segment.md5 for segment in segments)
    if found != etag.lower():
        raise BadDigest(f"{job.info.name}: the ETag of the parts is {found}, not {etag}")
    return segments


def _container_for_new_segments(job: RestoreJob) -> str:
    """Return the container of the original segments, which determines who may read them. Raises ObjectRefused
    if there were several."""
    containers = {segment.container for segment in job.manifest.segments} if job.manifest else set()
    if len(containers) > 1:
        raise ObjectRefused(
            "too_large", f"{job.info.name} has too many segments for an SLO, in {len(containers)} containers"
        )
    return containers.pop() if containers else segments_container(job.container)


def _put_segment(
    writer: LocalWriter, place: tuple[str, str], piece: Slice, headers: dict[str, str], written: _Written
) -> None:
    container, name = place
    if container not in written.containers:
        writer.put_container(container)
        written.containers.add(container)
    written.segments.append(place)
    try:
        writer.put_object(container, name, piece, headers)
    except LocalChanged:
        written.segments.pop()  # created by another restore
        raise


def _undo(writer: LocalWriter, job: RestoreJob, written: _Written) -> None:
    """Remove exactly what this restore wrote: newer objects stay, and so do older ones, which another restore
    wrote while ours failed."""
    if job.migrated is not None and job.manifest is not None:
        return
    for container, name in written.segments:
        try:
            existing = writer.find(container, name)
            if existing is not None and existing.timestamp == job.missing_since:
                writer.delete_object(container, name, job.missing_since.after())
        except SyncError:
            continue  # the next attempt overwrites it


def new_segment_size(info: ObjectInfo, limits: Limits) -> int:
    """Return a segment size that keeps within the segment limit. Raises ObjectRefused."""
    if not limits.max_segments or info.size > limits.max_segments * limits.max_object:
        raise ObjectRefused("too_large", f"{info.name}: Swift cannot hold {info.size} bytes")
    return min(limits.max_object, max(limits.segment_size, -(-info.size // limits.max_segments)))


def segment_sizes(total: int, segment_size: int) -> Iterator[int]:
    """Yield the sizes of segments that make up ``total`` bytes, of which all but the last have one size."""
    for first in range(0, total, segment_size):
        yield min(segment_size, total - first)


def _version(info: ObjectInfo) -> Timestamp:
    return info.meta.swift_timestamp or Timestamp.from_seconds(info.last_modified)


def verified(info: ObjectInfo, manifest: Manifest | None, body: Body) -> Body:
    """Return ``body``, verified by its MD5 or by the manifest: reading it raises BadDigest for other
    bytes."""
    if info.md5 is not None:
        return _WholeChecked(body, info, info.md5)
    assert manifest is not None
    return _SegmentsChecked(body, manifest.segments)


class _WholeChecked:
    """Raises BadDigest before the last bytes of a body that does not match its MD5; for an empty one, before
    its end."""

    def __init__(self, body: Body, info: ObjectInfo, md5: str) -> None:
        self.length: int | None = info.size
        self._body = HashingBody(body, "md5")
        self._info = info
        self._left = info.size
        self._md5 = md5
        self._is_verified = False

    def read(self, size: int = -1) -> bytes:
        data = self._body.read(size)
        self._left -= len(data)
        if not self._left and not self._is_verified:
            found, info = self._body.digest.hexdigest(), self._info
            if found != self._md5:
                raise BadDigest(f"{info.name}: the {info.size:,} bytes hash to {found}, not to {self._md5}")
            self._is_verified = True
        return data

    def rewind(self) -> None:
        self._body.rewind()

    def close(self) -> None:
        self._body.close()


class _SegmentsChecked:
    """Verifies each segment's bytes by its MD5 before the segment's last bytes."""

    def __init__(self, body: Body, segments: Sequence[Segment]) -> None:
        self.length: int | None = sum(segment.size for segment in segments)
        self._body = body
        self._segments = iter([segment for segment in segments if segment.size])
        self._segment: Segment | None = None
        self._piece: Slice | None = None

    def read(self, size: int = -1) -> bytes:
        if self._piece is None:
            self._segment = next(self._segments, None)
            if self._segment is None:
                return self._body.read(size)
            self._piece = Slice(self._body, self._segment.size)
        data = self._piece.read(size)
        assert self._segment is not None
        if self._piece.done:
            if self._piece.md5() != self._segment.md5:
                raise BadDigest(f"the bytes of segment {self._segment.path} hash to {self._piece.md5()}")
            self._piece = None
        return data

    def rewind(self) -> None:
        self._body.rewind()

    def close(self) -> None:
        self._body.close()
