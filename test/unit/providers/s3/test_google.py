"""Google's XML API, by a fake that refuses whatever Google has not."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from typing import Any

import pytest

from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.credentials.s3_dialects import GOOGLE
from s3_sync.config.secret import Secret
from s3_sync.errors import (
    AccessDenied,
    BadDigest,
    InvalidRequest,
    NotFound,
    NotSupported,
    RemoteError,
    Throttled,
    UnexpectedAnswer,
)
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.providers.base import ListQuery, WriteOptions
from s3_sync.providers.s3.bucket import S3Bucket
from s3_sync.providers.s3.google_rules import MARK, edit_google
from s3_sync.providers.s3.headers import stored_md5
from s3_sync.providers.s3.provider import S3Provider
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import BytesBody, read_all
from servers.google import FakeGoogle

DATA = b"data" * 50_000
MD5 = md5_hex(DATA)
NAMER = KeyNamer.literal("p/")
PLAIN = WriteOptions()


class Clock:
    def __init__(self) -> None:
        self.time = time.time()

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def google(clock: Clock) -> Iterator[FakeGoogle]:
    with FakeGoogle(clock) as server:
        server.create_bucket("bucket")
        yield server


@pytest.fixture
def bucket(google: FakeGoogle) -> Iterator[S3Bucket]:
    yield from opened(google)


def opened(google: FakeGoogle, write: WriteOptions = PLAIN, **changes: Any) -> Iterator[S3Bucket]:
    credentials = S3Credentials(
        endpoint=google.endpoint,
        identity=google.access_key,
        secret=Secret(google.secret_key),
        store="google",
        **changes,
    )
    provider = S3Provider(credentials, connections=2)
    yield provider.bucket("bucket", NAMER, write)
    provider.close()


def put(bucket: S3Bucket, name: str, data: bytes = DATA, **headers: str) -> str:
    meta = ObjectMeta(headers={"content-type": "text/x", **headers})
    return bucket.put_object(name, BytesBody(data), PutOptions(len(data), meta, md5_hex(data))).etag


def methods(google: FakeGoogle) -> list[str]:
    found = [method for method, _ in google.requests]
    google.requests.clear()
    return found


# Proof of what is stored


@pytest.mark.parametrize(
    ("headers", "md5"),
    [
        (
            {"x-goog-hash": "crc32c=AAAAAA==, md5=CY9rzUYh03PK3k6DJie09g=="},
            "098f6bcd4621d373cade4e832627b4f6",
        ),
        (
            {"x-goog-hash": "md5=CY9rzUYh03PK3k6DJie09g==", "etag": '"CKabc="'},
            "098f6bcd4621d373cade4e832627b4f6",
        ),
        ({"x-goog-hash": "crc32c=AAAAAA==", "etag": '"-CKabc="'}, None),
        ({"x-goog-hash": "md5=short", "etag": f'"{MD5}"'}, MD5),
        ({"x-goog-hash": "md5=\u00fc"}, None),
        ({"etag": f'"{MD5.upper()}"'}, MD5),
        ({"etag": f'"{MD5}"', "x-amz-server-side-encryption": "aws:kms"}, None),
        ({}, None),
    ],
)
def test_stored_md5_is_what_the_store_tells(headers: dict[str, str], md5: str | None) -> None:
    assert stored_md5(headers) == md5


@pytest.mark.parametrize("promised", [True, False])
def test_put_under_a_key_of_the_customer_is_proved_by_one_answer(
    google: FakeGoogle, bucket: S3Bucket, promised: bool
) -> None:
    """Its ETag is no MD5, but x-goog-hash has it."""
    google.store.behaviour.customer_key = True
    options = PutOptions(len(DATA), ObjectMeta(), MD5 if promised else None)
    etag = bucket.put_object("o", BytesBody(DATA), options).etag
    assert etag != MD5
    assert methods(google) == ["PUT"]
    info = bucket.head_object("o")
    assert (info.md5, info.etag, info.meta.marks) == (MD5, etag, {})


def test_put_whose_stored_digest_differs_raises_bad_digest(
    google: FakeGoogle, bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = google.store.put
    monkeypatch.setattr(
        google.store, "put", lambda bucket, key, data, *rest: store(bucket, key, data[:-1] + b"!", *rest)
    )
    with pytest.raises(BadDigest):
        bucket.put_object("o", BytesBody(DATA), PutOptions(len(DATA)))
    bucket.head_object("o")
    meta = ObjectMeta().marked(swift_slo_etag=MD5)  # would prove it, whatever its bytes are
    with pytest.raises(BadDigest):
        bucket.put_object("o", BytesBody(DATA), PutOptions(len(DATA), meta))
    with pytest.raises(NotFound):
        bucket.head_object("o")


def test_object_of_parts_has_no_md5_and_is_proved_by_a_head(google: FakeGoogle, bucket: S3Bucket) -> None:
    google.store.behaviour.min_part = 1
    meta = ObjectMeta().marked(swift_timestamp="0000000001.00000")
    upload = bucket.create_upload("o", meta)
    parts = [
        upload.upload_part(number, BytesBody(each), 1, md5_hex(each))
        for number, each in enumerate((b"a", b"b"), 1)
    ]
    methods(google)
    etag = upload.complete(parts).etag
    assert methods(google) == ["POST", "HEAD"]
    info = bucket.head_object("o")
    assert (info.etag, info.md5, info.size) == (etag, None, 2)


# What Google has not


def test_nothing_is_sent_that_google_refuses(google: FakeGoogle, bucket: S3Bucket) -> None:
    """The fake takes no header and no parameter that Google has not; SSE and conditions are not even sent."""
    for encrypted in opened(google, WriteOptions(encrypt=True)):
        put(encrypted, "o")
    bucket.post_object("o", ObjectMeta(user={"a_b": "\u00fc"}), MD5)
    assert bucket.head_object("o").meta.user == {"a=5fb": "\u00fc"}
    assert [each.name for each in bucket.list_objects(ListQuery(limit=1)).objects] == ["o"]
    for condition in ({"if_match": MD5}, {"if_absent": True}):
        with pytest.raises(NotSupported):
            bucket.put_object("o", BytesBody(b"x"), PutOptions(1, **condition))  # type: ignore[arg-type]


@pytest.mark.parametrize("in_bulk", [True, False])
def test_deletes_fall_back_where_there_is_no_bulk_delete(
    google: FakeGoogle, bucket: S3Bucket, in_bulk: bool
) -> None:
    google.store.behaviour.bulk_deletes = in_bulk
    for name in ("a", "b"):
        put(bucket, name)
        bucket.manifests.put(name, b"[]")
    assert bucket.delete_object("a")
    if in_bulk:
        assert bucket.delete_objects(["b", "missing"]) == {}
    else:
        assert bucket.features.bulk_delete == 0
        assert bucket.delete_object("b")
        assert not bucket.delete_object("missing")
    assert google.store.bucket("bucket").objects == {}


def test_wrong_secret_is_refused_without_being_told(google: FakeGoogle) -> None:
    google.secret_key = "another"
    for bucket in opened(google):
        google.secret_key = "no longer that"
        with pytest.raises(AccessDenied) as refusal:
            put(bucket, "o")
        assert "another" not in str(refusal.value)


def test_second_write_of_a_name_within_a_second_is_throttled(
    google: FakeGoogle, bucket: S3Bucket, clock: Clock
) -> None:
    google.store.behaviour.limits_writes = True
    put(bucket, "o")
    with pytest.raises(Throttled):
        put(bucket, "o")
    put(bucket, "another")
    clock.time += 1
    put(bucket, "o")


def test_copy_onto_itself_keeps_the_class_that_google_gave_it(google: FakeGoogle, bucket: S3Bucket) -> None:
    put(bucket, "o")
    google.store.object("bucket", "p/o").storage_class = "NEARLINE"
    assert bucket.head_object("o").storage_class == "NEARLINE"
    bucket.post_object("o", ObjectMeta(user={"a": "b"}))
    assert google.store.object("bucket", "p/o").storage_class == "NEARLINE"


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("packed", [gzip.compress(DATA), b"no gzip at all"])
def test_gzip_comes_back_as_it_is_stored(google: FakeGoogle, direct: bool, packed: bytes) -> None:
    credentials = S3Credentials(
        endpoint=google.endpoint, identity=google.access_key, secret=Secret(google.secret_key), store="google"
    )
    provider = S3Provider(credentials, connections=2, direct=direct)
    bucket = provider.bucket("bucket", NAMER)
    put(bucket, "o", packed, **{"content-encoding": "gzip"})
    assert bucket.head_object("o").size == len(packed)
    with bucket.get_object("o") as result:
        assert (result.info.size, read_all(result.body)) == (len(packed), packed)
    provider.close()


def test_bucket_that_exists_is_taken_for_created(google: FakeGoogle) -> None:
    credentials = S3Credentials(
        endpoint=google.endpoint, identity=google.access_key, secret=Secret(google.secret_key), store="google"
    )
    provider = S3Provider(credentials, connections=2)
    provider.create_bucket("bucket")
    with pytest.raises(InvalidRequest):
        provider.create_bucket("Not A Name")
    provider.close()


# Lifecycle rules

ARCHIVE = (
    b"<Rule><Action><SetStorageClass>ARCHIVE</SetStorageClass></Action>"
    b"<Condition><Age>365</Age></Condition></Rule>"
)
THEIRS = ARCHIVE + (
    b"<Rule><Action><Delete /></Action>"
    b"<Condition><Age>9</Age><MatchesPrefix>p/</MatchesPrefix></Condition></Rule>"
)


def rules(google: FakeGoogle) -> bytes:
    return google.store.bucket("bucket").rules


def test_expiry_rule_is_for_objects_and_manifests_of_the_mapping_only(
    google: FakeGoogle, bucket: S3Bucket
) -> None:
    put(bucket, "o")
    bucket.manifests.put("o", b"[]")
    google.store.put("bucket", "other", b"x", {})
    assert bucket.set_expiry_rule(30)
    assert not bucket.set_expiry_rule(30)
    assert google.store.expire("bucket", 29) == []
    ours = [key for key in google.store.bucket("bucket").objects if key != "other"]
    assert google.store.expire("bucket", 30) == sorted(ours)
    assert bucket.set_expiry_rule(31)
    assert google.store.expire("bucket", 30) == []
    assert bucket.set_expiry_rule(0)
    assert not bucket.set_expiry_rule(0)
    assert google.store.expire("bucket", 10_000) == []


def test_foreign_rules_stay_as_they_are_even_for_our_prefix(google: FakeGoogle, bucket: S3Bucket) -> None:
    google.store.set_rules("bucket", b"<LifecycleConfiguration>" + THEIRS + b"</LifecycleConfiguration>")
    for days in (30, 31, 0):
        assert bucket.set_expiry_rule(days)
        assert THEIRS in rules(google)
    assert rules(google) == b"<LifecycleConfiguration>" + THEIRS + b"</LifecycleConfiguration>"


def test_rule_that_lost_its_prefix_is_taken_back_at_once(google: FakeGoogle, bucket: S3Bucket) -> None:
    """It would delete everything in the bucket."""
    google.store.set_rules("bucket", b"<LifecycleConfiguration>" + ARCHIVE + b"</LifecycleConfiguration>")
    before = rules(google)
    google.store.behaviour.forgets = frozenset({"MatchesPrefix"})
    with pytest.raises(UnexpectedAnswer):
        bucket.set_expiry_rule(30)
    assert rules(google) == before


def test_refused_rule_changes_nothing(
    google: FakeGoogle, bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("servers.google_store.CONDITIONS", ("Age",))
    before = rules(google)
    with pytest.raises(RemoteError):
        bucket.set_expiry_rule(30)
    assert rules(google) == before


@pytest.mark.parametrize("prefix", ["p/", "\u00fc <&> \"'/", ""])
def test_edited_document_has_one_rule_which_is_found_again(prefix: str) -> None:
    written = edit_google(None, [prefix], 7)
    assert written is not None
    assert edit_google(written, [prefix], 7) is None
    assert edit_google(written, [f"{prefix}other/"], 0) is None
    changed = edit_google(written, [prefix], 8)
    assert changed is not None
    assert changed.count(b"<Rule>") == 1
    removed = edit_google(changed, [prefix], 0)
    assert removed is not None
    assert b"<Rule>" not in removed


OUR_AGE = f"<Age>1</Age><CreatedBefore>{MARK}</CreatedBefore>"


@pytest.mark.parametrize(
    ("action", "condition"),
    [
        ("<Delete/>", OUR_AGE),
        ("<Delete/>", f"{OUR_AGE}<MatchesPrefix>p/</MatchesPrefix><MatchesPrefix>q/</MatchesPrefix>"),
        ("<Delete/>", f"{OUR_AGE}<MatchesPrefix>p/</MatchesPrefix><IsLive>true</IsLive>"),
        ("<Delete/>", f"{OUR_AGE}<MatchesPrefix>p</MatchesPrefix>"),
        (
            "<Delete/>",
            "<Age>1</Age><CreatedBefore>2020-01-01</CreatedBefore><MatchesPrefix>p/</MatchesPrefix>",
        ),
        ("<SetStorageClass>ARCHIVE</SetStorageClass>", f"{OUR_AGE}<MatchesPrefix>p/</MatchesPrefix>"),
        ("", f"{OUR_AGE}<MatchesPrefix>p/</MatchesPrefix>"),
    ],
)
def test_rule_that_differs_in_anything_is_not_ours(action: str, condition: str) -> None:
    rule = f"<Rule><Action>{action}</Action><Condition>{condition}</Condition></Rule>"
    document = f"<LifecycleConfiguration>{rule}</LifecycleConfiguration>".encode()
    assert edit_google(document, ["p/"], 0) is None


def test_dialect_sends_large_objects_in_one_stream_of_up_to_five_tebibytes(bucket: S3Bucket) -> None:
    assert bucket.features.one_stream
    assert bucket.limits.max_put == bucket.limits.max_copy == 5 << 40 == GOOGLE.max_put
