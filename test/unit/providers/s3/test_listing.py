"""Listings of stores that are old, broken, or unlike the others."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

import pytest
from botocore.parsers import ResponseParserError

from s3_sync.config.credentials.s3_dialects import CLONE, DIALECTS
from s3_sync.errors import ListingUnusable, NotSupported, RemoteUnavailable
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.base import ListQuery
from s3_sync.providers.s3.bucket import S3Bucket
from s3_sync.providers.s3.list_parser import read_date
from s3_sync.providers.s3.listing import MAX_EMPTY_PAGES
from servers.scripted_s3 import Answer, ScriptedS3, error

NAMER = KeyNamer.literal("p/")
NO_ENCODING = DIALECTS["digitalocean"]


def page(
    *keys: str, groups: tuple[str, ...] = (), more: bool = False, version: int = 2, encoding: str = ""
) -> Answer:
    contents = "".join(
        f"<Contents><Key>{escape(key)}</Key><Size>1</Size><ETag>&quot;{'e' * 32}&quot;</ETag></Contents>"
        for key in keys
    )
    prefixes = "".join(
        f"<CommonPrefixes><Prefix>{escape(group)}</Prefix></CommonPrefixes>" for group in groups
    )
    count = f"<KeyCount>{len(keys) + len(groups)}</KeyCount>" if version == 2 else ""
    encoded = f"<EncodingType>{encoding}</EncodingType>" if encoding else ""
    truncated = f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>"
    document = f"<ListBucketResult>{count}{encoded}{truncated}{contents}{prefixes}</ListBucketResult>"
    return Answer(200, {"Content-Type": "application/xml"}, document.encode())


def query_of(target: str) -> dict[str, str]:
    return {
        name: value[0] for name, value in parse_qs(urlsplit(target).query, keep_blank_values=True).items()
    }


@pytest.fixture
def bucket(open_provider: Any) -> S3Bucket:
    return open_provider().bucket("bucket", NAMER)


def test_list_objects_sends_prefix_start_delimiter_and_limit(store: ScriptedS3, bucket: S3Bucket) -> None:
    store.answers = [page()]
    bucket.list_objects(ListQuery("a b", "a b+c", "/", 7))
    bucket.list_objects(ListQuery(limit=100_000))
    first, second = (query_of(request.target) for request in store.requests)
    assert first == {
        "list-type": "2",
        "prefix": "p/a b",
        "start-after": "p/a b+c",
        "delimiter": "/",
        "max-keys": "7",
        "encoding-type": "url",
    }
    assert second == {"list-type": "2", "prefix": "p/", "max-keys": "1000", "encoding-type": "url"}


@pytest.mark.parametrize("status", [200, 500])
def test_list_objects_endless_answer_raises_remote_unavailable(
    store: ScriptedS3, bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """It does not fill the memory."""
    monkeypatch.setattr("s3_sync.providers.s3.response_limit.MAX_DOCUMENT_BYTES", 50_000)
    endless = page("p/a").body[:-10] + b" " * 100_000
    store.answers = [Answer(status, {"Content-Length": "1000000000"}, endless)]
    with pytest.raises(RemoteUnavailable, match="more than 50000 bytes"):
        bucket.list_objects(ListQuery())
    store.answers = [page("p/a")]
    assert [info.name for info in bucket.list_objects(ListQuery()).objects] == ["a"]


def test_list_objects_decodes_encoded_keys_once(store: ScriptedS3, bucket: S3Bucket) -> None:
    store.answers = [page("p/%2541", "p/a+b%2Bc", encoding="url"), page("p/%41", "p/a+b")]
    assert [info.name for info in bucket.list_objects(ListQuery()).objects] == ["%41", "a b+c"]
    # a store that does not encode says so by not saying anything
    assert [info.name for info in bucket.list_objects(ListQuery()).objects] == ["%41", "a+b"]


def test_list_objects_of_store_without_encoding_requests_none(store: ScriptedS3, open_provider: Any) -> None:
    store.answers = [page("p/%41")]
    bucket = open_provider(dialect=NO_ENCODING).bucket("bucket", NAMER)
    assert [info.name for info in bucket.list_objects(ListQuery()).objects] == ["%41"]
    assert "encoding-type" not in query_of(store.requests[0].target)


def test_store_that_answers_by_version_1_is_listed_by_version_1(
    store: ScriptedS3, bucket: S3Bucket, logged: Any
) -> None:
    store.answers = [page("p/a", "p/b", version=1), page("p/b", version=1)]
    listing = bucket.list_objects(ListQuery(start_after="a"))
    assert [info.name for info in listing.objects] == ["b"]
    assert query_of(store.requests[1].target)["marker"] == "p/a"
    assert len(logged("bucket: ListObjectsV2 is not supported")) == 1
    bucket.list_objects(ListQuery(start_after="a"))
    assert len(store.requests) == 3  # it is asked once how old it is
    assert len(logged("ListObjectsV2")) == 1


@pytest.mark.parametrize(
    ("answer", "query"),
    [
        (page("p/b", "p/a"), ListQuery()),
        (page("p/a", "p/a"), ListQuery()),
        (page("p/a"), ListQuery(start_after="a")),
        (page("p/a", "p/c"), ListQuery(start_after="b")),
        (page("p/z", "p/\U0001f600", "p/\uffef"), ListQuery()),  # in the order of UTF-16
        (page("other/a"), ListQuery()),
        (page("p/a", "q"), ListQuery()),
        (page(more=True), ListQuery()),
        (page(groups=("p/b/", "p/a/")), ListQuery(delimiter="/")),
        (page(groups=("p/a/",)), ListQuery(delimiter="-")),
        (page(groups=("p/a/",)), ListQuery()),
        (page(groups=("p/a/",), more=True), ListQuery(delimiter="/", start_after="a/")),
    ],
)
def test_inconsistent_listing_raises_listing_unusable(
    store: ScriptedS3, bucket: S3Bucket, answer: Answer, query: ListQuery
) -> None:
    store.answers = [answer]
    with pytest.raises(ListingUnusable, match="^LIST bucket: "):
        bucket.list_objects(query)


def test_prefix_before_the_start_is_not_listed_again(store: ScriptedS3, bucket: S3Bucket) -> None:
    store.answers = [page("p/b", groups=("p/a/",))]
    listing = bucket.list_objects(ListQuery(start_after="a/", delimiter="/"))
    assert ([info.name for info in listing.objects], listing.prefixes) == (["b"], ())
    assert query_of(store.requests[0].target)["start-after"] == "p/a/\U0010ffff"


def test_page_of_hidden_keys_only_continues_after_them(store: ScriptedS3, bucket: S3Bucket) -> None:
    manifest = NAMER.manifest_key("x")
    store.answers = [page("p/", more=True), page(manifest, more=True), page("p/z")]
    first = bucket.list_objects(ListQuery(limit=1))
    assert (first.objects, first.next_after) == ((), manifest.removeprefix("p/"))
    last = bucket.list_objects(ListQuery(limit=1, start_after=first.next_after or ""))
    assert [info.name for info in last.objects] == ["z"]
    assert [query_of(request.target).get("start-after") for request in store.requests] == [
        None,
        "p/",
        manifest,
    ]


def test_entry_with_few_fields_leaves_the_others_unknown(store: ScriptedS3, bucket: S3Bucket) -> None:
    document = (
        "<ListBucketResult><KeyCount>1</KeyCount><IsTruncated>false</IsTruncated><Contents><Key>p/a</Key><Size>3</Size><ETag>abc</ETag>"
        "<StorageClass>GLACIER</StorageClass></Contents></ListBucketResult>"
    )
    store.answers = [Answer(200, {}, document.encode())]
    (info,) = bucket.list_objects(ListQuery()).objects
    assert (info.name, info.size, info.etag, info.storage_class) == ("a", 3, "abc", "GLACIER")
    assert info.last_modified == 0.0


@pytest.mark.parametrize("text", ["", "soon", "Sun, 22 Nov 2026 06:17:29 GMT, soon", "9" * 40])
def test_read_date_invalid_text_raises_parser_error(text: str) -> None:
    with pytest.raises(ResponseParserError, match="not a date"):
        read_date(text)


def test_other_document_than_a_listing_raises_listing_unusable(store: ScriptedS3, bucket: S3Bucket) -> None:
    store.answers = [Answer(200, {"Content-Type": "text/html"}, b"<html><body>Welcome</body></html>")]
    with pytest.raises(ListingUnusable, match="LIST bucket: the response is a document 'html'"):
        bucket.list_objects(ListQuery())
    with pytest.raises(ListingUnusable, match="LIST bucket"):
        bucket.manifests.has_any()


def empty_page(token: str = "", version: int = 2) -> Answer:
    name = "NextContinuationToken" if version == 2 else "NextMarker"
    told = f"<{name}>{token}</{name}>" if token else ""
    return Answer(200, {}, page(more=True, version=version).body.replace(b"</List", f"{told}</List".encode()))


def test_empty_page_with_a_token_is_skipped(store: ScriptedS3, bucket: S3Bucket) -> None:
    store.answers = [empty_page("one"), empty_page("two"), page("p/b", more=True)]
    listing = bucket.list_objects(ListQuery(start_after="a"))
    assert ([info.name for info in listing.objects], listing.next_after) == (["b"], "b")
    asked = [query_of(request.target) for request in store.requests]
    assert [each.get("continuation-token") for each in asked] == [None, "one", "two"]
    assert [each.get("start-after") for each in asked] == ["p/a", None, None]


@pytest.mark.parametrize(("version", "name"), [(2, "start-after"), (1, "marker")])
def test_listing_continues_after_the_last_key_whatever_the_store_names(
    store: ScriptedS3, open_provider: Any, version: int, name: str
) -> None:
    dialect = CLONE.model_copy(update={"list_version": version})
    bucket = open_provider(dialect=dialect).bucket("bucket", NAMER)
    body = page("p/a", "p/b", more=True, version=version).body
    odd = b"<NextMarker>p/z</NextMarker><NextContinuationToken>odd</NextContinuationToken></List"
    store.answers = [Answer(200, {}, body.replace(b"</List", odd)), page("p/c", version=version)]
    first = bucket.list_objects(ListQuery())
    assert first.next_after == "b"
    bucket.list_objects(ListQuery(start_after=first.next_after))
    query = query_of(store.requests[1].target)
    assert query[name] == "p/b"
    assert "continuation-token" not in query


@pytest.mark.parametrize("tokens", [["", ""], ["one", "one"], None], ids=["none", "the-same", "without-end"])
def test_empty_pages_without_progress_raise_listing_unusable(
    store: ScriptedS3, bucket: S3Bucket, tokens: list[str] | None
) -> None:
    endless = tokens is None
    tokens = [str(number) for number in range(200)] if tokens is None else tokens
    store.answers = [empty_page(token) for token in tokens]
    with pytest.raises(ListingUnusable, match="empty page"):
        bucket.list_objects(ListQuery())
    assert len(store.requests) == (MAX_EMPTY_PAGES if endless else len(set(tokens)) if "" in tokens else 2)


@pytest.mark.parametrize(
    "refusal",
    [
        error(501, "NotImplemented"),
        error(405, "MethodNotAllowed"),
        error(400, "InvalidArgument"),
        Answer(405, {"Content-Type": "text/html"}, b"<html>no<br></html>"),
    ],
    ids=["501", "405", "400", "html"],
)
def test_store_that_refuses_version_2_is_listed_by_version_1(
    store: ScriptedS3, bucket: S3Bucket, refusal: Answer, logged: Any
) -> None:
    store.answers = [refusal, page("p/b", version=1), page("p/c", version=1)]
    assert [info.name for info in bucket.list_objects(ListQuery(start_after="a")).objects] == ["b"]
    why = f"LIST bucket: {refusal.status}"
    assert len(logged(f"bucket: ListObjectsV2 is not supported, using ListObjects: {why}")) == 1
    assert [info.name for info in bucket.list_objects(ListQuery(start_after="b")).objects] == ["c"]
    assert len(logged("ListObjectsV2")) == 1
    asked = [query_of(request.target) for request in store.requests]
    assert [(each.get("list-type"), each.get("marker")) for each in asked] == [
        ("2", None),
        (None, "p/a"),
        (None, "p/b"),
    ]


def test_has_any_manifest_without_version_2_is_listed_by_version_1(
    store: ScriptedS3, bucket: S3Bucket
) -> None:
    key = bucket.namer.manifest_key("large")
    store.answers = [error(501, "NotImplemented"), page("p/b", version=1), page(key, version=1)]
    bucket.list_objects(ListQuery())
    assert bucket.manifests.has_any()
    asked = [query_of(request.target) for request in store.requests]
    assert [each.get("list-type") for each in asked] == ["2", None, None]
    assert (asked[2]["prefix"], asked[2]["max-keys"]) == (bucket.namer.manifest_prefix, "1")


def test_store_without_any_listing_raises_not_supported(store: ScriptedS3, bucket: S3Bucket) -> None:
    store.answers = [error(501, "NotImplemented", "no")]
    with pytest.raises(NotSupported, match="LIST bucket: 501 NotImplemented no"):
        bucket.list_objects(ListQuery())
    assert len(store.requests) == 2


def test_start_echoed_without_encoding_is_ignored(store: ScriptedS3, bucket: S3Bucket) -> None:
    body = page("p/b%01", encoding="url").body.replace(
        b"<Is", "<StartAfter>a\x01\uffff</StartAfter><Is".encode()
    )
    store.answers = [Answer(200, {}, body)]
    listing = bucket.list_objects(ListQuery(start_after="a\x01\uffff"))
    assert [info.name for info in listing.objects] == ["b\x01"]


def test_keys_without_encoding_are_read_unchanged(store: ScriptedS3, open_provider: Any) -> None:
    store.answers = [page("p/a\x01", "p/b\r", "p/c\uffff")]
    bucket = open_provider(dialect=NO_ENCODING).bucket("bucket", NAMER)
    names = [info.name for info in bucket.list_objects(ListQuery()).objects]
    assert names == ["a\x01", "b\r", "c\uffff"]
