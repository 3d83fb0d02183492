"""Answers of a service, or of something before it, that are not true."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from s3_sync import errors
from s3_sync.config.secret import Secret
from s3_sync.http.message import Headers
from s3_sync.providers.azure import identity, listing
from s3_sync.providers.azure.auth import Request
from s3_sync.providers.azure.bucket import AzureBucket
from s3_sync.providers.azure.errors import refusal
from s3_sync.providers.azure.list_parser import parse_blobs, parse_containers
from s3_sync.providers.azure.provider import AzureProvider
from s3_sync.providers.azure.transport import AzureTransport
from s3_sync.providers.base import ListQuery
from servers.fake_azure import FakeAzure
from servers.fake_azure_store import Refused
from unit.providers.azure.conftest import NewBucket, credentials, put
from unit.providers.azure.test_errors import ID, answer
from unit.providers.azure.test_listing import document

SIGNATURE = "sv=2021&sig=ab%2Bcdefghijklmn%3D"


def test_blob_that_a_second_answer_shows_in_another_tier_is_not_deleted(
    service: FakeAzure, bucket: AzureBucket
) -> None:
    etag = put(bucket, "o", b"old")

    def lie(method: str, path: str, query: dict[str, str]) -> None:
        if method == "PUT":
            raise Refused(409, "BlobArchived")

    service.faults.refuse = lie
    wanted: tuple[dict[str, str], ...] = ({}, {"if_match": etag})
    for conditions in wanted:
        with pytest.raises(errors.RemoteUnavailable):
            put(bucket, "o", b"new", **conditions)
    assert service.store.containers["box"].blobs["o"].data == b"old"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (404, ""),
        (404, "AccountNotFound"),
        (404, "FilesystemNotFound"),
        (403, "BlobNotFound"),
        (500, "BlobNotFound"),
    ],
)
def test_only_a_404_that_says_what_is_missing_proves_absence(status: int, code: str) -> None:
    found = errors_of(status, code)
    assert not isinstance(found, errors.NotFound)


@pytest.mark.parametrize(
    ("status", "code"),
    [(404, "ContainerBeingDeleted"), (409, "ContainerBeingDeleted"), (409, "ContainerDisabled")],
)
def test_container_that_is_out_of_use_is_an_outage(status: int, code: str) -> None:
    assert isinstance(errors_of(status, code), errors.RemoteUnavailable)


def errors_of(status: int, code: str) -> errors.RemoteError:
    return refusal("HEAD /c/o", answer(status, code, **ID))


@pytest.mark.parametrize("form", ["%2Bcdefghijklmn", "%2bcdefghijklmn", "+cdefghijklmn"])
@pytest.mark.parametrize("place", ["location", "x-ms-request-id", "x-ms-error-code", "x-ms-other"])
def test_signature_is_in_no_message_wherever_it_is_quoted(
    service: FakeAzure, new_bucket: NewBucket, monkeypatch: pytest.MonkeyPatch, form: str, place: str
) -> None:
    bucket = new_bucket(secret=None, sas_token=Secret(SIGNATURE))
    send = AzureTransport._send

    def quoting(*arguments: Any) -> Any:
        response = send(*arguments)
        quoted = f"http://elsewhere/?st=1&sig=ab{form}%3D&se=2"
        response.status = 307 if place == "location" else response.status
        rest = [each for each in response.headers.items() if each[0] != place]
        response.headers = Headers([(place, quoted), *rest])
        return response

    monkeypatch.setattr(AzureTransport, "_send", quoting)
    with pytest.raises(errors.RemoteError) as error:
        bucket.head_object("o")
    assert "cdefgh" not in str(error.value)
    assert len(str(error.value)) < 500


def names_of(bucket: AzureBucket) -> Iterator[str]:
    after: str | None = ""
    while after is not None:
        page = bucket.list_objects(ListQuery(start_after=after))
        yield from (each.name for each in page.objects)
        after = page.next_after


class TestListing:
    @pytest.fixture
    def pages(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
        """``pages(document, ...)``: what the service answers to each next request, for ever."""

        def use(*documents: bytes) -> None:
            asked = 0

            def request(*_: object) -> Any:
                nonlocal asked
                asked += 1
                assert asked < 500, "asks for ever"
                return parse_blobs(documents[(asked - 1) % len(documents)])

            monkeypatch.setattr(listing.Lister, "_request", request)

        return use

    def test_page_that_comes_again_ends_a_listing(
        self, bucket: AzureBucket, pages: Callable[..., None]
    ) -> None:
        """It does so whatever the length of the circle, and whether the listing goes on or begins anew."""
        for circle in ([document("a", token="t")], [document("a", token="t"), document("b", token="u")]):
            pages(*circle)
            with pytest.raises(errors.ListingUnusable):
                list(names_of(bucket))
            pages(*circle)
            with pytest.raises(errors.ListingUnusable):
                bucket.list_objects(ListQuery(start_after="zzz"))
            bucket._tokens._listings.clear()

    def test_group_whose_pages_come_again_ends_a_listing(
        self, new_bucket: NewBucket, pages: Callable[..., None]
    ) -> None:
        bucket = new_bucket()
        group = bucket.namer.manifest_prefix.partition("/")[0] + "/"
        pages(document(group + "x", token="t"))
        with pytest.raises(errors.ListingUnusable):
            list(bucket._lister._keys_below(group))

    def test_containers_whose_pages_come_again_are_not_all(
        self, service: FakeAzure, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        provider = AzureProvider(credentials(service))
        page = "<EnumerationResults><Containers/><NextMarker>%s</NextMarker></EnumerationResults>"
        for circle in ("t", "tu"):
            asked: Iterator[str] = iter(circle * 100)
            monkeypatch.setattr(
                listing,
                "parse_containers",
                lambda _, asked=asked: parse_containers((page % next(asked)).encode()),
            )
            with pytest.raises(errors.UnexpectedAnswer):
                list(provider.list_buckets())
        provider.close()


@pytest.mark.parametrize(
    ("token", "expires"),
    [("a\r\nX-Evil: 1", 1e10), ("", 1e10), (None, 1e10), ("t", None), ("t", "soon"), ("t\u00e4", 1e10)],
)
def test_token_that_is_none_is_refused_in_one_line(
    service: FakeAzure, monkeypatch: pytest.MonkeyPatch, token: object, expires: object
) -> None:
    source = SimpleNamespace(get_token=lambda scope: SimpleNamespace(token=token, expires_on=expires))
    monkeypatch.setattr(identity, "_source", lambda given: source)
    cache = identity.token_cache(credentials(service))
    with pytest.raises((errors.CredentialsRefused, errors.RemoteUnavailable)) as error:
        cache.token()
    assert "Evil" not in str(error.value)


def test_other_success_deletes_nothing(bucket: AzureBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    put(bucket, "o", b"data")
    send = AzureTransport._send

    def lie(transport: AzureTransport, request: Request, body: Any) -> Any:
        if request.method == "DELETE":
            request = replace(request, method="HEAD")
        return send(transport, request, body)

    monkeypatch.setattr(AzureTransport, "_send", lie)
    with pytest.raises(errors.UnexpectedAnswer):
        bucket.delete_object("o")
