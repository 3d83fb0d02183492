"""Stores that keep, or list, names and metadata in other ways than S3."""

from __future__ import annotations

from dataclasses import replace

import pytest

from s3_sync.errors import (
    CredentialsRefused,
    InvalidRequest,
    ListingUnusable,
    ObjectRefused,
    RemoteUnavailable,
)
from s3_sync.model.objects import ObjectInfo, ObjectMeta, PutOptions, PutResult
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import ListPage, ListQuery
from s3_sync.providers.checks.base import Finding
from s3_sync.providers.checks.names import sized_metadata
from s3_sync.providers.limits import metadata_size
from s3_sync.streams.reader import Body
from unit.providers.checks.odd_bucket import CHECKS, OddBucket, find, site

GOOD = "complete and in order"


class Listing(OddBucket):
    """``spoiled``: whether a page cannot be used."""

    def spoiled(self, page: ListPage) -> bool:
        return False

    def list_objects(self, query: ListQuery) -> ListPage:
        page = super().list_objects(query)
        if self.spoiled(page):
            raise ListingUnusable("no listing", status=200)
        return page


def test_listings_that_are_usable_in_the_other_encoding_need_the_property() -> None:
    class Odd(Listing):
        def spoiled(self, page: ListPage) -> bool:
            return bool(self.properties["encodes_listings"])

    assert find("listings", site(Odd)) == Finding(GOOD, needed={"encodes_listings": False})
    assert find("listings", site(Odd, encodes_listings=False)) == Finding(GOOD)


def test_listings_that_are_never_usable_are_wrong() -> None:
    class Odd(Listing):
        def spoiled(self, page: ListPage) -> bool:
            return True

    found = find("listings", site(Odd))
    assert (found.wrong, found.text) == (True, "cannot be used: no listing")


def test_listings_that_a_control_character_spoils_are_noted() -> None:
    class Odd(Listing):
        def spoiled(self, page: ListPage) -> bool:
            return any("\x01" in entry.name for entry in page.objects)

    found = find("listings", site(Odd))
    assert (found.noted, found.wrong) == (True, False)
    assert "control character" in found.text


def test_listing_without_a_name_is_wrong() -> None:
    class Odd(OddBucket):
        def list_objects(self, query: ListQuery) -> ListPage:
            page = super().list_objects(query)
            return replace(page, objects=tuple(each for each in page.objects if "+" not in each.name))

    found = find("listings", site(Odd))
    assert found.wrong
    assert "a+b" in found.text


def test_names_that_are_refused_lost_or_stay_are_told() -> None:
    class Odd(OddBucket):
        def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
            if "//" in name:
                raise CredentialsRefused("?", status=403, code="SignatureDoesNotMatch")
            if "\x01" in name:
                raise RemoteUnavailable("?", status=500)
            if ".." in name:
                raise ObjectRefused("name_dots", "?")
            return super().put_object(name.rstrip("/"), body, options)

        def delete_object(self, name: str, deleted_at: Timestamp | None = None) -> bool:
            if name.endswith(" "):
                raise InvalidRequest("no", status=400)
            return super().delete_object(name, deleted_at)

    found = CHECKS["kinds of names"].run(site(Odd))
    assert found.noted
    refused = "refused (403 SignatureDoesNotMatch)"
    assert found.text == (
        f"leading slash: {refused}; double slash: {refused}; trailing slash: lost;"
        " two dots: refused (name_dots); trailing blank: cannot be deleted; control character: refused (500)"
    )


def test_no_connection_is_no_refusal_of_a_name() -> None:
    class Odd(OddBucket):
        def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
            if "//" in name:
                raise RemoteUnavailable("cannot connect")
            return super().put_object(name, body, options)

    with pytest.raises(RemoteUnavailable):
        find("kinds of names", site(Odd))


def test_longest_name_is_searched() -> None:
    class Odd(OddBucket):
        def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
            if len(name) > 700 - len("p/"):
                raise InvalidRequest("too long", status=400, code="KeyTooLongError")
            return super().put_object(name, body, options)

    assert find("length of names", site(Odd)) == Finding("700 bytes", advised={"max_name": 700})
    assert find("length of names", site(Odd, max_name=700)) == Finding("700 bytes")


def test_metadata_that_changes_on_its_way_is_told_for_put_and_post() -> None:
    class Odd(OddBucket):
        def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
            meta = options.meta
            if any("_" in key or "=5f" in key for key in meta.user):
                raise CredentialsRefused("?", status=403, code="SignatureDoesNotMatch")
            user = {key: value.strip() for key, value in meta.user.items()}
            return super().put_object(name, body, replace(options, meta=replace(meta, user=user)))

        def post_object(self, name: str, meta: ObjectMeta, if_match: str | None = None) -> None:
            user = {key: value[:200] for key, value in meta.user.items()}
            super().post_object(name, replace(meta, user=user), if_match)

    found = find("kinds of metadata", site(Odd))
    assert found.noted
    assert found.text == (
        "value, outer blanks: changed by a PUT; value, long: changed by a POST;"
        " name with _: refused (403 SignatureDoesNotMatch) in a PUT"
    )


class LittleMetadata(OddBucket):
    limit = 1234

    def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
        if metadata_size(options.meta, keeps_underscores=True) > self.limit:
            raise InvalidRequest("too much", status=400, code="MetadataTooLarge")
        return super().put_object(name, body, options)


def test_size_of_metadata_is_searched() -> None:
    assert find("size of metadata", site(LittleMetadata)).advised == {"max_metadata": 1234}
    assert find("size of metadata", site(LittleMetadata, max_metadata=1000)).advised == {}
    more = find("size of metadata", site(max_metadata=1000))
    assert more.advised == {"max_metadata": 2000}


def test_metadata_that_is_cut_is_not_taken() -> None:
    class Odd(OddBucket):
        def head_object(self, name: str) -> ObjectInfo:
            info = super().head_object(name)
            user = dict(list(info.meta.user.items())[:3])
            return replace(info, meta=replace(info.meta, user=user))

    assert find("size of metadata", site(Odd)).advised["max_metadata"] < 700  # type: ignore[operator]


@pytest.mark.parametrize("size", [20, 200, 201, 210, 1000, 2017, 4096])
def test_sized_metadata_has_that_size_in_values_that_swift_takes(size: int) -> None:
    meta = sized_metadata(size)
    assert metadata_size(meta, keeps_underscores=True) == size
    assert all(len(value) <= 256 for value in meta.user.values())
