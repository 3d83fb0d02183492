"""Answers of a store, or of something before it, that are not true."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from s3_sync.errors import (
    AccessDenied,
    BadDigest,
    CredentialsRefused,
    ListingUnusable,
    NotFound,
    RemoteError,
    RemoteUnavailable,
    UnexpectedAnswer,
)
from s3_sync.http.message import Headers
from s3_sync.model.objects import PutOptions
from s3_sync.providers.base import ListQuery
from s3_sync.providers.gcs import login
from s3_sync.providers.gcs.bucket import GcsBucket
from s3_sync.providers.gcs.provider import GcsProvider
from s3_sync.providers.gcs.resource import base64_of, read_listed, read_resource
from s3_sync.providers.gcs.transport import GcsTransport
from s3_sync.shunt.headers import answer_headers
from s3_sync.streams.reader import BytesBody
from s3_sync.streams.small_files import parse_json
from servers.fake_gcs import Chunk, FakeGcs, Refusal
from unit.providers.gcs.conftest import STEP
from unit.test_any_file import hostile

Documents = Callable[..., None]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Documents:
    """``answers(document, ...)``: the next documents of the store; the last one for ever."""

    def use(*documents: Any) -> None:
        left = list(documents)
        asked = 0

        def answer(*_: object) -> Any:
            nonlocal asked
            asked += 1
            assert asked < 500, "asks for ever"
            return left.pop(0) if len(left) > 1 else left[0]

        monkeypatch.setattr(GcsTransport, "document", answer)

    return use


@pytest.mark.parametrize("name", ["the bucket does not exist", "The specified bucket does not exist."])
def test_object_that_has_the_name_of_an_error_stops_no_mapping(bucket: GcsBucket, name: str) -> None:
    for ask in (bucket.head_object, bucket.get_object):
        with pytest.raises(NotFound) as missing:
            ask(name)
        assert missing.value.code == "notFound"
    assert bucket.delete_object(name) is False


def test_object_that_has_the_name_of_a_lock_is_denied_as_any_other(bucket: GcsBucket, fake: FakeGcs) -> None:
    name = "retention policy"
    fake.fail(
        Refusal(403, "forbidden", f"no access to bucket/p/{name}"), when=lambda r: "/storage/" in r.path
    )
    with pytest.raises(AccessDenied):
        bucket.head_object(name)


def test_description_of_another_object_proves_nothing(bucket: GcsBucket, fake: FakeGcs) -> None:
    bucket.put_object("a", BytesBody(b"data"), PutOptions(4))
    objects = fake.objects("bucket")
    objects["p/b"] = objects["p/a"]
    with pytest.raises(UnexpectedAnswer, match="another object"):
        bucket.head_object("b")


@pytest.mark.parametrize(
    "document", [{}, {"kind": "storage#bucket"}, {"kind": "storage#objects", "items": {}}]
)
def test_what_is_no_listing_is_no_empty_bucket(
    bucket: GcsBucket, answers: Documents, document: dict[str, Any]
) -> None:
    answers(document)
    with pytest.raises(ListingUnusable):
        bucket.list_objects(ListQuery())


def test_what_is_no_listing_is_no_bucket(provider: GcsProvider, answers: Documents) -> None:
    answers({})
    with pytest.raises(UnexpectedAnswer):
        provider.head_bucket("bucket")
    with pytest.raises(UnexpectedAnswer):
        list(provider.list_buckets())


def test_pages_that_never_end_are_no_listing(
    bucket: GcsBucket, provider: GcsProvider, answers: Documents
) -> None:
    answers({"kind": "storage#objects", "nextPageToken": "t"})
    with pytest.raises(ListingUnusable):
        bucket.list_objects(ListQuery())
    answers(*({"kind": "storage#objects", "nextPageToken": str(number)} for number in range(600)))
    with pytest.raises(ListingUnusable):
        bucket.list_objects(ListQuery())
    answers({"kind": "storage#buckets", "items": [{"name": "b"}], "nextPageToken": "t"})
    with pytest.raises(UnexpectedAnswer):
        list(provider.list_buckets())


@pytest.mark.parametrize(
    "place", ["http://[bad/x?upload_id=1", "http://h/a b?upload_id=1", "/x?upload_id=\u00e4"]
)
def test_session_at_no_address_is_an_unexpected_answer(
    bucket: GcsBucket, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    request = GcsTransport.request

    def lie(*arguments: Any, **named: Any) -> Any:
        response = request(*arguments, **named)
        response.headers = Headers([("location", place)])
        return response

    monkeypatch.setattr(GcsTransport, "request", lie)
    with pytest.raises(UnexpectedAnswer):
        bucket.put_object("a", BytesBody(b"x" * (STEP + 1)), PutOptions(STEP + 1))


def test_store_that_keeps_a_byte_at_a_time_is_given_up(bucket: GcsBucket, fake: FakeGcs) -> None:
    fake.chunks.extend([Chunk(1)] * 100)
    with pytest.raises(RemoteUnavailable, match="keeps"):
        bucket.put_object("a", BytesBody(b"x" * (STEP + 1)), PutOptions(STEP + 1))
    assert len(fake.chunks) > 90


def test_secret_of_a_session_is_in_no_message(
    bucket: GcsBucket, fake: FakeGcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store's header X-GUploader-UploadID is the ID of the session itself, and texts may quote it."""
    secrets: list[str] = []
    send = GcsTransport.session_request

    def quoting(transport: GcsTransport, what: str, method: str, target: str, *rest: Any) -> Any:
        response = send(transport, what, method, target, *rest)
        secrets.append(target.rpartition("upload_id=")[2])
        response.headers = Headers([*response.headers.items(), ("x-guploader-uploadid", secrets[-1])][::-1])
        return response

    monkeypatch.setattr(GcsTransport, "session_request", quoting)
    fake.fail(Refusal(400, "invalid", "no"), when=lambda r: r.method == "PUT")
    with pytest.raises(RemoteError) as error:
        bucket.put_object("a", BytesBody(b"x" * (STEP + 1)), PutOptions(STEP + 1))
    assert secrets[0] not in str(error.value)


@pytest.mark.parametrize("life", [1e30, float("inf"), "soon", []])
def test_login_that_makes_no_sense_is_refused_in_one_line(
    bucket: GcsBucket, fake: FakeGcs, life: Any
) -> None:
    fake.life = life
    fake.new_token = lambda: "t"  # type: ignore[method-assign]
    with pytest.raises(CredentialsRefused):
        bucket.head_object("object")


def test_login_that_is_nested_deeply_is_refused_in_one_line(
    bucket: GcsBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = login._Reply
    monkeypatch.setattr(login, "_Reply", lambda *given: replace(reply(*given), data=b"[" * 200_000))
    with pytest.raises(CredentialsRefused):
        bucket.head_object("object")


@pytest.mark.parametrize("size", [10, STEP + 10])
@pytest.mark.parametrize(
    "told",
    [{"md5Hash": base64_of(b"x" * 16)}, {"crc32c": base64_of(b"x" * 4)}, {"md5Hash": "", "crc32c": ""}],
)
def test_answer_with_another_digest_than_that_of_the_bytes_is_no_success(
    bucket: GcsBucket, fake: FakeGcs, monkeypatch: pytest.MonkeyPatch, size: int, told: dict[str, str]
) -> None:
    """A store that has ignored the digests that it was sent, of a large object whose MD5 nobody knew before:
    a mark would be taken for the proof."""
    read = GcsTransport.read_document

    def lie(*given: Any) -> dict[str, Any]:
        return read(*given) | told

    monkeypatch.setattr(GcsTransport, "read_document", lie)
    with pytest.raises((BadDigest, UnexpectedAnswer)):
        bucket.put_object("a", BytesBody(b"y" * size), PutOptions(size))
    assert fake.objects("bucket").keys() == (set() if any(told.values()) else {"p/a"})


def test_page_in_answer_to_a_delete_deletes_nothing(
    bucket: GcsBucket, fake: FakeGcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put_object("a", BytesBody(b"data"), PutOptions(4))
    send = GcsTransport._send

    def portal(transport: GcsTransport, method: str, target: str, *rest: Any) -> Any:
        return send(transport, method, *(("/portal",) if method == "DELETE" else (target,)), *rest)

    monkeypatch.setattr(GcsTransport, "_send", portal)
    with pytest.raises(UnexpectedAnswer):
        bucket.delete_object("a")
    fake.objects("bucket").clear()  # as the emulator, which answers with 200
    assert bucket.delete_object("a")


def test_any_description_is_read_or_refused() -> None:
    """What is read can be sent to a client."""
    described = {
        "size": "4", "generation": "1", "md5Hash": base64_of(b"x" * 16), "updated": "2026-01-01T00:00:00Z",
        "contentType": "a/b", "metadata": {"swift-timestamp": "1.0", "foo": "bar"}, "storageClass": "X",
    }  # fmt: skip
    for text in hostile(json.dumps(described).encode()):
        document: object = None
        with contextlib.suppress(ValueError):
            document = parse_json(text)
        if isinstance(document, dict):
            read_listed("o", document)
            with contextlib.suppress(UnexpectedAnswer):
                answer_headers(read_resource("HEAD", "o", document).info, "x", large=False)
