"""Stores that check what they are sent in other ways than the credentials say."""

from __future__ import annotations

from typing import Any

import pytest

from s3_sync.errors import CopyUnproven, InvalidRequest, PreconditionFailed
from s3_sync.model.objects import GetOptions, ObjectMeta, PutOptions, PutResult
from s3_sync.providers.base import MultipartUpload
from s3_sync.providers.checks.base import Finding
from s3_sync.providers.checks.probes import BODY
from s3_sync.streams.reader import Body, BytesBody, read_all
from unit.providers.checks.odd_bucket import OddBucket, find, site


def refuse(*_: object, **__: object) -> Any:
    raise InvalidRequest("not like this", status=400, code="InvalidArgument")


@pytest.mark.parametrize("name", ["trailing_checksums", "unsigned_over_http"])
def test_stream_that_is_refused_as_configured_needs_another_property(name: str) -> None:
    class Odd(OddBucket):
        def put_object(self, name_: str, body: Body, options: PutOptions) -> PutResult:
            return refuse() if self.properties[name] else super().put_object(name_, body, options)

    found = find("streamed body", site(Odd))
    assert found.needed == {name: False}
    assert "400" not in found.text
    assert "not like this" in found.text


def test_stream_that_is_refused_in_any_form_fails() -> None:
    class Odd(OddBucket):
        put_object = refuse

    with pytest.raises(InvalidRequest):
        find("streamed body", site(Odd))


@pytest.mark.parametrize(("claimed", "real"), [(True, False), (False, True)])
def test_etags_that_are_no_md5s_or_are_are_advised(claimed: bool, real: bool) -> None:
    class Odd(OddBucket):
        def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
            result = super().put_object(name, body, options)
            return result if real else PutResult("opaque")

    found = find("ETags", site(Odd, etag_is_md5=claimed))
    assert (found.needed, found.advised) == ({}, {"etag_is_md5": real})


class Unchecked(OddBucket):
    def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
        return super().put_object(name, body, PutOptions(options.size, options.meta))


def test_store_that_takes_damaged_bytes_is_wrong() -> None:
    assert find("digests", site(Unchecked)).wrong


def test_store_that_refuses_damaged_bytes_and_keeps_them_is_noted() -> None:
    class Odd(Unchecked):
        def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
            super().put_object(name, body, options)
            return refuse()

    found = find("digests", site(Odd))
    assert (found.noted, found.wrong) == (True, False)


def test_checksum_that_is_refused_needs_one_that_is_taken() -> None:
    class Odd(OddBucket):
        def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
            if self.properties["checksum"] in ("md5", "crc32"):
                return refuse()
            return super().put_object(name, body, options)

    found = find("checksums", site(Odd))
    assert found == Finding("md5 is refused; taken: crc64nvme, sha256", needed={"checksum": "crc64nvme"})
    assert find("checksums", site(Odd, checksum="sha256")) == Finding("crc64nvme, sha256")
    assert find("checksums", site(Odd, checksum="none")) == Finding("crc64nvme, sha256")


def without_conditions(options: PutOptions) -> PutOptions:
    return PutOptions(options.size, options.meta, options.md5)


class CarelessAtTheEnd(OddBucket):
    """Ignores conditions when an upload is completed."""

    def create_upload(self, name: str, meta: ObjectMeta) -> MultipartUpload:
        upload = super().create_upload(name, meta)
        complete = upload.complete
        upload.complete = lambda parts, *_, **__: complete(parts)  # type: ignore[method-assign]
        return upload


class Careless(CarelessAtTheEnd):
    """Ignores all conditions of writes."""

    def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
        return super().put_object(name, body, without_conditions(options))


class RefusesAll(OddBucket):
    """Takes no write with a condition, whether it holds or not."""

    def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
        if options.if_match is not None:
            raise PreconditionFailed("never", status=412)
        return super().put_object(name, body, options)


@pytest.mark.parametrize(
    ("odd", "real"),
    [
        (OddBucket, (True, True)),
        (Careless, (False, False)),
        (CarelessAtTheEnd, (False, False)),
        (RefusesAll, (True, False)),
    ],
)
@pytest.mark.parametrize("claimed", [True, False])
def test_conditions_are_compared_with_what_is_claimed(
    odd: type[OddBucket], real: tuple[bool, bool], claimed: bool
) -> None:
    found = find("conditional writes", site(odd, put_if_absent=claimed, put_if_match=claimed))
    both = dict(zip(("put_if_absent", "put_if_match"), real, strict=True))
    assert found.needed == {name: False for name, holds in both.items() if claimed and not holds}
    assert found.advised == {name: True for name, holds in both.items() if holds and not claimed}


def test_condition_that_is_refused_and_changes_the_object_does_not_hold() -> None:
    class Odd(OddBucket):
        def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
            result = super().put_object(name, body, without_conditions(options))
            if options.if_absent:
                raise PreconditionFailed("too late", status=412)
            return result

    with pytest.raises(CopyUnproven):
        find("conditional writes", site(Odd, put_if_absent=True))


def test_conditions_of_a_store_without_properties_are_those_of_the_provider() -> None:
    at = site(Careless, put_if_absent=True, put_if_match=True)
    at.properties = {}
    assert find("conditional writes", at).wrong
    at = site(put_if_absent=True, put_if_match=True)
    at.properties = {}
    assert not find("conditional writes", at).wrong


def test_condition_of_a_copy_with_the_other_header_is_advised() -> None:
    class Odd(OddBucket):
        def post_object(self, name: str, meta: ObjectMeta, if_match: str | None = None) -> None:
            known = self.properties["copy_condition"] == "x-amz-copy-if-match"
            super().post_object(name, meta, if_match if known else None)

    found = find("conditional metadata", site(Odd))
    assert found.advised == {"copy_condition": "x-amz-copy-if-match"}
    own = find("conditional metadata", site(Odd, copy_condition="x-amz-copy-if-match"))
    assert (own.advised, own.noted) == ({}, False)


def test_condition_of_a_copy_that_is_ignored_is_noted() -> None:
    class Odd(OddBucket):
        def post_object(self, name: str, meta: ObjectMeta, if_match: str | None = None) -> None:
            super().post_object(name, meta)

    assert find("conditional metadata", site(Odd)).noted


class Unpacks(OddBucket):
    always = False

    def get_object(self, name: str, options: GetOptions = GetOptions()) -> Any:  # noqa: B008
        result = super().get_object(name, options)
        if name == "gzip" and (self.always or not self.properties["unpacks_gzip"]):
            result.body = BytesBody(BODY + read_all(result.body))
        return result


def test_gzip_that_is_unpacked_needs_the_property() -> None:
    assert find("gzip", site(Unpacks)).needed == {"unpacks_gzip": True}
    assert find("gzip", site(Unpacks, unpacks_gzip=True)) == Finding("as they are stored")


def test_gzip_that_never_comes_back_is_wrong() -> None:
    assert find("gzip", site(type("Always", (Unpacks,), {"always": True}))).wrong
