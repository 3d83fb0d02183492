"""Listings from any name, with tokens that only lead behind pages."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3_sync.errors import InvalidRequest, ListingUnusable, NotFound, UnexpectedAnswer
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.azure import listing
from s3_sync.providers.azure.bucket import AzureBucket
from s3_sync.providers.azure.list_parser import parse_blobs, parse_containers
from s3_sync.providers.azure.provider import AzureProvider
from s3_sync.providers.azure.tokens import FRESH, MAX_LISTINGS, Tokens
from s3_sync.providers.base import ListQuery
from servers.fake_azure import FakeAzure
from servers.fake_azure_store import Blob, Container, Refused
from unit.providers.azure.conftest import NewBucket, credentials

SERIES = ("box", "", "")


def fill(service: FakeAzure, names: list[str], container: str = "box") -> None:
    blobs = service.store.container(container).blobs
    for name in names:
        blobs[name] = Blob((("", b"x"),), service.store.new_etag(), {}, {})


def walk(bucket: AzureBucket, limit: int, start: str = "", delimiter: str = "") -> list[str]:
    found: list[str] = []
    after: str | None = start
    while after is not None:
        page = bucket.list_objects(ListQuery(start_after=after, delimiter=delimiter, limit=limit))
        assert len(page.objects) + len(page.prefixes) <= limit
        found += sorted([*(each.name for each in page.objects), *page.prefixes])
        after = page.next_after
    return found


@pytest.fixture
def names(service: FakeAzure, bucket: AzureBucket, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """200 names; the service's pages have 50 at most, and ours search in pages of 10."""
    monkeypatch.setattr(listing, "_FINE", 10)
    monkeypatch.setattr(listing, "MAX_ENTRIES", 50)
    names = [f"o{number:03}" for number in range(200)]
    fill(service, names)
    service.faults.page_limit = 50
    service.requests.clear()
    return names


def test_paging_costs_what_listing_once_costs(
    service: FakeAzure, bucket: AzureBucket, names: list[str]
) -> None:
    assert walk(bucket, 10) == names
    assert len(service.requests) == 20


def test_start_in_the_middle_skips_large_pages_and_goes_on_in_small_ones(
    service: FakeAzure, bucket: AzureBucket, names: list[str]
) -> None:
    assert walk(bucket, 10, "o123") == names[124:]
    # three pages of 50 lead to the one with o123, three of 10 to the name, and seven behind it
    assert len(service.requests) == 3 + 3 + 7


def test_other_start_in_a_page_that_was_seen_costs_one_page(
    service: FakeAzure, new_bucket: NewBucket, names: list[str]
) -> None:
    bucket = new_bucket()
    walk(bucket, 10)
    service.requests.clear()
    page = bucket.list_objects(ListQuery(start_after="o1234", limit=5))
    assert [each.name for each in page.objects] == names[124:129]
    assert len(service.requests) == 2


def test_name_that_was_added_behind_a_page_is_found_from_there(
    service: FakeAzure, bucket: AzureBucket, names: list[str]
) -> None:
    walk(bucket, 10)
    fill(service, ["o0095"])  # behind o009, which ends a page
    assert walk(bucket, 10, "o0091")[0] == "o0095"
    assert walk(bucket, 10) == sorted([*names, "o0095"])


def test_tokens_that_the_service_forgot_are_forgotten(
    service: FakeAzure, bucket: AzureBucket, names: list[str]
) -> None:
    walk(bucket, 10)

    def refuse(method: str, path: str, query: dict[str, str]) -> None:
        if query.get("marker"):
            service.faults.refuse = None
            raise Refused(400, "OutOfRangeInput")

    service.faults.refuse = refuse
    assert walk(bucket, 10, "o150") == names[151:]


def test_refusal_of_the_first_page_is_told(service: FakeAzure, bucket: AzureBucket) -> None:
    def refuse(method: str, path: str, query: dict[str, str]) -> None:
        raise Refused(400, "InvalidQueryParameterValue")

    service.faults.refuse = refuse
    with pytest.raises(InvalidRequest):
        bucket.list_objects(ListQuery(start_after="a"))


def test_missing_container_is_not_an_empty_one(service: FakeAzure, bucket: AzureBucket) -> None:
    del service.store.containers["box"]
    with pytest.raises(NotFound):
        bucket.list_objects(ListQuery())


def test_groups_with_manifests_only_are_not_shown(service: FakeAzure, bucket: AzureBucket) -> None:
    fill(service, [KeyNamer.literal("").manifest_key("a"), "a/b", "c"])
    assert walk(bucket, 10, delimiter="/") == ["a/", "c"]
    fill(service, [".manifests/foreign"])
    assert walk(bucket, 10, delimiter="/") == [".manifests/", "a/", "c"]


@pytest.fixture(scope="module")
def provider(azure: FakeAzure) -> Iterator[AzureProvider]:
    provider = AzureProvider(credentials(azure))
    yield provider
    provider.close()


@given(
    present=st.sets(st.text("ab/", min_size=1, max_size=4), max_size=12),
    start=st.text("ab/", max_size=3),
    limit=st.integers(1, 5),
)
@settings(deadline=None, max_examples=40)
def test_any_start_gives_the_names_behind_it(
    azure: FakeAzure, provider: AzureProvider, present: set[str], start: str, limit: int
) -> None:
    name = f"box-{uuid4().hex[:8]}"
    azure.store.containers[name] = Container()
    fill(azure, sorted(present), name)
    bucket = provider.bucket(name, KeyNamer.literal(""))
    assert walk(bucket, limit, start) == [each for each in sorted(present) if each > start]
    assert walk(bucket, limit) == sorted(present)


class TestTokens:
    def test_token_behind_a_page_is_used_while_it_is_fresh(self) -> None:
        now = [0.0]
        tokens = Tokens(lambda: now[0])
        tokens.note(SERIES, "", "a", "c", "to d")
        assert tokens.behind(SERIES, "c") == "to d"
        assert tokens.behind(SERIES, "b") is None
        now[0] = FRESH + 1
        assert tokens.behind(SERIES, "c") is None

    def test_token_is_used_for_names_that_its_page_was_seen_to_begin_before(self) -> None:
        tokens = Tokens()
        tokens.note(SERIES, "", "a", "c", "to d")
        assert tokens.before(SERIES, "z") == ""  # where it leads was not seen
        tokens.note(SERIES, "to d", "d", "f", "to g")
        assert [tokens.before(SERIES, name) for name in ("c", "cc", "d", "e", "z")] == ["", "", *["to d"] * 3]
        tokens.forget(SERIES)
        assert tokens.before(SERIES, "z") == ""

    def test_memory_is_bounded(self) -> None:
        tokens = Tokens()
        for number in range(MAX_LISTINGS + 5):
            tokens.note(("box", str(number), ""), "t", "a", "b", "next")
        assert len(tokens._listings) == MAX_LISTINGS
        assert tokens.before(("box", "0", ""), "z") == ""


def document(*names: str, token: str = "", size: str = "1") -> bytes:
    blobs = "".join(
        f"<Blob><Name>{name}</Name><Properties><Content-Length>{size}</Content-Length></Properties></Blob>"
        for name in names
    )
    inner = f"<Blobs>{blobs}</Blobs><NextMarker>{token}</NextMarker>"
    return f"\ufeff<EnumerationResults>{inner}</EnumerationResults>".encode()


class TestParser:
    def test_page_has_keys_and_token(self) -> None:
        page = parse_blobs(document("a", "b &amp; c", token="t"))
        assert ([blob.key for blob in page.blobs], page.token) == (["a", "b & c"], "t")
        assert (page.first, page.last) == ("a", "b & c")

    def test_name_that_xml_cannot_hold_is_decoded(self) -> None:
        text = document("NAME").replace(b"<Name>NAME", b'<Name Encoded="true">a%EF%BF%BFb')
        assert parse_blobs(text).blobs[0].key == "a\uffffb"

    @pytest.mark.parametrize(
        "text",
        [
            b"",
            b"{}",
            b"<html/>",
            b"<EnumerationResults/>",
            document("a", size="many"),
            document(""),
            document("a")[:-5],
        ],
    )
    def test_anything_else_is_no_listing(self, text: bytes) -> None:
        with pytest.raises(ValueError, match="."):
            parse_blobs(text)
        with pytest.raises(ValueError, match="."):
            parse_containers(text)


@pytest.mark.parametrize("names", [("b", "a"), ("a", "a"), ("z\U0001f600", "z\uffef")])
def test_page_out_of_order_is_unusable(
    bucket: AzureBucket, monkeypatch: pytest.MonkeyPatch, names: tuple[str, str]
) -> None:
    monkeypatch.setattr(listing, "parse_blobs", lambda _: parse_blobs(document(*names)))
    with pytest.raises(ListingUnusable):
        bucket.list_objects(ListQuery())


def test_page_that_leads_to_itself_is_unusable(bucket: AzureBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing.Lister, "_request", lambda *_: parse_blobs(document(token="t")))
    with pytest.raises(ListingUnusable):
        bucket.list_objects(ListQuery())


def test_container_with_blobs_is_not_deleted(service: FakeAzure, bucket: AzureBucket) -> None:
    provider = AzureProvider(credentials(service))
    assert [each.name for each in provider.list_buckets()] == ["box"]
    fill(service, ["o"])
    with pytest.raises(InvalidRequest) as refusal:
        provider.delete_bucket("box")
    assert refusal.value.code == "BucketNotEmpty"
    provider.close()


def test_what_is_no_list_of_containers_is_unexpected(
    service: FakeAzure, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = AzureProvider(credentials(service))
    monkeypatch.setattr(listing, "parse_containers", lambda _: parse_containers(b"<html/>"))
    with pytest.raises(UnexpectedAnswer):
        list(provider.list_buckets())
    provider.close()
