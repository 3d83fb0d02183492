"""Two proxy workers restore the same object, step by step in any order: what is there is always whole."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3_sync.errors import LocalChanged, LocalUnavailable, SyncError
from s3_sync.largeobject.manifest import Manifest
from s3_sync.model.objects import LocalInfo, ObjectInfo, ObjectMeta
from s3_sync.model.timestamps import Timestamp
from s3_sync.streams.reader import Body, BytesBody, read_all
from s3_sync.transfer.restore import Limits, RestoreJob, restore

DATA = bytes(range(120))
LIMITS = Limits(max_object=50, max_segments=3, segment_size=40)
SEGMENTS = [(f"c_segments/{number}", DATA[number * 40 : number * 40 + 40]) for number in range(3)]


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


class Turns:
    """Lets one of two threads run at a time; ``order`` says which, step by step, as long as both run."""

    def __init__(self, order: list[int]) -> None:
        self._order: Iterator[int] = iter(order)
        self._changed = threading.Condition()
        self._running = {0, 1}
        self._turn = next(self._order, 0)

    def wait(self, me: int) -> None:
        with self._changed:
            self._pass_on()
            assert self._changed.wait_for(lambda: self._turn == me, 20)

    def end(self, me: int) -> None:
        with self._changed:
            self._running.discard(me)
            self._pass_on()

    def begin(self, me: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._turn == me, 20)

    def _pass_on(self) -> None:
        wanted = next(self._order, 0)
        self._turn = wanted if wanted in self._running else next(iter(self._running), wanted)
        self._changed.notify_all()


@dataclass
class Cluster:
    """Path -> X-Timestamp and bytes, None for a tombstone; the paths of an SLO's segments."""

    objects: dict[str, tuple[Timestamp, bytes | None]] = field(default_factory=dict)
    segments: dict[str, list[str]] = field(default_factory=dict)

    def read(self, path: str) -> bytes | None:
        return self.objects.get(path, (None, None))[1]


class Worker:
    """A LocalWriter, and the body that it is given. ``leaves_after``: reads until its client is gone."""

    def __init__(self, cluster: Cluster, turns: Turns, me: int, leaves_after: int) -> None:
        self.cluster = cluster
        self.turns = turns
        self.me = me
        self.time = Timestamp.from_seconds(1_700_000_000 + me)
        self._left = leaves_after

    # the body

    length = len(DATA)

    def read(self, size: int = -1) -> bytes:
        self.turns.wait(self.me)
        self._left -= 1
        if self._left < 0:
            raise LocalUnavailable("the client went away")
        return self._body.read(min(size, 25) if size > 0 else 25)

    def rewind(self) -> None: ...

    def close(self) -> None: ...

    # the writer

    def put_container(self, container: str) -> None:
        self.turns.wait(self.me)

    def put_object(
        self, container: str, name: str, body: Body, headers: Mapping[str, str], query: str = ""
    ) -> None:
        path = f"{container}/{name}"
        self.turns.wait(self.me)
        data = read_all(body)
        self.turns.wait(self.me)
        there = self.cluster.objects.get(path)
        if there is not None and there[0] >= self.time:
            raise LocalChanged("something newer is there")
        if headers.get("if-none-match") == "*" and self.cluster.read(path) is not None:
            raise LocalChanged("something is there")
        if query:
            paths = [entry["path"].lstrip("/") for entry in json.loads(data)]
            if any(self.cluster.read(segment) is None for segment in paths):
                raise LocalUnavailable("a segment is not there")
            self.cluster.segments[path] = paths
            data = DATA
        self.cluster.objects[path] = self.time, data

    def find(self, container: str, name: str) -> LocalInfo | None:
        self.turns.wait(self.me)
        time, data = self.cluster.objects.get(f"{container}/{name}", (None, None))
        if data is None:
            return None
        return LocalInfo(name, len(data), md5(data), meta=ObjectMeta(), data_timestamp=time, timestamp=time)

    def delete_object(self, container: str, name: str, timestamp: Timestamp) -> None:
        self.turns.wait(self.me)
        path = f"{container}/{name}"
        if path in self.cluster.objects and self.cluster.objects[path][0] < timestamp:
            self.cluster.objects[path] = timestamp, None

    def run(self, manifest: Manifest | None) -> None:
        self._body = BytesBody(DATA)
        info = ObjectInfo("o", len(DATA), "e", md5(DATA), 1_600_000_000.0, meta=ObjectMeta())
        self.turns.begin(self.me)
        try:
            restore(self, RestoreJob("c", info, manifest, self.time), self, LIMITS)
        except SyncError:
            pass
        finally:
            self.turns.end(self.me)


def manifest_of_segments() -> Manifest:
    entries = [{"name": f"/{path}", "bytes": len(data), "hash": md5(data)} for path, data in SEGMENTS]
    return Manifest.parse(json.dumps(entries).encode())


@pytest.mark.parametrize("manifest", [None, manifest_of_segments()], ids=["cut", "by its manifest"])
@settings(max_examples=100, deadline=None)
@given(
    order=st.lists(st.integers(0, 1), max_size=60),
    leave=st.tuples(*[st.sampled_from([100, 100, 1, 3, 5, 7])] * 2),
)
def test_two_concurrent_restores_leave_a_whole_object(
    manifest: Manifest | None, order: list[int], leave: tuple[int, int]
) -> None:
    cluster = Cluster()
    turns = Turns(order)
    workers = [Worker(cluster, turns, me, leave[me]) for me in (0, 1)]
    threads = [threading.Thread(target=worker.run, args=(manifest,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    if cluster.read("c/o") is not None:
        parts = [cluster.read(path) for path in cluster.segments["c/o"]]
        assert b"".join(part or b"" for part in parts) == DATA
    elif leave[0] == leave[1] == 100:
        raise AssertionError("nobody restored it")
