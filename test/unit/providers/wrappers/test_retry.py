"""What is repeated, how often, and after how long."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from s3_sync.errors import (
    BadDigest,
    InvalidRequest,
    LocalUnavailable,
    NotFound,
    PreconditionFailed,
    RemoteUnavailable,
    Throttled,
)
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ByteRange, GetOptions, ObjectMeta, PutOptions
from s3_sync.providers.base import ListQuery, MultipartUpload, Part, WriteOptions
from s3_sync.providers.large_objects import Manifests
from s3_sync.providers.memory import MemoryBucket, MemoryProvider
from s3_sync.providers.wrappers.delegate import DelegatingBucket, DelegatingUpload
from s3_sync.providers.wrappers.retry import RetryingBucket, RetryingProvider, RetryPolicy
from s3_sync.streams.reader import BytesBody


class Naps:
    """A clock that only counts, and randomness that is always the same."""

    def __init__(self, chance: float = 1.0) -> None:
        self.slept: list[float] = []
        self._chance = chance

    def policy(self, **fields: Any) -> RetryPolicy:
        return RetryPolicy(sleep=self.slept.append, random=lambda: self._chance, **fields)


class Flaky:
    """Raises what it was given, one after the other, then calls through to a bucket or provider."""

    def __init__(self, inner: Any, *failures: Exception) -> None:
        self._inner = inner
        self.failures = list(failures)
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            self.calls.append(name)
            if self.failures:
                failure = self.failures.pop(0)
                if arguments[1:] and hasattr(arguments[1], "read"):
                    arguments[1].read(3)  # a write fails after some bytes
                raise failure
            return found(*arguments, **named)

        return call


@pytest.fixture
def memory() -> Any:
    provider = MemoryProvider()
    provider.create_bucket("b")
    return provider.bucket("b", KeyNamer.literal(""))


class Once(BytesBody):
    def rewind(self) -> None:
        raise io.UnsupportedOperation("rewind")


def test_transient_errors_are_retried_with_growing_pauses(memory: Any) -> None:
    naps = Naps()
    flaky = Flaky(memory, *(RemoteUnavailable(str(n)) for n in range(3)))
    bucket = DelegatingBucket(flaky, naps.policy(attempts=4, base=0.5).call)
    assert bucket.list_objects(ListQuery()).objects == ()
    assert naps.slept == [0.5, 1.0, 2.0]


def test_pauses_are_random_and_have_a_maximum() -> None:
    naps = Naps(chance=0.25)
    policy = naps.policy(attempts=8, base=1.0, max_delay=4.0)
    with pytest.raises(RemoteUnavailable):
        policy.call(fail_with(RemoteUnavailable("down")))
    assert naps.slept == [0.25, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0]


def fail_with(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def test_failure_of_every_attempt_raises_the_last_error(memory: Any) -> None:
    naps = Naps()
    flaky = Flaky(memory, *(RemoteUnavailable(str(n)) for n in range(9)))
    with pytest.raises(RemoteUnavailable, match="^2$"):
        DelegatingBucket(flaky, naps.policy(attempts=3).call).head_object("x")
    assert len(flaky.calls) == 3
    assert len(naps.slept) == 2


@pytest.mark.parametrize(
    "error", [NotFound("x"), PreconditionFailed("x"), InvalidRequest("x"), LocalUnavailable("x")]
)
def test_permanent_or_local_error_is_not_retried(memory: Any, error: Exception) -> None:
    naps = Naps()
    flaky = Flaky(memory, error)
    with pytest.raises(type(error)):
        DelegatingBucket(flaky, naps.policy().call).delete_object("x")
    assert (len(flaky.calls), naps.slept) == (1, [])


def test_retry_after_is_the_least_pause(memory: Any) -> None:
    naps = Naps()
    flaky = Flaky(memory, Throttled("slow down", retry_after=7.0), Throttled("again", retry_after=0.1))
    DelegatingBucket(flaky, naps.policy(base=0.5).call).list_objects(ListQuery())
    assert naps.slept == [7.0, 1.0]


def test_retry_after_beyond_maximum_raises_throttled(memory: Any) -> None:
    naps = Naps()
    flaky = Flaky(memory, Throttled("come back tomorrow", retry_after=86400.0))
    with pytest.raises(Throttled):
        DelegatingBucket(flaky, naps.policy(max_retry_after=30.0).call).list_objects(ListQuery())
    assert naps.slept == []


def test_retried_put_object_sends_the_whole_body(memory: Any) -> None:
    flaky = Flaky(memory, RemoteUnavailable("cut"), BadDigest("garbled"))
    bucket = DelegatingBucket(flaky, Naps().policy().call)
    bucket.put_object("x", BytesBody(b"some data"), PutOptions(9))
    with memory.get_object("x") as result:
        assert result.body.read() == b"some data"


def test_put_or_part_with_a_body_without_rewind_is_sent_once(memory: Any) -> None:
    naps = Naps()
    flaky = Flaky(memory, RemoteUnavailable("cut"))
    with pytest.raises(RemoteUnavailable, match="cut"):
        DelegatingBucket(flaky, naps.policy().call).put_object("x", Once(b"data"), PutOptions(4))
    assert (flaky.calls, naps.slept) == (["put_object"], [])
    upload = memory.create_upload("x", ObjectMeta())
    flaky = Flaky(upload, RemoteUnavailable("cut"))
    with pytest.raises(RemoteUnavailable, match="cut"):
        DelegatingUpload(flaky, naps.policy().call).upload_part(1, Once(b"data"), 4)
    assert flaky.calls == ["upload_part"]


def test_error_while_a_body_is_rewound_is_raised(memory: Any) -> None:
    class Moved(BytesBody):
        def rewind(self) -> None:
            raise LocalUnavailable("the source is down")

    flaky = Flaky(memory, RemoteUnavailable("cut"))
    with pytest.raises(LocalUnavailable):
        DelegatingBucket(flaky, Naps().policy().call).put_object("x", Moved(b"data"), PutOptions(4))


CALLS: dict[str, Callable[[DelegatingBucket], Any]] = {
    "head_object": lambda bucket: bucket.head_object("x"),
    "get_object": lambda bucket: bucket.get_object("x", GetOptions()),
    "put_object": lambda bucket: bucket.put_object("x", BytesBody(b"data"), PutOptions(4)),
    "post_object": lambda bucket: bucket.post_object("x", ObjectMeta()),
    "delete_object": lambda bucket: bucket.delete_object("x"),
    "list_objects": lambda bucket: bucket.list_objects(ListQuery()),
    "create_upload": lambda bucket: bucket.create_upload("x", ObjectMeta()),
}
UPLOAD_CALLS: dict[str, Callable[[MultipartUpload], Any]] = {
    "upload_part": lambda upload: upload.upload_part(1, BytesBody(b"data"), 4),
    "copy_part": lambda upload: upload.copy_part(1, ByteRange(0, 3)),
    "complete": lambda upload: upload.complete([Part(1, "8d777f385d3dfec8815d20f7496026dc", 4)]),
    "abort": lambda upload: upload.abort(),
}
MANIFEST_CALLS: dict[str, Callable[[Manifests], Any]] = {
    "put": lambda manifests: manifests.put("x", b"[]"),
    "get": lambda manifests: manifests.get("x"),
    "delete": lambda manifests: manifests.delete("x"),
    "has_any": lambda manifests: manifests.has_any(),
}


@pytest.mark.parametrize("method", CALLS)
def test_every_method_of_delegating_bucket_is_retried(memory: Any, method: str) -> None:
    memory.put_object("x", BytesBody(b"before"), PutOptions(6))
    flaky = Flaky(memory, RemoteUnavailable("once"))
    CALLS[method](DelegatingBucket(flaky, Naps().policy().call))
    assert flaky.calls == [method, method]


@pytest.mark.parametrize("wrapper", [DelegatingBucket, RetryingBucket])
@pytest.mark.parametrize("opened", ["created", "by id"])
@pytest.mark.parametrize("method", UPLOAD_CALLS)
def test_every_method_of_multipart_upload_is_retried(
    memory: Any, monkeypatch: pytest.MonkeyPatch, method: str, opened: str, wrapper: type[DelegatingBucket]
) -> None:
    memory.put_object("x", BytesBody(b"before"), PutOptions(6))
    begun = memory.create_upload("x", ObjectMeta())
    begun.upload_part(1, BytesBody(b"data"), 4)
    flaky = Flaky(begun, RemoteUnavailable("once"))
    monkeypatch.setattr(memory, "create_upload", lambda *_: flaky)
    monkeypatch.setattr(memory, "upload_by_id", lambda *_: flaky)
    bucket = wrapper(memory, Naps().policy().call)
    create = opened == "created"
    upload = bucket.create_upload("x", ObjectMeta()) if create else bucket.upload_by_id("x", begun.upload_id)
    UPLOAD_CALLS[method](upload)
    assert flaky.calls == [method, method]
    assert (upload.name, upload.upload_id) == ("x", begun.upload_id)


@pytest.mark.parametrize("method", MANIFEST_CALLS)
def test_every_method_of_manifests_is_retried(
    memory: Any, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    memory.manifests.put("x", b"[]")
    flaky = Flaky(memory.manifests, RemoteUnavailable("once"))
    monkeypatch.setattr(MemoryBucket, "manifests", flaky)
    MANIFEST_CALLS[method](RetryingBucket(memory, Naps().policy().call).manifests)
    assert flaky.calls == [method, method]


def test_create_upload_of_retrying_bucket_is_not_retried(memory: Any) -> None:
    flaky = Flaky(memory, RemoteUnavailable("once"))
    with pytest.raises(RemoteUnavailable):
        RetryingBucket(flaky, Naps().policy().call).create_upload("x", ObjectMeta())
    assert flaky.calls == ["create_upload"]


def test_every_method_of_retrying_provider_is_retried() -> None:
    flaky = Flaky(MemoryProvider(), RemoteUnavailable("once"))
    provider = RetryingProvider(flaky, Naps().policy())
    provider.create_bucket("b")
    for call in (
        provider.list_buckets,
        lambda: provider.head_bucket("b"),
        lambda: provider.create_bucket("b"),
    ):
        flaky.failures.append(RemoteUnavailable("once"))
        call()
    assert [entry.name for entry in provider.list_buckets()] == ["b"]
    bucket = provider.bucket("b", KeyNamer.literal("p/"), WriteOptions("COLD"))
    bucket.put_object("x", BytesBody(b""), PutOptions(0))
    assert bucket.head_object("x").storage_class == "COLD"
    assert (bucket.name, bucket.namer.prefix, bucket.features.multipart) == ("b", "p/", True)
