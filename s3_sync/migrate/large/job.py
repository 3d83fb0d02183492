"""One object to copy, and what every way of copying needs."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from s3_sync.cluster.client_writer import ClientWriter
from s3_sync.model.objects import ObjectInfo
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import Bucket
from s3_sync.runtime.concurrency import Pool
from s3_sync.streams.counting import CountingBody
from s3_sync.streams.reader import Body
from s3_sync.transfer.restore import Limits


def _nothing(_: int) -> None: ...


@dataclass(frozen=True, slots=True)
class LargeServices:
    """``limits``: of the local cluster. ``parts``: another pool than the one in which objects are copied, so
    that objects that wait for their parts never keep them from running. ``count``: called with the bytes that
    were read from the source. ``prepare``: creates a container for segments, unless it exists; by default
    without further properties. ``allowed``: containers at the source that may hold segments besides the usual
    ones of the bucket; ``"*"``: any. ``source_digest``: the mapping's."""

    source: Bucket
    writer: ClientWriter
    limits: Limits
    parts: Pool
    count: Callable[[int], None] = _nothing
    prepare: Callable[[str], None] | None = None
    allowed: Collection[str] = ()
    now: Callable[[], float] = time.time
    source_digest: str = ""

    def put_container(self, container: str) -> None:
        (self.prepare or self.writer.put_container)(container)

    def counted(self, body: Body) -> CountingBody:
        return CountingBody(body, self.count)


@dataclass(frozen=True, slots=True)
class LargeJob:
    """One object to copy into ``container``. ``info``: from a HEAD or GET. ``version``: its X-Timestamp here.
    ``headers``: all others of a plain object, with the mark of the migration."""

    container: str
    info: ObjectInfo
    version: Timestamp
    headers: Mapping[str, str]

    @property
    def object_headers(self) -> dict[str, str]:
        return {**self.headers, "x-timestamp": self.version.internal}
