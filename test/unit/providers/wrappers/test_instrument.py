"""What is counted about requests, and when a store counts as silent."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from s3_sync.errors import LocalChanged, NotFound, RemoteError, RemoteUnavailable, Throttled
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ByteRange, ObjectMeta, PutOptions
from s3_sync.providers.memory import MemoryProvider
from s3_sync.providers.wrappers.instrument import (
    BOUNDS,
    BROKEN_OFF,
    IDLE_AFTER,
    MAX_BUFFERED,
    InstrumentedProvider,
    Observer,
)
from s3_sync.streams.reader import BytesBody


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time

    def takes(self, seconds: float, error: BaseException | None = None) -> Any:
        """A request that takes so long, and ends like this."""

        def request() -> str:
            self.time += seconds
            if error is not None:
                raise error
            return "answer"

        return request


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def observer(clock: Clock) -> Observer:
    return Observer("store", clock)


def fails(observer: Observer, clock: Clock, seconds: float, error: BaseException) -> None:
    with pytest.raises(type(error)):
        observer.request("head_object", clock.takes(seconds, error))


class TestRequests:
    def test_answered_requests_are_counted_by_duration(self, observer: Observer, clock: Clock) -> None:
        for seconds in (0.001, 0.01, 0.011, 99.0, 1000.0):
            assert observer.request("head_object", clock.takes(seconds)) == "answer"
        counted = observer.operations["head_object"]
        assert counted.buckets == [2, 1, 0, 0, 0, 0, 0, 0, 1, 1]
        assert len(counted.buckets) == len(BOUNDS) + 1
        assert counted.seconds == pytest.approx(1099.022)
        assert not counted.errors

    def test_failed_requests_are_counted_as_errors_too(self, observer: Observer, clock: Clock) -> None:
        fails(observer, clock, 1.0, NotFound("no"))
        fails(observer, clock, 1.0, RemoteUnavailable("no", status=503))
        fails(observer, clock, 1.0, KeyboardInterrupt())
        counted = observer.operations["head_object"]
        assert sum(counted.buckets) == 3
        assert counted.errors == {"remote_not_found": 1, "remote_unavailable": 1, BROKEN_OFF: 1}

    def test_nested_requests_are_counted_in_flight_with_oldest_age(
        self, observer: Observer, clock: Clock
    ) -> None:
        seen: list[tuple[int, float]] = []

        def request() -> None:
            clock.time += 5.0
            seen.append((observer.in_flight, observer.oldest))

        observer.request("list_objects", lambda: (request(), observer.request("head_object", request)))
        assert seen == [(1, 5.0), (2, 10.0)]
        assert (observer.in_flight, observer.oldest) == (0, 0.0)


def test_requests_are_counted_by_operation(observer: Observer) -> None:
    provider = MemoryProvider()
    provider.create_bucket("b")
    bucket = InstrumentedProvider(provider, observer).bucket("b", KeyNamer.literal(""))
    bucket.put_object("x", BytesBody(b"data"), PutOptions(4))
    upload = bucket.create_upload("x", ObjectMeta())
    parts = [upload.copy_part(1, ByteRange(0, 3)), upload.upload_part(2, BytesBody(b"x"), 1)]
    bucket.upload_by_id("x", upload.upload_id).complete(parts[1:])
    upload.abort()
    bucket.manifests.put("x", b"[]")
    bucket.manifests.get("x")
    bucket.manifests.delete("x")
    bucket.manifests.has_any()
    assert {name: sum(each.buckets) for name, each in observer.operations.items()} == {
        "put_object": 1,
        "create_upload": 1,
        "copy_part": 1,
        "upload_part": 1,
        "complete_upload": 1,
        "abort_upload": 1,
        "put_manifest": 1,
        "get_manifest": 1,
        "delete_manifest": 1,
        "other": 1,
    }


class TestSilence:
    def test_requests_that_time_out_prolong_the_silence(self, observer: Observer, clock: Clock) -> None:
        assert observer.silent_for == 0.0
        fails(observer, clock, 60.0, RemoteUnavailable("timed out"))
        assert observer.silent_for == 60.0
        clock.time += IDLE_AFTER  # nobody asks
        fails(observer, clock, 60.0, RemoteUnavailable("timed out"))
        assert observer.silent_for == 420.0

    def test_silence_without_further_requests_ends_as_idle(self, observer: Observer, clock: Clock) -> None:
        """No requests come when a store's mappings were taken out, or paused."""
        fails(observer, clock, 60.0, RemoteUnavailable("timed out"))
        clock.time += IDLE_AFTER + 1.0
        assert (observer.silent_for, observer.is_idle) == (0.0, True)
        fails(observer, clock, 60.0, RemoteUnavailable("timed out"))
        assert (observer.silent_for, observer.is_idle) == (60.0, False)

    def test_upload_that_fits_into_a_buffer_does_not_end_the_silence(
        self, observer: Observer, clock: Clock
    ) -> None:
        """A frozen store: its kernel takes what fits, each time that the upload is tried again."""
        seen: list[float] = []

        def send(body: Any) -> None:
            body.read()
            clock.time += 60.0
            seen.append(observer.silent_for)
            raise RemoteUnavailable("timed out")

        for _ in range(4):
            with pytest.raises(RemoteUnavailable):
                observer.upload("put_object", BytesBody(b"abc"), send)
        assert seen == [60.0, 120.0, 180.0, 240.0]

    def test_upload_larger_than_a_buffer_ends_the_silence(self, observer: Observer, clock: Clock) -> None:
        """One of two uploads is given up, and the other goes on slowly."""
        seen: list[float] = []

        def send(body: Any) -> None:
            while body.read(MAX_BUFFERED // 2):
                clock.time += 10.0
                seen.append(observer.silent_for)

        fails(observer, clock, 60.0, RemoteUnavailable("timed out"))
        observer.upload("put_object", BytesBody(bytes(2 * MAX_BUFFERED)), send)
        assert seen == [70.0, 80.0, 10.0, 10.0]

    @pytest.mark.parametrize(
        "error", [None, NotFound("no", status=404), RemoteUnavailable("no", status=500), Throttled("no")]
    )
    def test_any_answer_ends_the_silence(
        self, observer: Observer, clock: Clock, error: RemoteError | None
    ) -> None:
        fails(observer, clock, 60.0, RemoteUnavailable("timed out"))
        if error is None:
            observer.request("head_object", clock.takes(1.0))
        else:
            fails(observer, clock, 1.0, error)
        clock.time += 1000.0
        assert observer.silent_for == 0.0

    def test_local_error_begins_no_silence(self, observer: Observer, clock: Clock) -> None:
        fails(observer, clock, 60.0, LocalChanged("no"))
        assert observer.silent_for == 0.0

    def test_local_error_after_a_timeout_does_not_end_the_silence(
        self, observer: Observer, clock: Clock
    ) -> None:
        fails(observer, clock, 60.0, RemoteUnavailable("timed out"))
        fails(observer, clock, 60.0, LocalChanged("no"))
        assert observer.silent_for == 120.0

    def test_local_error_beside_a_hanging_request_does_not_end_its_silence(
        self, observer: Observer, clock: Clock
    ) -> None:
        waiting, stop = threading.Event(), threading.Event()

        def hangs() -> None:
            waiting.set()
            stop.wait()

        thread = threading.Thread(target=observer.request, args=("head_object", hangs))
        thread.start()
        waiting.wait()
        fails(observer, clock, 60.0, LocalChanged("no"))
        assert observer.silent_for == 60.0
        stop.set()
        thread.join()
        assert observer.silent_for == 0.0

    def test_upload_of_which_bytes_are_read_ends_the_silence(self, observer: Observer, clock: Clock) -> None:
        seen: list[tuple[float, float]] = []

        def send(body: Any) -> None:
            assert body.length == 3
            for _ in range(3):
                clock.time += 50.0
                seen.append((observer.silent_for, observer.oldest))
                assert body.read(1)

        observer.upload("put_object", BytesBody(b"abc"), send)
        assert seen == [(50.0, 50.0)] * 3
        assert observer.operations["put_object"].seconds == 150.0
