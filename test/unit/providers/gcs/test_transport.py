"""Tokens of requests, and what becomes of the store's refusals."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from s3_sync.config.credentials.gcs import GcsCredentials
from s3_sync.config.secret import Secret
from s3_sync.errors import (
    AccessDenied,
    BadDigest,
    CredentialsRefused,
    InvalidRequest,
    NotFound,
    ObjectLocked,
    PreconditionFailed,
    QuotaExceeded,
    RemoteError,
    RemoteUnavailable,
    Throttled,
    UnexpectedAnswer,
)
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import PutOptions
from s3_sync.providers.gcs.bucket import GcsBucket
from s3_sync.providers.gcs.provider import GcsProvider
from s3_sync.streams.reader import BytesBody
from servers.fake_gcs import FakeGcs, Refusal
from unit.providers.gcs.conftest import TIMEOUTS


def put(bucket: GcsBucket, name: str = "object", data: bytes = b"data") -> str:
    return bucket.put_object(name, BytesBody(data), PutOptions(len(data))).etag


def test_revoked_token_is_renewed_once_for_all_who_had_it(bucket: GcsBucket, fake: FakeGcs) -> None:
    put(bucket)
    assert len(fake.tokens) == 1
    fake.revoke_all()
    with ThreadPoolExecutor(4) as pool:
        infos = list(pool.map(bucket.head_object, ["object"] * 8))
    assert {info.size for info in infos} == {4}
    assert len(fake.tokens) == 2


def test_refusal_after_a_new_token_is_final(bucket: GcsBucket, fake: FakeGcs) -> None:
    fake.fail(Refusal(401, "authError", "Invalid Credentials"), when=lambda r: "/storage/" in r.path, times=9)
    for _ in range(3):
        with pytest.raises(CredentialsRefused) as refusal:
            bucket.head_object("object")
    assert not any(token in str(refusal.value) for token in fake.tokens)
    assert len(fake.tokens) == 2


def test_revoked_key_is_replaced_by_that_of_the_next_file(
    fake: FakeGcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Google refuses its token and gives no other; the objects that it has stay as they are."""
    monkeypatch.setattr("s3_sync.providers.token_session._PAUSE", 0.0)
    path = tmp_path / "key.json"
    path.write_text(fake.key_json)
    credentials = GcsCredentials(provider="gcs", endpoint=fake.endpoint, secret=Secret(str(path)))
    provider = GcsProvider(credentials, connections=2, timeouts=TIMEOUTS)
    bucket = provider.bucket("bucket", KeyNamer.literal(""))
    put(bucket)
    fake.revoke_all()
    path.write_text(fake.key_json.replace("tester@", "former@"))
    for name in ("object", "another"):
        with pytest.raises(CredentialsRefused, match="key.json: .*Invalid JWT Signature"):
            put(bucket, name, b"changed")
    assert fake.objects("bucket")["object"].data == b"data"
    path.write_text(fake.key_json)
    put(bucket, "object", b"changed")
    assert fake.objects("bucket")["object"].data == b"changed"
    provider.close()


@pytest.mark.parametrize(
    ("refusal", "kind", "code"),
    [
        (Refusal(400, "invalid", "Invalid argument."), InvalidRequest, "invalid"),
        (
            Refusal(400, "invalid", 'Provided MD5 hash "a" doesn\'t match calculated MD5 hash "b".'),
            BadDigest,
            "invalid",
        ),
        (Refusal(403, "forbidden", "no storage.objects.get access"), AccessDenied, "forbidden"),
        (Refusal(403, "rateLimitExceeded", "too fast"), Throttled, "rateLimitExceeded"),
        (Refusal(403, "quotaExceeded", "full"), QuotaExceeded, "quotaExceeded"),
        (Refusal(403, "retentionPolicyNotMet", "kept"), ObjectLocked, "retentionPolicyNotMet"),
        (Refusal(403, "forbidden", "Object is under active Event-Based hold"), ObjectLocked, "forbidden"),
        (Refusal(404, "notFound", "No such object: b/o"), NotFound, "notFound"),
        (Refusal(404, "notFound", "The specified bucket does not exist."), NotFound, "NoSuchBucket"),
        (Refusal(408, "", "slow"), RemoteUnavailable, ""),
        (Refusal(412, "conditionNotMet", "changed"), PreconditionFailed, "conditionNotMet"),
        (Refusal(429, "rateLimitExceeded", "the object exceeded"), Throttled, "rateLimitExceeded"),
        (Refusal(500, "backendError", "try again"), RemoteUnavailable, "backendError"),
        (Refusal(503, "backendError", "try again"), RemoteUnavailable, "backendError"),
    ],
)
def test_refusal_becomes_the_error_that_it_means(
    bucket: GcsBucket, fake: FakeGcs, refusal: Refusal, kind: type[RemoteError], code: str
) -> None:
    fake.fail(refusal, when=lambda request: "/storage/" in request.path)
    with pytest.raises(RemoteError) as raised:
        bucket.head_object("object")
    assert type(raised.value) is kind
    assert (raised.value.status, raised.value.code) == (refusal.status, code)
    assert refusal.message in str(raised.value)
    assert "(request-1)" in str(raised.value)


def test_404_that_is_no_document_of_the_api_proves_no_absence(bucket: GcsBucket, fake: FakeGcs) -> None:
    fake.fail(Refusal(404), when=lambda request: "/storage/" in request.path)
    with pytest.raises(UnexpectedAnswer, match="does not prove absence"):
        bucket.head_object("object")


def test_write_to_one_name_twice_a_second_is_throttled(bucket: GcsBucket, fake: FakeGcs) -> None:
    fake.limits_names = True
    put(bucket)
    put(bucket, "another")
    with pytest.raises(Throttled, match="exceeded the rate limit for object mutation"):
        put(bucket)
