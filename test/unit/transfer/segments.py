"""Large objects of a local cluster in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

from s3_sync.errors import ObjectRefused, SegmentChanged
from s3_sync.largeobject.manifest import Manifest, Segment
from s3_sync.model.objects import ByteRange, LocalInfo, ObjectMeta
from s3_sync.model.timestamps import Timestamp
from s3_sync.state.expiries import Expiry
from s3_sync.state.left_segments import LeftSegment
from s3_sync.streams.reader import Body, BytesBody

T1, T2 = Timestamp.parse("1000000001.00000"), Timestamp.parse("1000000002.00000")


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


@dataclass
class Opened:
    """One open read; counted by ``FakeSegments.open_now`` until it is closed."""

    info: LocalInfo
    body: Body
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "plain"
    container: str = "c"

    def __enter__(self) -> Opened:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.body.close()


class _Counted(BytesBody):
    def __init__(self, data: bytes, closed: Callable[[], None]) -> None:
        super().__init__(data)
        self._closed: Callable[[], None] | None = closed

    def close(self) -> None:
        if self._closed is not None:
            self._closed()
            self._closed = None
        super().close()


class FakeSegments:
    """``objects``: (container, name) -> bytes. ``faults``: what the next opens raise, None = nothing.
    ``forbidden``: containers that may not hold segments."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.opened: list[tuple[str, ByteRange | None]] = []
        self.faults: list[BaseException | None] = []
        self.open_now = 0
        self.forbidden: set[str] = set()

    def put(self, name: str, data: bytes, container: str = "c_segments") -> dict[str, Any]:
        """Returns the entry of a stored manifest."""
        self.objects[container, name] = data
        return {"name": f"/{container}/{name}", "bytes": len(data), "hash": md5(data), "content_type": "x/y"}

    # What the product asks

    def of(self, account: str, container: str, allowed: Collection[str] = ()) -> FakeSegments:
        return self

    def check(self, manifest: Manifest) -> None:
        for segment in manifest.segments:
            if segment.container in self.forbidden:
                raise ObjectRefused("segments_elsewhere", segment.container)

    def dynamic(self, target: str) -> Manifest:
        container, _, prefix = target.partition("/")
        entries = [
            {"name": name, "bytes": len(data), "hash": md5(data)}
            for (place, name), data in sorted(self.objects.items())
            if place == container and name.startswith(prefix)
        ]
        return Manifest.from_listing(container, entries)

    def open(self, segment: Segment, byte_range: ByteRange | None = None) -> Opened:
        self.opened.append((segment.name, byte_range))
        if self.faults and (fault := self.faults.pop(0)):
            raise fault
        data = self.objects.get((segment.container, segment.name))
        if data is None or md5(data) != segment.md5:
            raise SegmentChanged(segment.path)
        if byte_range is not None:
            assert byte_range.last is not None
            data = data[byte_range.first : byte_range.last + 1]
        self.open_now += 1
        info = LocalInfo(segment.name, len(data), meta=ObjectMeta(), data_timestamp=T1, timestamp=T1)
        return Opened(info, _Counted(data, self._close))

    def _close(self) -> None:
        self.open_now -= 1


def slo(entries: Sequence[dict[str, Any]], name: str = "o", **user: str) -> Opened:
    """An SLO as the local reader opens it."""
    raw = json.dumps(list(entries)).encode()
    meta = ObjectMeta({"content-type": "text/x"}, user, {"x-static-large-object": "True"})
    info = LocalInfo(name, len(raw), md5(raw), meta=meta, data_timestamp=T1, timestamp=T2)
    return Opened(info, BytesBody(raw), {"x-static-large-object": "True"}, "slo")


def dlo(target: str, name: str = "o", **user: str) -> Opened:
    meta = ObjectMeta({"content-type": "text/x"}, user, {"x-object-manifest": target})
    info = LocalInfo(name, 0, md5(b""), meta=meta, data_timestamp=T1, timestamp=T2)
    return Opened(info, BytesBody(b""), {"x-object-manifest": target}, "dlo")


def later(opened: Opened, **user: str) -> Opened:
    """After a POST."""
    meta = replace(opened.info.meta, user=user)
    opened.body.rewind()
    return replace(opened, info=replace(opened.info, meta=meta, timestamp=Timestamp(T2.raw + 1)))


class FakeLedger:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.open: dict[str, str] = {}
        self.beginning: dict[int, str] = {}
        self._number = 0
        self.doubtful: set[str] = set()
        self.completions: list[str] = []
        self.expiries: list[Expiry] = []
        self.left: dict[tuple[str, str], LeftSegment] = {}
        self.manifests = False

    def starting(self, name: str) -> int:
        self._number += 1
        self.beginning[self._number] = name
        return self._number

    def start_failed(self, begin: int) -> None:
        del self.beginning[begin]

    def started(self, begin: int, name: str, upload_id: str) -> None:
        del self.beginning[begin]
        self.open[upload_id] = name

    def completing(self, upload_id: str) -> None:
        assert upload_id in self.open
        self.completions.append(upload_id)

    def finished(self, upload_id: str) -> None:
        self.open.pop(upload_id, None)

    def outcome_unknown(self, upload_id: str) -> None:
        self.doubtful.add(upload_id)

    def expires(self, expiry: Expiry) -> None:
        self.expiries.append(expiry)

    def segments_left(self, segments: Sequence[LeftSegment], due: float | None = None) -> None:
        self.left.update((each.place, each) for each in segments)

    def segments_named(self, segments: Sequence[LeftSegment]) -> None:
        for each in segments:
            self.left.pop(each.place, None)

    def manifest_written(self) -> None:
        self.manifests = True

    def may_hold_manifests(self) -> bool:
        return self.manifests


class Threads:
    """A pool of real threads. ``most``: how many ran at the same time."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._pool = ThreadPoolExecutor(size)

    def map(
        self, function: Callable[[Any], Any], items: Sequence[Any], timeout: float | None = None
    ) -> list[Any]:
        return list(self._pool.map(function, items))

    def spawn(self, function: Callable[[], object]) -> None:
        self._pool.submit(function)

    def kill(self) -> None:
        self._pool.shutdown()
