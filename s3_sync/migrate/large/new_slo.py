"""Copies what is one object at the source: as an SLO of new segments, or as one object here, too.

- An object that was uploaded in parts becomes an SLO of these parts: their MD5s must make its ETag. Where the
  store does not tell the parts, it is read as one stream, and cut as it probably was uploaded.
- An object that is larger than Swift takes as one is cut into segments; its digest is checked first of all.
- Any other is stored as one.

The manifest is written when all segments are there, and proved. A failure before that leaves none of them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import partial

from s3_sync.errors import BadDigest, LocalChanged, NotSupported, PreconditionFailed, UnexpectedAnswer
from s3_sync.largeobject.manifest import Segment, multipart_etag, parts_of
from s3_sync.migrate.large.job import LargeJob, LargeServices
from s3_sync.migrate.large.local_slo import manifest_of, put_manifest
from s3_sync.migrate.large.new_segments import NewSegments
from s3_sync.model.migration import SOURCE_ETAG, segment_base, segments_container
from s3_sync.model.objects import GetOptions
from s3_sync.providers.base import GetResult
from s3_sync.streams.reader import Body
from s3_sync.streams.slice import Slice
from s3_sync.streams.verifying import ExactBody
from s3_sync.transfer.parallel import in_parallel
from s3_sync.transfer.restore import new_segment_size, segment_sizes

log = logging.getLogger("swift-s3-migrator")

_MIB = 1024 * 1024
#: sizes of parts that upload tools use, the most common ones first
_USUAL_PARTS = tuple(size * _MIB for size in (8, 5, 16, 15, 10, 64, 32, 50, 100, 128, 256, 512, 1024))


class NewSloCopier:
    """Copies the objects of one source."""

    def __init__(self, services: LargeServices) -> None:
        self._services = services
        self._source = services.source
        self._writer = services.writer
        self._limits = services.limits

    def copy(self, job: LargeJob) -> int:
        """Copy the object. Returns the bytes that were copied.

        Raises BadDigest if the bytes are not those of the object, PreconditionFailed if it was replaced
        meanwhile, ObjectRefused (``too_large``), LocalChanged if there is something newer or equal;
        SyncError.
        """
        info = job.info
        parts = parts_of(info.etag) if info.size else 0
        self._check_older(job)
        if not parts and info.size <= self._limits.max_object:
            self._copy_plain(job)
        elif not parts or not self._copy_parts(job, parts):
            self._copy_stream(job)
        return info.size

    def _check_older(self, job: LargeJob) -> None:
        """Raise LocalChanged if the local object is as new, before any byte is read."""
        found = self._writer.find(job.container, job.info.name)
        if found is not None and found.timestamp >= job.version:
            raise LocalChanged(f"{job.container}/{job.info.name} has {found.timestamp}, not {job.version}")

    # One object

    def _copy_plain(self, job: LargeJob) -> None:
        info = job.info
        headers = {**job.object_headers, SOURCE_ETAG: info.etag}
        if info.md5 is not None:
            headers["etag"] = info.md5
        with self._open(job) as found:
            body = self._services.counted(found.body)
            checked = ExactBody(body, info.size, info.crc32c, "crc32c") if info.size else body
            self._writer.put_object(job.container, info.name, checked, headers)

    # Parts

    def _copy_parts(self, job: LargeJob, parts: int) -> bool:
        """Copy each part as a segment. Returns False if the store does not tell the parts, or Swift does not
        take segments of that size."""
        try:
            first = self._source.get_object(job.info.name, self._part_options(job, 1))
        except NotSupported:
            return False
        with first:
            size = self._span(job, first)[1] + 1
            if size > self._limits.max_object:
                return False
            new = self._new_segments(job, size)
            with new.undone_on_failure():
                segments = [new.write(1, self._services.counted(first.body), size)]
                first.close()
                rest = range(2, parts + 1)
                copied = in_parallel(self._services.parts, rest, partial(self._copy_part, job, new))
                segments += self._in_order(job, size, copied)
                found = multipart_etag(each.md5 for each in segments)
                if found != job.info.etag.lower() and not job.info.opaque_etag:
                    raise BadDigest(f"{job.info.name}: the ETag of the parts is {found}, not {job.info.etag}")
                self._put_manifest(job, segments)
        return True

    def _copy_part(self, job: LargeJob, new: NewSegments, number: int) -> tuple[int, Segment]:
        """Return the first byte of a part, and its segment."""
        with self._source.get_object(job.info.name, self._part_options(job, number)) as part:
            first, last = self._span(job, part)
            return first, new.write(number, self._services.counted(part.body), last + 1 - first)

    @staticmethod
    def _in_order(job: LargeJob, position: int, copied: Sequence[tuple[int, Segment]]) -> Iterator[Segment]:
        """Yield the segments after the first one. Raises UnexpectedAnswer unless they are all that is
        left."""
        for first, segment in copied:
            if first != position:
                raise UnexpectedAnswer(f"{job.info.name}: a part begins at {first}, not at {position}")
            position += segment.size
            yield segment
        if position != job.info.size:
            raise UnexpectedAnswer(f"{job.info.name}: its parts have {position} of {job.info.size} bytes")

    def _part_options(self, job: LargeJob, number: int) -> GetOptions:
        return GetOptions(part=number, if_match=job.info.etag)

    def _span(self, job: LargeJob, part: GetResult) -> tuple[int, int]:
        self._check_same(job, part)
        return part.byte_range or (0, part.info.size - 1)

    # One stream

    def _copy_stream(self, job: LargeJob) -> None:
        info = job.info
        part_size = self._part_size(job)
        size = part_size or new_segment_size(info, self._limits)
        new = self._new_segments(job, size)
        with new.undone_on_failure():
            with self._open(job) as found:
                segments = self._cut(job, new, self._services.counted(found.body), size)
            is_proved = info.opaque_etag or multipart_etag(each.md5 for each in segments) == info.etag.lower()
            if part_size and not is_proved:
                self._read_again(job, segments)
            self._put_manifest(job, segments)

    def _part_size(self, job: LargeJob) -> int:
        """Return the size that the parts of an object probably have, of which only their number is known; 0
        if it was not uploaded in parts, or Swift does not take them."""
        parts, size = parts_of(job.info.etag), job.info.size
        if not parts or not size:
            return 0
        smallest = -(-size // parts)
        rounded = -(-smallest // _MIB) * _MIB
        guesses = [each for each in (*_USUAL_PARTS, rounded, smallest) if -(-size // each) == parts]
        return next((each for each in guesses if each <= self._limits.max_object), 0)

    def _cut(self, job: LargeJob, new: NewSegments, body: Body, size: int) -> Sequence[Segment]:
        """Write the stream as segments. Raises BadDigest if it is not the object's."""
        info = job.info
        algorithm, expected = ("md5", info.md5) if info.md5 is not None else ("crc32c", info.crc32c)
        whole = ExactBody(body, info.size, expected, algorithm)
        sizes = segment_sizes(info.size, size)
        return [new.write(number, whole, each) for number, each in enumerate(sizes, start=1)]

    def _read_again(self, job: LargeJob, segments: Sequence[Segment]) -> None:
        """Read an object whose parts are not known, and not of the size that was assumed, a second time:
        bytes that arrive twice are those of the object. Raises BadDigest."""
        log.info("%s: the sizes of its parts are unknown; it is read twice instead", job.info.name)
        with self._open(job) as found:
            body = self._services.counted(found.body)
            for segment in segments:
                piece = Slice(body, segment.size)
                piece.skip()
                if piece.md5() != segment.md5:
                    raise BadDigest(f"{job.info.name}: two reads got different bytes")

    # Both

    def _open(self, job: LargeJob) -> GetResult:
        found = self._source.get_object(job.info.name, GetOptions(if_match=job.info.etag))
        try:
            self._check_same(job, found)
        except BaseException:
            found.close()
            raise
        return found

    @staticmethod
    def _check_same(job: LargeJob, found: GetResult) -> None:
        """Raise PreconditionFailed for another version than ``job.info``: some stores do not look at
        conditions."""
        if (found.info.etag, found.info.size) != (job.info.etag, job.info.size):
            raise PreconditionFailed(f"{job.info.name} was replaced meanwhile", status=412)

    def _new_segments(self, job: LargeJob, size: int) -> NewSegments:
        container = segments_container(job.container)
        self._services.put_container(container)
        base = segment_base(job.info.name, job.version, job.info.size, size)
        expiry = {name: value for name, value in job.headers.items() if name == "x-delete-at"}
        return NewSegments(self._writer, container, base, expiry, self._services.now)

    def _put_manifest(self, job: LargeJob, segments: Sequence[Segment]) -> None:
        etag = job.info.etag
        headers = {**job.object_headers, SOURCE_ETAG: etag}
        s3_etag = etag if parts_of(etag) else ""
        place = job.container, job.info.name
        put_manifest(self._writer, place, manifest_of(segments), headers, s3_etag)
