"""Instrumentation of remote stores: latencies and errors by operation, requests in flight, silence.

Plain numbers, one set per store; ``daemon.metrics`` exports them. As this runs for every request, it
costs two clock reads and a few additions.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from s3_sync.errors import RemoteError, RemoteUnavailable, SyncError
from s3_sync.largeobject.manifest import Manifest, Segment
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ByteRange, GetOptions, ObjectInfo, ObjectMeta, PutOptions, PutResult
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import (
    Bucket,
    Failures,
    GetResult,
    ListPage,
    ListQuery,
    MultipartUpload,
    OpenUpload,
    Part,
    Provider,
    WriteOptions,
)
from s3_sync.providers.large_objects import LargeObjects, Manifests
from s3_sync.providers.wrappers.delegate import (
    CallWrapper,
    DelegatingBucket,
    DelegatingLargeObjects,
    DelegatingManifests,
    DelegatingProvider,
    DelegatingUpload,
)
from s3_sync.streams.counting import CountingBody
from s3_sync.streams.reader import Body

#: upper bounds of the latency histogram's buckets, in seconds; a last bucket holds everything above
BOUNDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
#: bytes; more than the buffers of both ends and of the network hold: only bytes beyond that prove that a
#: store reads them while other requests get no response
MAX_BUFFERED = 16 << 20
#: seconds without a request after which a store counts as idle; retries come sooner
IDLE_AFTER = 300.0
#: error reason of a request that ended with an exception other than ours, such as a kill
BROKEN_OFF = "broken_off"
_WHOLE = GetOptions()
_PLAIN = WriteOptions()
_Result = TypeVar("_Result")


class Operation:
    """Statistics of one operation. ``buckets``: number of requests by latency; ``seconds``: their total;
    ``errors``: by reason."""

    __slots__ = ("buckets", "errors", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0
        self.errors: Counter[str] = Counter()


class _Request:
    """A request in flight. ``moved``: when a byte of its body was last read; ``sent``: how many were."""

    __slots__ = ("moved", "sent")

    def __init__(self, now: float) -> None:
        self.moved = now
        self.sent = 0


class Observer:
    """The statistics of one store. Times are monotonic seconds.

    Any response counts as one, a refusal or an internal error included; a timeout or a broken connection does
    not.
    """

    def __init__(self, store: str, now: Callable[[], float] = time.monotonic) -> None:
        self.store = store
        self.operations: dict[str, Operation] = {}
        self._now = now
        self._open: set[_Request] = set()
        #: since when there was neither a response nor a byte sent in spite of requests; None: not silent
        self._silent_since: float | None = None
        #: whether any request failed without a response since
        self._gave_up = False
        #: when the last request ended
        self._ended = now()

    @property
    def in_flight(self) -> int:
        return len(self._open)

    @property
    def oldest(self) -> float:
        """Seconds since the longest-stalled request in flight last moved; 0.0: none is in flight."""
        moved = [request.moved for request in tuple(self._open)]
        return max(0.0, self._now() - min(moved)) if moved else 0.0

    @property
    def silent_for(self) -> float:
        """Seconds since the store last responded to any request, those included that failed since; 0.0 when
        the store is idle."""
        since = self._silent_since
        return 0.0 if since is None or self.is_idle else max(0.0, self._now() - since)

    @property
    def is_idle(self) -> bool:
        """Whether there was no request for IDLE_AFTER seconds."""
        return not self._open and self._now() - self._ended > IDLE_AFTER

    def request(self, operation: str, function: Callable[[], _Result]) -> _Result:
        """Call ``function``, which sends a request, and return its result."""
        return self._measured(operation, function, _Request(self._now()))

    def upload(self, operation: str, body: Body, function: Callable[[Body], _Result]) -> _Result:
        """As ``request``, for a request that reads ``body``: a store that reads bytes is alive. But if other
        requests have just failed without a response, those bytes may only have filled buffers."""
        request = _Request(self._now())

        def moved(size: int) -> None:
            request.moved = now = self._now()
            request.sent += size
            if self._silent_since is not None and (not self._gave_up or request.sent > MAX_BUFFERED):
                self._silent_since = now

        return self._measured(operation, lambda: function(CountingBody(body, moved)), request)

    def _measured(self, operation: str, function: Callable[[], _Result], request: _Request) -> _Result:
        started = request.moved
        if self._silent_since is None or self.is_idle:
            self._silent_since, self._gave_up = started, False
        self._open.add(request)
        error: BaseException | None = None
        try:
            return function()
        except BaseException as problem:
            error = problem
            raise
        finally:
            self._open.discard(request)
            self._ended = self._now()
            self._record_response(error)
            self._count(operation, self._ended - started, error)

    def _record_response(self, error: BaseException | None) -> None:
        """Update the silence. A request that failed for a local reason, such as an unreadable source or a
        kill, says nothing about the store and is ignored."""
        if isinstance(error, RemoteUnavailable) and not error.status:
            self._gave_up = True
        elif error is None or isinstance(error, RemoteError) or not (self._gave_up or self._open):
            self._silent_since = None

    def _count(self, operation: str, seconds: float, error: BaseException | None) -> None:
        statistics = self.operations.get(operation)
        if statistics is None:
            statistics = self.operations[operation] = Operation()
        statistics.buckets[bisect_left(BOUNDS, seconds)] += 1
        statistics.seconds += seconds
        if error is not None:
            statistics.errors[error.reason if isinstance(error, SyncError) else BROKEN_OFF] += 1


class InstrumentedBucket(DelegatingBucket):
    """A bucket whose requests are measured. One operation is one method, of an upload or of manifests,
    too; a few of them, such as a delete with its manifest, send two requests."""

    def __init__(self, bucket: Bucket, observer: Observer) -> None:
        super().__init__(bucket, _other(observer))
        self._observer = observer

    @property
    def manifests(self) -> Manifests:
        return _InstrumentedManifests(self._bucket.manifests, self._observer)

    @property
    def large_objects(self) -> LargeObjects:
        large = self._bucket.large_objects
        return _InstrumentedLargeObjects(large, self._call, self._about, self._around, self._observer)

    def _around(self, bucket: Bucket) -> Bucket:
        return InstrumentedBucket(bucket, self._observer)

    def head_object(self, name: str) -> ObjectInfo:
        return self._observer.request("head_object", lambda: self._bucket.head_object(name))

    def get_object(self, name: str, options: GetOptions = _WHOLE) -> GetResult:
        return self._observer.request("get_object", lambda: self._bucket.get_object(name, options))

    def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
        return self._observer.upload(
            "put_object", body, lambda counted: self._bucket.put_object(name, counted, options)
        )

    def post_object(self, name: str, meta: ObjectMeta, if_match: str | None = None) -> None:
        self._observer.request("post_object", lambda: self._bucket.post_object(name, meta, if_match))

    def delete_object(self, name: str, deleted_at: Timestamp | None = None) -> bool:
        return self._observer.request("delete_object", lambda: self._bucket.delete_object(name, deleted_at))

    def delete_objects(self, names: Sequence[str]) -> Failures:
        return self._observer.request("delete_objects", lambda: self._bucket.delete_objects(names))

    def list_objects(self, query: ListQuery) -> ListPage:
        return self._observer.request("list_objects", lambda: self._bucket.list_objects(query))

    def create_upload(self, name: str, meta: ObjectMeta) -> MultipartUpload:
        return self._wrapped(
            self._observer.request("create_upload", lambda: self._bucket.create_upload(name, meta))
        )

    def _wrapped(self, upload: MultipartUpload) -> MultipartUpload:
        return _InstrumentedUpload(upload, self._observer)

    def list_uploads(self, name: str | None = None) -> Iterator[OpenUpload]:
        return iter(self._observer.request("list_uploads", lambda: list(self._bucket.list_uploads(name))))


class _InstrumentedUpload(DelegatingUpload):
    def __init__(self, upload: MultipartUpload, observer: Observer) -> None:
        super().__init__(upload, _other(observer))
        self._observer = observer

    def upload_part(self, number: int, body: Body, size: int, md5: str | None = None) -> Part:
        return self._observer.upload(
            "upload_part", body, lambda counted: self._upload.upload_part(number, counted, size, md5)
        )

    def copy_part(self, number: int, byte_range: ByteRange, if_match: str | None = None) -> Part:
        return self._observer.request(
            "copy_part", lambda: self._upload.copy_part(number, byte_range, if_match)
        )

    def complete(
        self, parts: Sequence[Part], if_match: str | None = None, if_absent: bool = False
    ) -> PutResult:
        return self._observer.request(
            "complete_upload", lambda: self._upload.complete(parts, if_match, if_absent)
        )

    def abort(self) -> None:
        self._observer.request("abort_upload", self._upload.abort)


class _InstrumentedManifests(DelegatingManifests):
    def __init__(self, manifests: Manifests, observer: Observer) -> None:
        call = _other(observer)
        super().__init__(manifests, call, lambda name: call)
        self._observer = observer

    def put(self, name: str, manifest: bytes) -> None:
        self._observer.request("put_manifest", lambda: self._manifests.put(name, manifest))

    def get(self, name: str) -> bytes:
        return self._observer.request("get_manifest", lambda: self._manifests.get(name))

    def delete(self, name: str) -> None:
        self._observer.request("delete_manifest", lambda: self._manifests.delete(name))


class _InstrumentedLargeObjects(DelegatingLargeObjects):
    def __init__(
        self,
        large: LargeObjects,
        call: CallWrapper,
        about: Callable[[str], CallWrapper],
        around: Callable[[Bucket], Bucket],
        observer: Observer,
    ) -> None:
        super().__init__(large, call, about, around)
        self._observer = observer

    def put_static(self, name: str, segments: Sequence[Segment], options: PutOptions) -> PutResult:
        return self._observer.request("put_manifest", lambda: self._large.put_static(name, segments, options))

    def manifest(self, name: str) -> Manifest:
        return self._observer.request("get_manifest", lambda: self._large.manifest(name))


def _other(observer: Observer) -> CallWrapper:
    """Measures a request as the operation ``other``."""
    return lambda function, body=None: observer.request("other", function)


class InstrumentedProvider(DelegatingProvider):
    """A provider whose requests, and whose buckets' requests, are measured."""

    def __init__(self, provider: Provider, observer: Observer) -> None:
        super().__init__(provider, _other(observer))
        self._observer = observer

    def bucket(self, name: str, namer: KeyNamer, write: WriteOptions = _PLAIN) -> InstrumentedBucket:
        return InstrumentedBucket(self._provider.bucket(name, namer, write), self._observer)


class Observers:
    """The observers of all stores in use."""

    def __init__(self) -> None:
        self._observers: dict[str, Observer] = {}

    def of(self, store: str) -> Observer:
        if store not in self._observers:
            self._observers[store] = Observer(store)
        return self._observers[store]

    def __iter__(self) -> Iterator[Observer]:
        return iter(list(self._observers.values()))
