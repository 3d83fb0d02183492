"""An object of a remote store, written back into Swift: whole and proved, or not at all.

What is written never wins against a client. It carries the time when the object was found missing, so
that whatever a client wrote since then is newer; and it is written only where nothing is
(``If-None-Match: *``), which holds even between servers whose clocks differ.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from s3_sync.errors import BadDigest, LocalChanged, ObjectRefused, SyncError
from s3_sync.largeobject.manifest import Manifest, Segment
from s3_sync.largeobject.segment_places import may_hold_segments
from s3_sync.model.headers import to_swift
from s3_sync.model.objects import ObjectInfo
from s3_sync.model.timestamps import Timestamp
from s3_sync.streams.hashing import HashingBody
from s3_sync.streams.reader import Body, BytesBody
from s3_sync.streams.slice import Slice

_ONLY_NEW = {"if-none-match": "*"}


class LocalWriter(Protocol):
    """Writes into one account of the local cluster, with authority over all of it.

    Every method raises LocalUnavailable, and LocalChanged where the container is gone.
    """

    def put_container(self, container: str) -> None:
        """That it is there already is no error."""
        ...

    def put_object(
        self, container: str, name: str, body: Body, headers: Mapping[str, str], query: str = ""
    ) -> None:
        """All or nothing. Raises LocalChanged when something is there, or something newer; BadDigest for
        bytes that are not those of the ``etag``; ObjectRefused; and what ``body`` raises."""
        ...

    def find(self, container: str, name: str) -> ObjectInfo | None:
        """What is there, with its metadata and ``timestamp``; None for nothing."""
        ...

    def delete_object(self, container: str, name: str, timestamp: Timestamp) -> None:
        """Nothing there is no error, nor is something newer."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Of the local cluster. ``max_segments``: of an SLO, 0 = there can be none. ``segment_size``: of
    segments that we make, unless there would be too many of them."""

    max_object: int
    max_segments: int
    segment_size: int


@dataclass(frozen=True, slots=True)
class RestoreJob:
    """``info`` of a HEAD or GET; ``manifest`` if one of these bytes is stored; ``missing_since``: a
    moment before the local cluster was asked for it in vain; ``allowed``: containers that may hold its
    segments besides its own ones."""

    container: str
    info: ObjectInfo
    manifest: Manifest | None
    missing_since: Timestamp
    #: the headers that the object gets, None for those of ``info``
    headers: Mapping[str, str] | None = None
    allowed: Collection[str] = ()

    @property
    def timestamp(self) -> dict[str, str]:
        return {"x-timestamp": self.missing_since.internal}

    @property
    def object_headers(self) -> dict[str, str]:
        assert self.info.meta is not None
        headers = to_swift(self.info.meta) if self.headers is None else self.headers
        return {**headers, **self.timestamp, **_ONLY_NEW}


@dataclass
class _Written:
    """``containers``: known to exist. ``segments``: there because of us. ``done``: dealt with."""

    containers: set[str]
    segments: list[tuple[str, str]] = field(default_factory=list)
    done: set[tuple[str, str]] = field(default_factory=set)


def restore(writer: LocalWriter, job: RestoreJob, body: Body, limits: Limits) -> None:
    """Write the object, whose bytes are ``body``, from first to last.

    A plain object comes back as one, if Swift can hold it, else as an SLO of segments of our own; a large
    object as the SLO that its manifest describes, or of other segments in the same container. Nothing is left
    behind when that fails. Raises what ``LocalWriter`` does, what ``body`` does, BadDigest for other bytes
    than the description promises, and ObjectRefused: ``unverifiable`` when it promises nothing that could be
    checked, ``segments_elsewhere`` when segments would have to be written where a writer of the object's
    container could not write.
    """
    info, manifest = job.info, job.manifest
    if manifest is not None:
        _check_places(job, manifest)
    if manifest is not None and manifest.size and len(manifest.segments) <= limits.max_segments:
        _as_slo(writer, job, lambda written: _by_manifest(writer, job, manifest, body, written))
    elif info.md5 is not None and info.size <= limits.max_object and not _lies_elsewhere(job):
        headers = {**job.object_headers, "etag": info.md5}
        writer.put_object(job.container, info.name, body, headers)
    elif info.md5 is None and manifest is None:
        raise ObjectRefused("unverifiable", f"nothing tells what the bytes of {info.name} must hash to")
    else:
        checked = promised(info, manifest, body)
        step = _segment_size(info, limits)
        _as_slo(writer, job, lambda written: _cut(writer, job, checked, step, written))


def _check_places(job: RestoreJob, manifest: Manifest) -> None:
    """We write with more rights than anybody has, so not wherever a stored manifest says. Nor in another
    place: it might let others read what they may not read in the container that is named."""
    containers = {segment.container for segment in manifest.segments}
    elsewhere = sorted(name for name in containers if not may_hold_segments(name, job.container, job.allowed))
    if elsewhere:
        raise ObjectRefused(
            "segments_elsewhere",
            f"segments of {job.info.name} belong into {', '.join(elsewhere[:3])}; "
            "segment_containers of the mapping does not name that",
        )


def _lies_elsewhere(job: RestoreJob) -> bool:
    """Whether segments say who may read the object, and not its own container alone."""
    return job.manifest is not None and any(
        segment.container != job.container for segment in job.manifest.segments if segment.size
    )


def _as_slo(
    writer: LocalWriter, job: RestoreJob, write_segments: Callable[[_Written], Sequence[Segment]]
) -> None:
    written = _Written({job.container})
    try:
        segments = write_segments(written)
        text = Manifest(tuple(segments), b"").to_put()
        writer.put_object(
            job.container, job.info.name, BytesBody(text), job.object_headers, "multipart-manifest=put"
        )
    except BaseException:
        _undo(writer, job, written)
        raise


def _by_manifest(
    writer: LocalWriter, job: RestoreJob, manifest: Manifest, body: Body, written: _Written
) -> list[Segment]:
    """The segments under the names and with the bytes that the manifest says; some may be there still.

    Those are written again: as long as they are as old as the manifest that was moved, the daemon that
    moved it may be about to delete them, but never one that is younger. What has metadata of its own is
    nothing that it deletes, so that one stays as it is.
    """
    segments = [segment for segment in manifest.segments if segment.size]  # Swift takes no empty ones
    for segment in segments:
        piece = Slice(body, segment.size)
        place = (segment.container, segment.name)
        headers = {**job.timestamp, "etag": segment.md5}
        there = writer.find(*place) if place not in written.done else None
        if there is not None and (there.etag, there.size) != (segment.md5, segment.size):
            raise LocalChanged(f"{segment.path} holds other bytes than those of the segment")
        if place in written.done or (there is not None and _has_metadata(there)):
            piece.skip()
            if piece.md5() != segment.md5:
                raise BadDigest(f"the bytes of segment {segment.path} hash to {piece.md5()}")
        elif there is None:
            _put_segment(writer, place, piece, {**headers, **_ONLY_NEW}, written)
        else:
            writer.put_object(*place, piece, headers)
        written.done.add(place)
    return segments


def _has_metadata(info: ObjectInfo) -> bool:
    return info.meta is None or bool(info.meta.user or info.meta.marks)


def _cut(writer: LocalWriter, job: RestoreJob, body: Body, step: int, written: _Written) -> list[Segment]:
    """Segments of our own. Their names say of which version and size they are, so that what an attempt
    that was killed left behind is overwritten by the next one with the same bytes.

    What is there may also be somebody else's, who restores the same object now or has just done so. Then it
    is not ours to remove, as in ``_by_manifest``: whoever is older cannot write over what the other one owns.
    """
    info = job.info
    container = _container_of_cut(job)
    stamp = _version(info).normal
    base = f"{info.name}/{stamp}/{info.size}/{step}"
    expiry = {key: value for key, value in job.object_headers.items() if key == "x-delete-at"}
    segments: list[Segment] = []
    for number, size in enumerate(_sizes(info.size, step), start=1):
        piece = Slice(body, size)
        name = f"{base}/{number:08d}"
        headers = {**job.timestamp, **expiry}
        if writer.find(container, name) is None:
            _put_segment(writer, (container, name), piece, {**headers, **_ONLY_NEW}, written)
        else:
            writer.put_object(container, name, piece, headers)
        segments.append(Segment(container, name, size, piece.md5()))
    if body.read(1):
        raise BadDigest(f"{info.name} is longer than {info.size} bytes")
    return segments


def _container_of_cut(job: RestoreJob) -> str:
    """The container that its segments were in, which says who may read them. Raises ObjectRefused where those
    were several."""
    containers = {segment.container for segment in job.manifest.segments} if job.manifest else set()
    if len(containers) > 1:
        raise ObjectRefused(
            "too_large", f"{job.info.name} has too many segments for an SLO, in {len(containers)} containers"
        )
    return containers.pop() if containers else f"{job.container}_segments"


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
        written.segments.pop()  # somebody else's
        raise


def _undo(writer: LocalWriter, job: RestoreJob, written: _Written) -> None:
    """Remove exactly what we wrote: whatever is newer stays, and so does what is older, which somebody else
    wrote while our own write failed."""
    for container, name in written.segments:
        try:
            there = writer.find(container, name)
            if there is not None and there.timestamp == job.missing_since:
                writer.delete_object(container, name, job.missing_since.after())
        except SyncError:
            continue  # the next attempt finds it, or overwrites it


def _segment_size(info: ObjectInfo, limits: Limits) -> int:
    """So that there are not too many segments. Raises ObjectRefused."""
    if not limits.max_segments or info.size > limits.max_segments * limits.max_object:
        raise ObjectRefused("too_large", f"{info.name}: Swift cannot hold {info.size} bytes")
    return min(limits.max_object, max(limits.segment_size, -(-info.size // limits.max_segments)))


def _sizes(total: int, step: int) -> Iterator[int]:
    for first in range(0, total, step):
        yield min(step, total - first)


def _version(info: ObjectInfo) -> Timestamp:
    marked = info.meta.swift_timestamp if info.meta is not None else None
    return marked or Timestamp.from_seconds(info.last_modified)


def promised(info: ObjectInfo, manifest: Manifest | None, body: Body) -> Body:
    """``body``, of which the MD5 is known, or else the manifest: raises BadDigest where it is something
    else."""
    if info.md5 is not None:
        return _WholeChecked(body, info, info.md5)
    assert manifest is not None
    return _PiecesChecked(body, manifest.segments)


class _WholeChecked:
    """Raises BadDigest instead of giving the last bytes of a body that is not what it should be; if it is
    empty, instead of its end."""

    def __init__(self, body: Body, info: ObjectInfo, md5: str) -> None:
        self.length: int | None = info.size
        self._body = HashingBody(body, "md5")
        self._info = info
        self._left = info.size
        self._md5 = md5
        self._is_proved = False

    def read(self, size: int = -1) -> bytes:
        data = self._body.read(size)
        self._left -= len(data)
        if not self._left and not self._is_proved:
            found, info = self._body.digest.hexdigest(), self._info
            if found != self._md5:
                raise BadDigest(f"{info.name}: the {info.size:,} bytes hash to {found}, not to {self._md5}")
            self._is_proved = True
        return data

    def rewind(self) -> None:
        self._body.rewind()

    def close(self) -> None:
        self._body.close()


class _PiecesChecked:
    """The same for bytes of which each segment's MD5 is known."""

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
