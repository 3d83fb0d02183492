"""Stores whose uploads and deletes differ from what the credentials say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest

from s3_sync.errors import BadDigest, InvalidRequest, NotSupported, RemoteUnavailable
from s3_sync.model.objects import ByteRange, ObjectMeta, PutResult
from s3_sync.providers.base import Failures, MultipartUpload, Part
from s3_sync.providers.checks import parts
from s3_sync.providers.checks.base import Finding
from s3_sync.providers.store_limits import Limits
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import Body, BytesBody
from unit.providers.checks.odd_bucket import OddBucket, find, site

Completion = Callable[[Sequence[Part]], PutResult]


def completing(check: Callable[[OddBucket, Sequence[Part], Completion], PutResult]) -> type[OddBucket]:
    """A store that completes uploads in another way."""

    class Odd(OddBucket):
        def create_upload(self, name: str, meta: ObjectMeta) -> MultipartUpload:
            upload = super().create_upload(name, meta)
            complete = upload.complete
            upload.complete = lambda given, *_, **__: check(self, given, complete)  # type: ignore[method-assign]
            return upload

    return Odd


def test_legal_parts_are_found_to_be_so() -> None:
    assert find("sizes of parts", site()) == Finding("4 bytes or more, the last one less")


def test_parts_of_any_size_are_advised() -> None:
    at = site(limits=Limits(min_part=1), min_part=5, equal_parts=True)
    assert find("sizes of parts", at).advised == {"min_part": 1, "equal_parts": False}


def test_store_that_wants_equal_parts_needs_the_property() -> None:
    def equal(bucket: OddBucket, given: Sequence[Part], complete: Completion) -> PutResult:
        if len({part.size for part in given[:-1]}) > 1:
            raise InvalidRequest("all parts must have the same length", status=400, code="InvalidPart")
        return complete(given)

    odd = completing(equal)
    assert find("sizes of parts", site(odd)).needed == {"equal_parts": True}
    assert find("sizes of parts", site(odd, equal_parts=True)).needed == {}


def test_store_with_other_etags_of_uploads_needs_the_property() -> None:
    def other(bucket: OddBucket, given: Sequence[Part], complete: Completion) -> PutResult:
        result = complete(given)
        if bucket.properties["multipart_etag_is_md5s"]:
            raise BadDigest("another ETag", status=200)
        return result

    found = find("sizes of parts", site(completing(other)))
    assert found.needed == {"multipart_etag_is_md5s": False}


def test_etags_that_follow_from_the_parts_are_advised() -> None:
    at = site(limits=Limits(min_part=1), multipart_etag_is_md5s=False)
    assert find("sizes of parts", at).advised["multipart_etag_is_md5s"]


def test_store_that_wants_declared_checksums_needs_the_property() -> None:
    def declared(bucket: OddBucket, given: Sequence[Part], complete: Completion) -> PutResult:
        if not bucket.properties["declared_checksums"]:
            raise InvalidRequest("the upload was created without a checksum", status=400)
        return complete(given)

    at = site(completing(declared), checksum="crc32")
    assert find("sizes of parts", at).needed == {"declared_checksums": True}


def test_store_that_completes_no_upload_fails() -> None:
    def never(bucket: OddBucket, given: Sequence[Part], complete: Completion) -> PutResult:
        raise InvalidRequest("never", status=400)

    with pytest.raises(InvalidRequest):
        find("sizes of parts", site(completing(never)))


def test_large_legal_parts_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_MAX_TRIED", 3)
    found = find("sizes of parts", site())
    assert "not tried" in found.text


def test_uploads_of_a_store_that_is_said_to_have_none_are_advised() -> None:
    assert find("sizes of parts", site(multipart=False)).advised == {"multipart": True}

    class Odd(OddBucket):
        def create_upload(self, name: str, meta: ObjectMeta) -> MultipartUpload:
            raise NotSupported("no uploads", status=501)

    assert find("sizes of parts", site(Odd, multipart=False)).advised == {}


class FewParts(OddBucket):
    def create_upload(self, name: str, meta: ObjectMeta) -> MultipartUpload:
        upload = super().create_upload(name, meta)
        upload_part = upload.upload_part

        def few(number: int, body: Body, size: int, md5: str | None = None) -> Part:
            if number > 37:
                raise InvalidRequest("too many", status=400)
            return upload_part(number, body, size, md5)

        upload.upload_part = few  # type: ignore[method-assign]
        return upload


def test_highest_number_of_a_part_is_searched_and_needed() -> None:
    at = site(FewParts, max_parts=50)
    assert find("number of parts", at) == Finding("37", needed={"max_parts": 37})


def test_more_parts_than_claimed_are_advised() -> None:
    assert find("number of parts", site(max_parts=50)).advised == {"max_parts": 10_000}
    at = site(limits=Limits(max_parts=50), max_parts=50)
    assert find("number of parts", at) == Finding("50 and more")
    assert find("number of parts", site(max_parts=10_000)) == Finding("10,000")


def copying(source: Callable[[str], str]) -> type[OddBucket]:
    """A store that copies parts from another key."""

    class Odd(OddBucket):
        def create_upload(self, name: str, meta: ObjectMeta) -> MultipartUpload:
            upload = super().create_upload(name, meta)

            def copy_part(number: int, byte_range: ByteRange, if_match: str | None = None) -> Part:
                with self.get_object(source(name)) as result:
                    data = result.body.read()[byte_range.first : (byte_range.last or 0) + 1]
                return upload.upload_part(number, BytesBody(data), len(data), md5_hex(data))

            upload.copy_part = copy_part  # type: ignore[method-assign]
            return upload

    return Odd


def test_parts_copied_from_a_key_that_was_decoded_twice_are_not_allowed() -> None:
    odd = copying(lambda name: name.replace("%20", " "))
    assert find("copied parts", site(odd)) == Finding("copied, but not from keys with % or ?")
    at = site(odd, copies_parts_of_any_key=True)
    assert find("copied parts", at).needed == {"copies_parts_of_any_key": False}


def test_store_that_copies_no_parts_needs_the_property() -> None:
    class Odd(OddBucket):
        def create_upload(self, name: str, meta: ObjectMeta) -> MultipartUpload:
            upload = super().create_upload(name, meta)

            def copy_part(*_: Any) -> Part:
                raise NotSupported("no copies", status=501)

            upload.copy_part = copy_part  # type: ignore[method-assign]
            return upload

    assert find("copied parts", site(Odd)) == Finding("not copied", needed={"copies_parts": False})


def test_bulk_deletes_beyond_what_is_claimed_are_advised() -> None:
    assert find("bulk deletes", site(max_deletes=0)).advised == {"max_deletes": 1000}
    assert find("bulk deletes", site()) == Finding("with one request")


def test_store_without_bulk_deletes_is_advised() -> None:
    class Odd(OddBucket):
        def delete_objects(self, names: Sequence[str]) -> Failures:
            raise NotSupported("not implemented", status=501)

    found = find("bulk deletes", site(Odd))
    assert (found.needed, found.advised) == ({}, {"max_deletes": 0})
    assert find("bulk deletes", site(Odd, max_deletes=0)).advised == {}


def test_bulk_deletes_with_another_digest_are_advised() -> None:
    class Odd(OddBucket):
        def delete_objects(self, names: Sequence[str]) -> Failures:
            if self.properties["delete_needs_md5"]:
                raise InvalidRequest("which digest?", status=400)
            return super().delete_objects(names)

    assert find("bulk deletes", site(Odd)).advised == {"delete_needs_md5": False}


def test_bulk_deletes_that_forget_a_name_are_wrong() -> None:
    class Odd(OddBucket):
        def delete_objects(self, names: Sequence[str]) -> Failures:
            return super().delete_objects(names[:1])

    found = find("bulk deletes", site(Odd))
    assert found.wrong
    assert "bulk 2: still there" in found.text


def test_no_upload_stays_open_after_a_failure() -> None:
    class Odd(OddBucket):
        def create_upload(self, name: str, meta: ObjectMeta) -> MultipartUpload:
            upload = super().create_upload(name, meta)
            upload.upload_part = lambda *_: (_ for _ in ()).throw(  # type: ignore[method-assign]
                InvalidRequest("no", status=400)
            )
            return upload

    at = site(Odd)
    for check in ("sizes of parts", "number of parts", "copied parts"):
        with suppress(InvalidRequest):
            find(check, at)
        assert list(at.bucket().list_uploads()) == []


def test_outage_says_nothing_about_the_number_of_parts() -> None:
    class Odd(OddBucket):
        def create_upload(self, name: str, meta: ObjectMeta) -> MultipartUpload:
            upload = super().create_upload(name, meta)

            def fail(*_: Any) -> Part:
                raise RemoteUnavailable("out of order", status=503)

            upload.upload_part = fail  # type: ignore[method-assign]
            return upload

    with pytest.raises(RemoteUnavailable):
        find("number of parts", site(Odd))
