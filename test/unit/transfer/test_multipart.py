"""Objects that are too large for one PUT."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3_sync.errors import (
    AccessDenied,
    BadDigest,
    LocalChanged,
    NotFound,
    ObjectRefused,
    PreconditionFailed,
    RemoteUnavailable,
)
from s3_sync.model.objects import ObjectMeta
from s3_sync.providers.base import Features, Part
from s3_sync.providers.memory import MemoryUpload
from s3_sync.providers.store_limits import GIB, MIB, Limits
from s3_sync.streams.reader import Body
from s3_sync.transfer.multipart import part_size
from s3_sync.transfer.upload_session import CREATE_ATTEMPTS, Precondition, TransferContext, open_upload
from unit.transfer.local_file import META, SMALL, T2, LocalFile, content, memory, send, unfinished, watch
from unit.transfer.segments import FakeLedger


class TestPartSize:
    @given(
        st.integers(1, 5 * 1024**4),
        st.sampled_from([Limits(), SMALL, Limits(max_put=100 * MIB, max_part=100 * MIB, min_part=1)]),
    )
    @settings(deadline=None, max_examples=300)
    def test_part_size_of_any_object_is_within_the_limits(self, size: int, limits: Limits) -> None:
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
    def test_part_size_on_s3_is_256_mib_up_to_10000_parts(self, size: int, step: int) -> None:
        assert part_size(size, Limits()) == step

    def test_part_size_beyond_the_limits_of_the_store_raises_too_large(self) -> None:
        with pytest.raises(ObjectRefused) as caught:
            part_size(10_000 * 5 * GIB + 1, Limits())
        assert caught.value.reason == "too_large"


class TestMultipartUpload:
    @pytest.mark.parametrize("size", [101, 119, 120, 121, 159, 160, 161, 799, 800])
    def test_object_of_a_boundary_size_arrives_in_the_planned_parts(
        self, monkeypatch: pytest.MonkeyPatch, size: int
    ) -> None:
        bucket, local = memory(), LocalFile(bytes(number % 251 for number in range(size)))
        calls = watch(monkeypatch, bucket)
        send(bucket, local)
        step = part_size(size, SMALL)
        count = -(-size // step)
        assert calls == ["create_upload", *["upload_part"] * count, "complete"]
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

    def test_object_too_large_for_any_plan_sends_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        bucket, local = memory(), LocalFile(bytes(801))
        calls = watch(monkeypatch, bucket)
        with pytest.raises(ObjectRefused) as caught:
            send(bucket, local)
        assert (caught.value.reason, calls, local.counted) == ("too_large", [], 0)

    def test_object_beyond_max_put_on_a_store_without_parts_is_too_large(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bucket, local = memory(), LocalFile(bytes(101))
        monkeypatch.setattr(bucket, "features", Features(multipart=False))
        with pytest.raises(ObjectRefused) as caught:
            send(bucket, local)
        assert caught.value.reason == "too_large"

    @pytest.mark.parametrize("step", ["upload_part", "complete"])
    @pytest.mark.parametrize(
        "error",
        [RemoteUnavailable("gone"), PreconditionFailed("no"), KeyboardInterrupt(), LocalChanged("moved")],
    )
    def test_failure_aborts_the_upload_unless_it_may_be_completing(
        self, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
    ) -> None:
        bucket = memory()
        send(bucket, LocalFile(b"old"))
        calls = watch(monkeypatch, bucket)
        real = getattr(MemoryUpload, step)
        seen: list[int] = []

        def fail(*arguments: Any, **named: Any) -> Any:
            seen.append(1)
            if step == "complete" or len(seen) == 2:
                raise error
            return real(*arguments, **named)

        monkeypatch.setattr(MemoryUpload, step, fail)
        with pytest.raises(type(error)):
            send(bucket, LocalFile(bytes(150)))
        unsure = step == "complete" and isinstance(error, RemoteUnavailable | KeyboardInterrupt)
        assert (calls[-1] == "abort") == (not unsure)
        assert unfinished(bucket) == unsure
        assert content(bucket) == b"old"

    def test_failed_abort_does_not_hide_the_error_of_the_upload(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bucket = memory()

        def fail(*_: Any, **__: Any) -> Any:
            raise RemoteUnavailable("down")

        def refuse(*_: Any, **__: Any) -> Any:
            raise PreconditionFailed("somebody else wrote it")

        monkeypatch.setattr(MemoryUpload, "abort", fail)
        monkeypatch.setattr(MemoryUpload, "complete", refuse)
        with pytest.raises(PreconditionFailed):
            send(bucket, LocalFile(bytes(150)))

    def test_upload_that_cannot_begin_aborts_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        bucket = memory()

        def fail(*_: Any) -> Any:
            raise RemoteUnavailable("down")

        monkeypatch.setattr(bucket, "create_upload", fail)
        calls = watch(monkeypatch, bucket)
        with pytest.raises(RemoteUnavailable):
            send(bucket, LocalFile(bytes(150)))
        assert calls == ["create_upload"] * CREATE_ATTEMPTS

    @pytest.mark.parametrize(
        ("error", "noted"), [(RemoteUnavailable("no answer"), ["o", "o"]), (AccessDenied("no"), [])]
    )
    def test_begin_without_an_answer_stays_in_the_ledger(
        self, monkeypatch: pytest.MonkeyPatch, error: Exception, noted: list[str]
    ) -> None:
        bucket, ledger = memory(), FakeLedger()

        def fail(*_: Any) -> Any:
            assert "o" in ledger.beginning.values()
            raise error

        monkeypatch.setattr(bucket, "create_upload", fail)
        sending = TransferContext(bucket, lambda size: None, ledger=ledger)
        with pytest.raises(type(error)), open_upload(sending, "o", ObjectMeta()):
            pass
        assert list(ledger.beginning.values()) == noted

    def test_repeated_begin_leaves_the_first_one_in_the_ledger(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its answer may have been lost: then there are two."""
        bucket, ledger = memory(), FakeLedger()
        real = bucket.create_upload

        def lost(*arguments: Any) -> Any:
            monkeypatch.undo()
            real(*arguments)
            raise RemoteUnavailable("no answer")

        monkeypatch.setattr(bucket, "create_upload", lost)
        with open_upload(
            TransferContext(bucket, lambda size: None, ledger=ledger), "o", ObjectMeta()
        ) as upload:
            assert ledger.open == {upload.handle.upload_id: "o"}
            assert list(ledger.beginning.values()) == ["o"]

    @pytest.mark.parametrize(
        ("error", "aborted"), [(RemoteUnavailable("no answer"), False), (AccessDenied("no"), True)]
    )
    def test_upload_that_may_be_completing_is_not_aborted(
        self, monkeypatch: pytest.MonkeyPatch, error: Exception, aborted: bool
    ) -> None:
        bucket, ledger = memory(), FakeLedger()

        def fail(*_: Any) -> Any:
            raise error

        monkeypatch.setattr(MemoryUpload, "complete", fail)
        sending = TransferContext(bucket, lambda size: None, ledger=ledger)
        with pytest.raises(type(error)), open_upload(sending, "o", ObjectMeta()) as upload:
            upload.complete([], Precondition())
        assert (list(bucket.list_uploads()) == []) == aborted
        assert bool(ledger.open) == bool(ledger.doubtful) == (not aborted)

    def test_object_overwritten_during_the_upload_raises_local_changed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bucket, local = memory(), LocalFile(bytes(150))
        real = MemoryUpload.upload_part

        def overwrite(*arguments: Any, **named: Any) -> Part:
            local.info = replace(local.info, data_timestamp=T2)
            return real(*arguments, **named)

        monkeypatch.setattr(MemoryUpload, "upload_part", overwrite)
        with pytest.raises(LocalChanged):
            send(bucket, local)
        assert unfinished(bucket) == 0
        with pytest.raises(NotFound):
            bucket.head_object("o")

    def test_wrong_digest_of_the_whole_prevents_completion(self, monkeypatch: pytest.MonkeyPatch) -> None:
        bucket, local = memory(), LocalFile(bytes(150))
        local.info = replace(local.info, md5="0" * 32)
        calls = watch(monkeypatch, bucket)
        with pytest.raises(BadDigest):
            send(bucket, local)
        assert "complete" not in calls
        assert unfinished(bucket) == 0

    def test_wrong_digest_of_a_part_raises_bad_digest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        bucket = memory()
        real = MemoryUpload.upload_part

        def garble(*arguments: Any, **named: Any) -> Part:
            return replace(real(*arguments, **named), md5="0" * 32)

        monkeypatch.setattr(MemoryUpload, "upload_part", garble)
        with pytest.raises(BadDigest, match="part 1"):
            send(bucket, LocalFile(bytes(150)))
        assert unfinished(bucket) == 0

    def test_part_whose_etag_is_no_digest_is_accepted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As with encryption by a key service, where it looks like an MD5 and is none."""
        bucket = memory()
        real = MemoryUpload.upload_part
        monkeypatch.setattr(MemoryUpload, "complete", lambda *_, **__: None)
        etags: list[str] = []

        def encrypted(*arguments: Any, **named: Any) -> Part:
            part = replace(real(*arguments, **named), etag="0" * 32, md5=None)
            etags.append(part.etag)
            return part

        monkeypatch.setattr(MemoryUpload, "upload_part", encrypted)
        send(bucket, LocalFile(bytes(150)))
        assert len(etags) == 4

    def test_part_that_is_read_twice_has_the_right_digest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A retry rewinds the body; the digests start anew with it."""
        bucket, local = memory(), LocalFile(bytes(number % 251 for number in range(150)))
        real = MemoryUpload.upload_part

        def retried(upload: MemoryUpload, number: int, body: Body, size: int) -> Part:
            body.read(7)
            body.rewind()
            return real(upload, number, body, size)

        monkeypatch.setattr(MemoryUpload, "upload_part", retried)
        send(bucket, local)
        assert content(bucket) == local.data
        assert local.counted > len(local.data)
