"""One object to one bucket: whole, in parts, or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3_sync.errors import (
    BadDigest,
    LocalChanged,
    NotFound,
    ObjectRefused,
    PreconditionFailed,
    RemoteUnavailable,
)
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ByteRange, ObjectInfo, ObjectMeta, PutOptions
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import GIB, MIB, Bucket, Features, Limits, Part
from s3_sync.providers.memory import MemoryBucket, MemoryProvider
from s3_sync.streams.metered import MeteredBody
from s3_sync.streams.reader import Body, BytesBody
from s3_sync.transfer.parts import part_size
from s3_sync.transfer.source import OpenObject, Source
from s3_sync.transfer.upload import Overwrite, remote_meta, upload

SMALL = Limits(max_put=100, max_copy=100, min_part=10, max_part=40, max_parts=20, max_name=60)
T1, T2 = Timestamp.parse("1000000001.00000"), Timestamp.parse("1000000002.00000")
META = ObjectMeta({"content-type": "text/plain"}, {"colour": "blü"}, {"x-delete-at": "1999999999"})


@dataclass
class Opened:
    """One open read."""

    info: ObjectInfo
    body: Body
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "plain"


class LocalFile:
    """One object of the local cluster. ``before_read`` is called for each chunk with the reads so far."""

    def __init__(self, data: bytes, name: str = "o") -> None:
        self.data = data
        self.info = ObjectInfo(
            name, len(data), md5=hashlib.md5(data).hexdigest(), meta=META, data_timestamp=T1, timestamp=T2
        )
        self.opened: list[ByteRange | None] = []
        self.open_now = 0
        self.counted = 0

    @contextmanager
    def open(self, expect: Timestamp | None, byte_range: ByteRange | None) -> Iterator[OpenObject]:
        if expect is not None and expect != self.info.data_timestamp:
            raise LocalChanged("another version")
        self.opened.append(byte_range)
        data = self.data
        if byte_range is not None:
            assert byte_range.last is not None
            data = data[byte_range.first : byte_range.last + 1]
        self.open_now += 1
        try:
            yield Opened(self.info, BytesBody(data))
        finally:
            self.open_now -= 1

    def count(self, size: int) -> None:
        self.counted += size

    @property
    def source(self) -> Source:
        return Source(self.info.name, self.open, self.count)


def memory(limits: Limits = SMALL) -> MemoryBucket:
    provider = MemoryProvider(limits=limits)
    provider.create_bucket("b")
    return provider.bucket("b", KeyNamer.literal("p/"))


def unfinished(bucket: MemoryBucket) -> int:
    return len(bucket._provider.store("b").uploads)


def content(bucket: Bucket, name: str = "o") -> bytes:
    with bucket.get_object(name) as result:
        return result.body.read()


def send(bucket: Bucket, local: LocalFile, overwrite: Overwrite | None = None) -> None:
    with local.open(None, None) as opened:
        upload(bucket, local.source, opened, overwrite or Overwrite())
    assert local.open_now == 0


def watch(monkeypatch: pytest.MonkeyPatch, bucket: MemoryBucket) -> list[str]:
    """The names of the calls that reach the bucket."""
    calls: list[str] = []
    for name in (
        "head_object",
        "put_object",
        "create_upload",
        "upload_part",
        "complete_upload",
        "abort_upload",
    ):
        real: Callable[..., Any] = getattr(bucket, name)

        def call(*arguments: Any, name: str = name, real: Callable[..., Any] = real, **named: Any) -> Any:
            calls.append(name)
            return real(*arguments, **named)

        monkeypatch.setattr(bucket, name, call)
    return calls


class TestPartSize:
    @given(
        st.integers(1, 5 * 1024**4),
        st.sampled_from([Limits(), SMALL, Limits(max_put=100 * MIB, max_part=100 * MIB, min_part=1)]),
    )
    @settings(deadline=None, max_examples=300)
    def test_is_legal(self, size: int, limits: Limits) -> None:
        if size > limits.max_part * limits.max_parts:
            with pytest.raises(ObjectRefused):
                part_size(size, limits)
            return
        step = part_size(size, limits)
        assert limits.min_part <= step <= limits.max_part
        assert -(-size // step) <= limits.max_parts

    @pytest.mark.parametrize(
        ("size", "step"),
        [
            (5 * GIB + 1, 256 * MIB),
            (10_000 * 256 * MIB, 256 * MIB),
            (10_000 * 256 * MIB + 1, 256 * MIB + 1),
            (10_000 * 5 * GIB, 5 * GIB),
        ],
    )
    def test_on_s3(self, size: int, step: int) -> None:
        assert part_size(size, Limits()) == step

    def test_too_large(self) -> None:
        with pytest.raises(ObjectRefused) as caught:
            part_size(10_000 * 5 * GIB + 1, Limits())
        assert caught.value.reason == "too_large"


class TestWhole:
    @pytest.mark.parametrize("size", [0, 1, 99, 100])
    def test_one_put_and_nothing_else(self, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
        bucket, local = memory(), LocalFile(bytes(range(256))[:size])
        calls = watch(monkeypatch, bucket)
        send(bucket, local)
        assert calls == ["put_object"]
        assert local.opened == [None]
        assert content(bucket) == local.data
        stored = bucket.head_object("o")
        assert stored.meta == META.marked(swift_timestamp=T2.internal)
        assert stored.md5 == local.info.md5
        assert local.counted == size

    def test_wrong_digest_leaves_what_was_there(self) -> None:
        bucket, local = memory(), LocalFile(b"new")
        send(bucket, LocalFile(b"old"))
        local.info = replace(local.info, md5="0" * 32)
        with pytest.raises(BadDigest):
            send(bucket, local)
        assert content(bucket) == b"old"

    @pytest.mark.parametrize("size", [2, 4])
    def test_wrong_size_leaves_what_was_there(self, size: int) -> None:
        bucket, local = memory(), LocalFile(b"new")
        local.info = replace(local.info, size=size)
        with pytest.raises(BadDigest):
            send(bucket, local)
        with pytest.raises(NotFound):
            bucket.head_object("o")


class TestParts:
    @pytest.mark.parametrize("size", [101, 119, 120, 121, 159, 160, 161, 799, 800])
    def test_sizes_around_the_boundaries(self, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
        bucket, local = memory(), LocalFile(bytes(number % 251 for number in range(size)))
        calls = watch(monkeypatch, bucket)
        send(bucket, local)
        step = part_size(size, SMALL)
        count = -(-size // step)
        assert calls == ["create_upload", *["upload_part"] * count, "complete_upload"]
        assert content(bucket) == local.data
        stored = bucket.head_object("o")
        assert stored.etag.endswith(f"-{count}")
        assert stored.md5 == local.info.md5
        assert stored.meta == META.marked(swift_timestamp=T2.internal, swift_etag=local.info.md5 or "")
        ranges = [each for each in local.opened if each is not None]
        assert [each.first for each in ranges] == list(range(0, size, step))
        assert ranges[-1].last == size - 1
        assert local.counted == size
        assert unfinished(bucket) == 0

    def test_too_large_for_any_plan_moves_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        bucket, local = memory(), LocalFile(bytes(801))
        calls = watch(monkeypatch, bucket)
        with pytest.raises(ObjectRefused) as caught:
            send(bucket, local)
        assert (caught.value.reason, calls, local.counted) == ("too_large", [], 0)

    def test_no_parts_on_a_store_without_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        bucket, local = memory(), LocalFile(bytes(101))
        monkeypatch.setattr(bucket, "features", Features(multipart=False))
        with pytest.raises(ObjectRefused) as caught:
            send(bucket, local)
        assert caught.value.reason == "too_large"

    @pytest.mark.parametrize("step", ["upload_part", "complete_upload"])
    @pytest.mark.parametrize(
        "error",
        [RemoteUnavailable("gone"), PreconditionFailed("no"), KeyboardInterrupt(), LocalChanged("moved")],
    )
    def test_every_failure_aborts_the_upload(
        self, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
    ) -> None:
        bucket = memory()
        send(bucket, LocalFile(b"old"))
        calls = watch(monkeypatch, bucket)
        real = getattr(bucket, step)
        seen: list[int] = []

        def fail(*arguments: Any, **named: Any) -> Any:
            seen.append(1)
            if step == "complete_upload" or len(seen) == 2:
                raise error
            return real(*arguments, **named)

        monkeypatch.setattr(bucket, step, fail)
        with pytest.raises(type(error)):
            send(bucket, LocalFile(bytes(150)))
        assert calls[-1] == "abort_upload"
        assert unfinished(bucket) == 0
        assert content(bucket) == b"old"

    def test_a_failed_abort_does_not_hide_why(self, monkeypatch: pytest.MonkeyPatch) -> None:
        bucket = memory()

        def fail(*_: Any, **__: Any) -> Any:
            raise RemoteUnavailable("down")

        def refuse(*_: Any, **__: Any) -> Any:
            raise PreconditionFailed("somebody else wrote it")

        monkeypatch.setattr(bucket, "abort_upload", fail)
        monkeypatch.setattr(bucket, "complete_upload", refuse)
        with pytest.raises(PreconditionFailed):
            send(bucket, LocalFile(bytes(150)))

    def test_nothing_to_abort_when_it_never_began(self, monkeypatch: pytest.MonkeyPatch) -> None:
        bucket = memory()

        def fail(*_: Any) -> Any:
            raise RemoteUnavailable("down")

        monkeypatch.setattr(bucket, "create_upload", fail)
        calls = watch(monkeypatch, bucket)
        with pytest.raises(RemoteUnavailable):
            send(bucket, LocalFile(bytes(150)))
        assert calls == ["create_upload"]

    def test_parts_of_another_version_are_not_mixed_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        bucket, local = memory(), LocalFile(bytes(150))
        real = bucket.upload_part

        def overwrite(*arguments: Any, **named: Any) -> Part:
            local.info = replace(local.info, data_timestamp=T2)
            return real(*arguments, **named)

        monkeypatch.setattr(bucket, "upload_part", overwrite)
        with pytest.raises(LocalChanged):
            send(bucket, local)
        assert unfinished(bucket) == 0
        with pytest.raises(NotFound):
            bucket.head_object("o")

    def test_the_digest_of_the_whole_is_checked_before_completion(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bucket, local = memory(), LocalFile(bytes(150))
        local.info = replace(local.info, md5="0" * 32)
        calls = watch(monkeypatch, bucket)
        with pytest.raises(BadDigest):
            send(bucket, local)
        assert "complete_upload" not in calls
        assert unfinished(bucket) == 0

    def test_the_digest_of_each_part_is_checked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        bucket = memory()
        real = bucket.upload_part

        def garble(*arguments: Any, **named: Any) -> Part:
            return replace(real(*arguments, **named), md5="0" * 32)

        monkeypatch.setattr(bucket, "upload_part", garble)
        with pytest.raises(BadDigest, match="part 1"):
            send(bucket, LocalFile(bytes(150)))
        assert unfinished(bucket) == 0

    def test_an_etag_that_is_no_digest_proves_nothing_and_fails_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As with encryption by a key service, where it looks like an MD5 and is none."""
        bucket = memory()
        real = bucket.upload_part
        monkeypatch.setattr(bucket, "complete_upload", lambda *_, **__: None)
        etags: list[str] = []

        def encrypted(*arguments: Any, **named: Any) -> Part:
            part = replace(real(*arguments, **named), etag="0" * 32, md5=None)
            etags.append(part.etag)
            return part

        monkeypatch.setattr(bucket, "upload_part", encrypted)
        send(bucket, LocalFile(bytes(150)))
        assert len(etags) == 4

    def test_a_store_that_reads_a_part_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A retry rewinds the body; the digests start anew with it."""
        bucket, local = memory(), LocalFile(bytes(number % 251 for number in range(150)))
        real = bucket.upload_part

        def retried(name: str, upload_id: str, number: int, body: Body, size: int) -> Part:
            body.read(7)
            body.rewind()
            return real(name, upload_id, number, body, size)

        monkeypatch.setattr(bucket, "upload_part", retried)
        send(bucket, local)
        assert content(bucket) == local.data
        assert local.counted > len(local.data)


class TestConditions:
    @pytest.mark.parametrize("size", [50, 150], ids=["whole", "parts"])
    def test_only_where_nothing_is(self, size: int) -> None:
        bucket = memory()
        send(bucket, LocalFile(bytes(size)), Overwrite(if_absent=True))
        with pytest.raises(PreconditionFailed):
            send(bucket, LocalFile(b"x" * size), Overwrite(if_absent=True))
        assert content(bucket) == bytes(size)
        assert unfinished(bucket) == 0

    @pytest.mark.parametrize("size", [50, 150], ids=["whole", "parts"])
    def test_only_over_what_was_seen(self, size: int) -> None:
        bucket = memory()
        send(bucket, LocalFile(b"one"))
        seen = bucket.head_object("o").etag
        send(bucket, LocalFile(b"x" * size), Overwrite(if_match=seen))
        assert content(bucket) == b"x" * size
        with pytest.raises(PreconditionFailed):
            send(bucket, LocalFile(b"y" * size), Overwrite(if_match=seen))
        assert content(bucket) == b"x" * size

    @pytest.mark.parametrize("size", [50, 150], ids=["whole", "parts"])
    @pytest.mark.parametrize("absent", [True, False])
    @pytest.mark.parametrize("match", [True, False])
    def test_a_store_is_asked_only_for_what_it_honours(
        self, monkeypatch: pytest.MonkeyPatch, size: int, absent: bool, match: bool
    ) -> None:
        bucket = memory()
        send(bucket, LocalFile(b"one"))
        monkeypatch.setattr(bucket, "features", Features(put_if_absent=absent, put_if_match=match))
        asked: list[tuple[str | None, bool]] = []
        put, complete = bucket.put_object, bucket.complete_upload

        def put_object(name: str, body: Body, options: PutOptions) -> Any:
            asked.append((options.if_match, options.if_absent))
            return put(name, body, replace(options, if_match=None, if_absent=False))

        def complete_upload(
            name: str, upload_id: str, parts: list[Part], if_match: str | None = None, if_absent: bool = False
        ) -> Any:
            asked.append((if_match, if_absent))
            return complete(name, upload_id, parts)

        monkeypatch.setattr(bucket, "put_object", put_object)
        monkeypatch.setattr(bucket, "complete_upload", complete_upload)
        send(bucket, LocalFile(b"x" * size), Overwrite(if_absent=True))
        send(bucket, LocalFile(b"y" * size), Overwrite(if_match="seen"))
        assert asked == [(None, absent), ("seen" if match else None, False)]


class TestLimits:
    @pytest.mark.parametrize(
        ("name", "reason"), [("n" * 59, "name_too_long"), ("ü" * 29 + "x", "name_too_long"), ("n" * 58, None)]
    )
    @pytest.mark.parametrize("size", [50, 150], ids=["whole", "parts"])
    def test_names(self, name: str, reason: str | None, size: int) -> None:
        bucket, local = memory(), LocalFile(bytes(size), name)
        if reason is None:
            send(bucket, local)
            assert content(bucket, name) == bytes(size)
            return
        with pytest.raises(ObjectRefused) as caught:
            send(bucket, local)
        assert caught.value.reason == reason
        assert (local.counted, unfinished(bucket)) == (0, 0)

    def test_metadata_with_our_marks(self) -> None:
        bucket, local = memory(), LocalFile(b"x")
        sent = {**META.user, "fill": ""}
        room = 2048 - sum(
            len(name) + len(value)
            for name, value in {
                "colour": "=?UTF-8?Q?bl=C3=BC?=",
                "fill": "",
                "x-delete-at": "1999999999",
                "swift-timestamp": T2.internal,
            }.items()
        )
        local.info = replace(local.info, meta=replace(META, user={**sent, "fill": "f" * room}))
        send(bucket, local)
        local.info = replace(local.info, meta=replace(META, user={**sent, "fill": "f" * (room + 1)}))
        with pytest.raises(ObjectRefused) as caught:
            send(bucket, local)
        assert caught.value.reason == "metadata_too_large"


def test_remote_meta_names_the_version_metadata_included() -> None:
    info = LocalFile(b"").info
    assert remote_meta(info).swift_timestamp == T2
    assert remote_meta(replace(info, timestamp=T2.after())).swift_timestamp == T2.after()


def test_metered_body_counts_every_read() -> None:
    counted: list[int] = []
    body = MeteredBody(BytesBody(b"abcdef"), counted.append)
    assert body.length == 6
    assert body.read(4) == b"abcd"
    body.rewind()
    assert body.read() == b"abcdef"
    assert sum(counted) == 10
    body.close()
    body.close()
