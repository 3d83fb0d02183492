"""What a remote store is asked, how long it takes to answer, and how long it has said nothing.

Plain numbers, one set for each store; ``sync.metrics`` makes metrics of them. Time is spent on every request,
so this is two looks at the clock and a few additions.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from s3_sync.errors import RemoteError, RemoteUnavailable, SyncError
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ByteRange, GetOptions, ObjectInfo, ObjectMeta, PutOptions, PutResult
from s3_sync.providers.base import (
    Bucket,
    Failures,
    GetResult,
    ListPage,
    ListQuery,
    OpenUpload,
    Part,
    Provider,
    WriteOptions,
)
from s3_sync.providers.wrappers.delegate import DelegatingBucket, DelegatingProvider
from s3_sync.streams.counting import MeteredBody
from s3_sync.streams.reader import Body

#: upper bounds of the classes of latency, in seconds; a last class is above all of them
BOUNDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
#: more than the buffers of both ends and of the network hold: only bytes beyond that show that a store takes
#: them, where others wait for an answer in vain
BUFFERED = 16 << 20
#: a store that does not answer is asked again sooner than this, in seconds, by whoever wants something of it
FORGOTTEN = 300.0
#: reason of a request that ended with something that is no error of ours, such as a kill
BROKEN_OFF = "broken_off"
_WHOLE = GetOptions()
_PLAIN = WriteOptions()
_Result = TypeVar("_Result")


class Operation:
    """``classes``: how many requests took so long; ``seconds``: of all of them together; ``errors``: by
    reason."""

    __slots__ = ("classes", "errors", "seconds")

    def __init__(self) -> None:
        self.classes = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0
        self.errors: Counter[str] = Counter()


class _Request:
    """``moved``: when a byte was last taken; ``taken``: how many were."""

    __slots__ = ("moved", "taken")

    def __init__(self, now: float) -> None:
        self.moved = now
        self.taken = 0


class Observer:
    """One for each store. Times are monotonic seconds.

    An *answer* is any: a refusal and an internal error are one, a time-out and a broken connection are not.
    """

    def __init__(self, store: str, now: Callable[[], float] = time.monotonic) -> None:
        self.store = store
        self.operations: dict[str, Operation] = {}
        self._now = now
        self._open: set[_Request] = set()
        #: since when there was no answer, and no byte taken, although there was a request; None = all is well
        self._silent_since: float | None = None
        #: whether requests have been given up since
        self._in_vain = False
        #: when the last request ended
        self._ended = now()

    @property
    def in_flight(self) -> int:
        return len(self._open)

    @property
    def oldest(self) -> float:
        """For how long the request in flight that waits longest has not moved; 0 = there is none."""
        begun = [request.moved for request in tuple(self._open)]
        return max(0.0, self._now() - min(begun)) if begun else 0.0

    @property
    def silent(self) -> float:
        """For how long the store has said nothing to any request, those included that were given up; 0 when
        nobody asks it any more."""
        since = self._silent_since
        return 0.0 if since is None or self.is_forgotten else max(0.0, self._now() - since)

    @property
    def is_forgotten(self) -> bool:
        """Nobody has asked for a while."""
        return not self._open and self._now() - self._ended > FORGOTTEN

    def request(self, operation: str, function: Callable[[], _Result]) -> _Result:
        """The result of ``function``, which makes a request."""
        return self._watched(operation, function, _Request(self._now()))

    def upload(self, operation: str, body: Body, function: Callable[[Body], _Result]) -> _Result:
        """The same for a request that reads ``body``: whoever takes bytes is alive. But what is read for a
        store that has just left others without an answer may only have gone into a buffer."""
        request = _Request(self._now())

        def moved(size: int) -> None:
            request.moved = now = self._now()
            request.taken += size
            if self._silent_since is not None and (not self._in_vain or request.taken > BUFFERED):
                self._silent_since = now

        return self._watched(operation, lambda: function(MeteredBody(body, moved)), request)

    def _watched(self, operation: str, function: Callable[[], _Result], request: _Request) -> _Result:
        begun = request.moved
        if self._silent_since is None or self.is_forgotten:
            self._silent_since, self._in_vain = begun, False
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
            self._heard(error)
            self._count(operation, self._ended - begun, error)

    def _heard(self, error: BaseException | None) -> None:
        """What ends for a reason of its own, such as a source that cannot be read or a kill, tells nothing of
        the store: it counts as if it had not been."""
        if isinstance(error, RemoteUnavailable) and not error.status:
            self._in_vain = True
        elif error is None or isinstance(error, RemoteError) or not (self._in_vain or self._open):
            self._silent_since = None

    def _count(self, operation: str, seconds: float, error: BaseException | None) -> None:
        counted = self.operations.get(operation)
        if counted is None:
            counted = self.operations[operation] = Operation()
        counted.classes[bisect_left(BOUNDS, seconds)] += 1
        counted.seconds += seconds
        if error is not None:
            counted.errors[error.reason if isinstance(error, SyncError) else BROKEN_OFF] += 1


class ObservedBucket(DelegatingBucket):
    """A bucket whose requests are watched. One operation is one method; a few of them, such as a delete with
    its manifest, make two requests."""

    def __init__(self, bucket: Bucket, observer: Observer) -> None:
        super().__init__(bucket, lambda function, body=None: observer.request("other", function))
        self._watch = observer

    def head_object(self, name: str) -> ObjectInfo:
        return self._watch.request("head_object", lambda: self._bucket.head_object(name))

    def get_object(self, name: str, options: GetOptions = _WHOLE) -> GetResult:
        return self._watch.request("get_object", lambda: self._bucket.get_object(name, options))

    def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
        return self._watch.upload(
            "put_object", body, lambda watched: self._bucket.put_object(name, watched, options)
        )

    def post_object(self, name: str, meta: ObjectMeta, if_match: str | None = None) -> None:
        self._watch.request("post_object", lambda: self._bucket.post_object(name, meta, if_match))

    def delete_object(self, name: str) -> bool:
        return self._watch.request("delete_object", lambda: self._bucket.delete_object(name))

    def delete_objects(self, names: Sequence[str]) -> Failures:
        return self._watch.request("delete_objects", lambda: self._bucket.delete_objects(names))

    def list_objects(self, query: ListQuery) -> ListPage:
        return self._watch.request("list_objects", lambda: self._bucket.list_objects(query))

    def create_upload(self, name: str, meta: ObjectMeta) -> str:
        return self._watch.request("create_upload", lambda: self._bucket.create_upload(name, meta))

    def upload_part(
        self, name: str, upload_id: str, number: int, body: Body, size: int, md5: str | None = None
    ) -> Part:
        return self._watch.upload(
            "upload_part",
            body,
            lambda watched: self._bucket.upload_part(name, upload_id, number, watched, size, md5),
        )

    def copy_part(
        self, name: str, upload_id: str, number: int, byte_range: ByteRange, if_match: str | None = None
    ) -> Part:
        return self._watch.request(
            "copy_part", lambda: self._bucket.copy_part(name, upload_id, number, byte_range, if_match)
        )

    def complete_upload(
        self,
        name: str,
        upload_id: str,
        parts: Sequence[Part],
        if_match: str | None = None,
        if_absent: bool = False,
    ) -> PutResult:
        return self._watch.request(
            "complete_upload",
            lambda: self._bucket.complete_upload(name, upload_id, parts, if_match, if_absent),
        )

    def abort_upload(self, name: str, upload_id: str) -> None:
        self._watch.request("abort_upload", lambda: self._bucket.abort_upload(name, upload_id))

    def list_uploads(self, name: str | None = None) -> Iterator[OpenUpload]:
        return iter(self._watch.request("list_uploads", lambda: list(self._bucket.list_uploads(name))))

    def put_manifest(self, name: str, manifest: bytes) -> None:
        self._watch.request("put_manifest", lambda: self._bucket.put_manifest(name, manifest))

    def get_manifest(self, name: str) -> bytes:
        return self._watch.request("get_manifest", lambda: self._bucket.get_manifest(name))

    def delete_manifest(self, name: str) -> None:
        self._watch.request("delete_manifest", lambda: self._bucket.delete_manifest(name))


class ObservedProvider(DelegatingProvider):
    """A provider the requests of whose buckets are watched."""

    def __init__(self, provider: Provider, observer: Observer) -> None:
        super().__init__(provider, lambda function, body=None: observer.request("other", function))
        self._observer = observer

    def bucket(self, name: str, namer: KeyNamer, write: WriteOptions = _PLAIN) -> ObservedBucket:
        return ObservedBucket(self._provider.bucket(name, namer, write), self._observer)


class Observers:
    """One for each store that is asked."""

    def __init__(self) -> None:
        self._observers: dict[str, Observer] = {}

    def of(self, store: str) -> Observer:
        if store not in self._observers:
            self._observers[store] = Observer(store)
        return self._observers[store]

    def __iter__(self) -> Iterator[Observer]:
        return iter(list(self._observers.values()))
