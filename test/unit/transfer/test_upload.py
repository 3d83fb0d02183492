"""One object to one bucket: whole, in parts, or not at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from s3_sync.errors import (
    BadDigest,
    NotFound,
    ObjectRefused,
    PreconditionFailed,
)
from s3_sync.model.objects import PutOptions
from s3_sync.providers.base import Features, Part
from s3_sync.providers.memory import MemoryUpload
from s3_sync.streams.counting import CountingBody
from s3_sync.streams.reader import Body, BytesBody
from s3_sync.transfer.upload import remote_meta
from s3_sync.transfer.upload_session import Precondition
from unit.transfer.local_file import META, T2, LocalFile, content, memory, send, unfinished, watch


class TestSinglePut:
    @pytest.mark.parametrize("size", [0, 1, 99, 100])
    def test_small_object_is_uploaded_by_one_put(self, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
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

    def test_wrong_digest_leaves_the_previous_copy(self) -> None:
        bucket, local = memory(), LocalFile(b"new")
        send(bucket, LocalFile(b"old"))
        local.info = replace(local.info, md5="0" * 32)
        with pytest.raises(BadDigest):
            send(bucket, local)
        assert content(bucket) == b"old"

    @pytest.mark.parametrize("size", [2, 4])
    def test_wrong_size_leaves_no_copy(self, size: int) -> None:
        bucket, local = memory(), LocalFile(b"new")
        local.info = replace(local.info, size=size)
        with pytest.raises(BadDigest):
            send(bucket, local)
        with pytest.raises(NotFound):
            bucket.head_object("o")


class TestPreconditions:
    @pytest.mark.parametrize("size", [50, 150], ids=["whole", "parts"])
    def test_if_absent_over_an_existing_copy_raises_precondition_failed(self, size: int) -> None:
        bucket = memory()
        send(bucket, LocalFile(bytes(size)), Precondition(if_absent=True))
        with pytest.raises(PreconditionFailed):
            send(bucket, LocalFile(b"x" * size), Precondition(if_absent=True))
        assert content(bucket) == bytes(size)
        assert unfinished(bucket) == 0

    @pytest.mark.parametrize("size", [50, 150], ids=["whole", "parts"])
    def test_if_match_over_a_changed_copy_raises_precondition_failed(self, size: int) -> None:
        bucket = memory()
        send(bucket, LocalFile(b"one"))
        seen = bucket.head_object("o").etag
        send(bucket, LocalFile(b"x" * size), Precondition(if_match=seen))
        assert content(bucket) == b"x" * size
        with pytest.raises(PreconditionFailed):
            send(bucket, LocalFile(b"y" * size), Precondition(if_match=seen))
        assert content(bucket) == b"x" * size

    @pytest.mark.parametrize("size", [50, 150], ids=["whole", "parts"])
    @pytest.mark.parametrize("absent", [True, False])
    @pytest.mark.parametrize("match", [True, False])
    def test_unsupported_preconditions_are_not_sent(
        self, monkeypatch: pytest.MonkeyPatch, size: int, absent: bool, match: bool
    ) -> None:
        bucket = memory()
        send(bucket, LocalFile(b"one"))
        monkeypatch.setattr(bucket, "features", Features(put_if_absent=absent, put_if_match=match))
        asked: list[tuple[str | None, bool]] = []
        put, complete = bucket.put_object, MemoryUpload.complete

        def put_object(name: str, body: Body, options: PutOptions) -> Any:
            asked.append((options.if_match, options.if_absent))
            return put(name, body, replace(options, if_match=None, if_absent=False))

        def complete_upload(
            upload: MemoryUpload, parts: list[Part], if_match: str | None = None, if_absent: bool = False
        ) -> Any:
            asked.append((if_match, if_absent))
            return complete(upload, parts)

        monkeypatch.setattr(bucket, "put_object", put_object)
        monkeypatch.setattr(MemoryUpload, "complete", complete_upload)
        send(bucket, LocalFile(b"x" * size), Precondition(if_absent=True))
        send(bucket, LocalFile(b"y" * size), Precondition(if_match="seen"))
        assert asked == [(None, absent), ("seen" if match else None, False)]


class TestLimits:
    @pytest.mark.parametrize(
        ("name", "reason"), [("n" * 59, "name_too_long"), ("ü" * 29 + "x", "name_too_long"), ("n" * 58, None)]
    )
    @pytest.mark.parametrize("size", [50, 150], ids=["whole", "parts"])
    def test_name_beyond_the_key_limit_is_refused(self, name: str, reason: str | None, size: int) -> None:
        bucket, local = memory(), LocalFile(bytes(size), name)
        if reason is None:
            send(bucket, local)
            assert content(bucket, name) == bytes(size)
            return
        with pytest.raises(ObjectRefused) as caught:
            send(bucket, local)
        assert caught.value.reason == reason
        assert (local.counted, unfinished(bucket)) == (0, 0)

    def test_metadata_with_marks_beyond_the_limit_is_refused(self) -> None:
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


def test_remote_meta_has_the_timestamp_of_the_metadata() -> None:
    info = LocalFile(b"").info
    assert remote_meta(info, Features()).swift_timestamp == T2
    later = replace(info, timestamp=T2.after())
    assert remote_meta(later, Features()).swift_timestamp == T2.after()


def test_counting_body_counts_every_read() -> None:
    counted: list[int] = []
    body = CountingBody(BytesBody(b"abcdef"), counted.append)
    assert body.length == 6
    assert body.read(4) == b"abcd"
    body.rewind()
    assert body.read() == b"abcdef"
    assert sum(counted) == 10
    body.close()
    body.close()
