"""New segments of an object that is one object at the source, or too large here.

Their names tell the object, its version, its size and the size of the first one. So a new attempt overwrites
what one before it has left, and whoever restores the same version makes the same segments.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from s3_sync.cluster.client_writer import ClientWriter
from s3_sync.errors import BadDigest, SyncError
from s3_sync.largeobject.manifest import Segment
from s3_sync.model.migration import segment_name
from s3_sync.model.timestamps import Timestamp
from s3_sync.streams.reader import Body
from s3_sync.streams.slice import Slice

log = logging.getLogger("swift-s3-migrator")


class NewSegments:
    """The segments that one attempt writes. Thread-safe.

    Their X-Timestamp is the time of the attempt: a later one can overwrite them, and what has failed removes
    only its own. ``headers``: of each, besides that. ``container`` must exist.
    """

    def __init__(
        self,
        writer: ClientWriter,
        container: str,
        base: str,
        headers: dict[str, str],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._writer = writer
        self._container = container
        self._base = base
        self._attempt = Timestamp.from_seconds(now())
        self._headers = {**headers, "x-timestamp": self._attempt.internal}
        self._created: list[str] = []

    def write(self, number: int, body: Body, size: int) -> Segment:
        """Write the next ``size`` bytes of ``body`` as segment ``number``, from 1. Raises BadDigest if Swift
        got others than were read, LocalChanged if a concurrent attempt is newer, and what ``body`` raises."""
        name, piece = segment_name(self._base, number), Slice(body, size)
        if self._writer.find(self._container, name) is None:
            self._created.append(name)  # one that is there may belong to an object that is complete
        etag = self._writer.put_object(self._container, name, piece, self._headers)
        if not piece.done or etag != piece.md5():
            raise BadDigest(f"segment {self._container}/{name} was stored with MD5 {etag}, not {piece.md5()}")
        return Segment(self._container, name, size, etag)

    @contextmanager
    def undone_on_failure(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._undo()
            raise

    def _undo(self) -> None:
        """Remove what this attempt has created, unless another one has overwritten it. What cannot be removed
        now is overwritten by the next attempt."""
        for name in self._created:
            try:
                found = self._writer.find(self._container, name)
                if found is not None and found.timestamp == self._attempt:
                    self._writer.delete_object(self._container, name, self._attempt.after())
            except SyncError as error:
                log.warning("Could not remove segment %s/%s: %s", self._container, name, error)
