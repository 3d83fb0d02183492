"""Deletes at stores that do not know DeleteObjects, or answer with something else."""

from __future__ import annotations

from typing import Any

import pytest

from s3_sync.errors import NotSupported, RemoteError, RemoteUnavailable
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.s3 import deletes
from s3_sync.providers.s3.bucket import S3Bucket
from servers.scripted_s3 import Answer, ScriptedS3, error

NAMER = KeyNamer.literal("p/")
PORTAL = Answer(200, {"Content-Type": "text/html"}, b"<html><body>Welcome</body></html>")
DONE = Answer(204)
NAMES = [f"o{number}" for number in range(5)]
UNKNOWN = {
    "501": error(501, "NotImplemented"),
    "405": error(405, "MethodNotAllowed"),
    "400": error(400, "InvalidRequest"),
    "405-html": Answer(405, {}, b"<html><br>no</html>"),
    "200-html": PORTAL,
    "200-nothing": Answer(200, {}, b""),
    "200-another": Answer(200, {}, b"<ListBucketResult/>"),
}


DELETED = b"<DeleteResult>%s</DeleteResult>" % b"".join(
    b"<Deleted><Key>%s</Key></Deleted>" % key.encode()
    for name in NAMES
    for key in (NAMER.key(name), NAMER.manifest_key(name))
)


@pytest.fixture
def bucket(open_provider: Any) -> S3Bucket:
    return open_provider().bucket("bucket", NAMER)


def asked(store: ScriptedS3) -> list[tuple[str, str]]:
    return [(request.method, request.target) for request in store.requests]


@pytest.mark.parametrize("answer", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_delete_objects_unknown_to_the_store_is_not_sent_again(
    store: ScriptedS3, bucket: S3Bucket, answer: Answer, logged: Any
) -> None:
    store.answers = [answer]
    with pytest.raises(NotSupported):
        bucket.delete_objects(NAMES)
    assert bucket.features.bulk_delete == 0
    assert len(logged("bucket: DeleteObjects is not supported, deleting one by one: ")) == 1
    with pytest.raises(NotSupported):
        bucket.delete_objects(NAMES)
    assert len(logged("DeleteObjects is not")) == 1
    store.answers = [DONE]
    assert bucket.delete_object("a")
    manifest = f"/bucket/{NAMER.manifest_key('a')}"
    assert asked(store) == [("POST", "/bucket?delete"), ("DELETE", "/bucket/p/a"), ("DELETE", manifest)]


@pytest.mark.parametrize("answer", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_delete_object_without_delete_objects_deletes_both_keys(
    store: ScriptedS3, bucket: S3Bucket, answer: Answer
) -> None:
    store.answers = [answer, DONE]
    assert bucket.delete_object("a")
    assert [method for method, _ in asked(store)] == ["POST", "DELETE", "DELETE"]


def test_delete_objects_is_tried_again_after_a_day(
    store: ScriptedS3, bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletes, "UNSUPPORTED_TTL", 0.0)
    store.answers = [UNKNOWN["501"], Answer(200, {}, DELETED)]
    with pytest.raises(NotSupported):
        bucket.delete_objects(NAMES)
    assert bucket.features.bulk_delete > 0
    assert bucket.delete_objects(NAMES) == {}


@pytest.mark.parametrize("key", ["", "<Key>p/other</Key>"])
def test_delete_objects_error_about_another_key_is_raised(
    store: ScriptedS3, bucket: S3Bucket, key: str
) -> None:
    document = f"<DeleteResult><Error>{key}<Code>InternalError</Code></Error></DeleteResult>"
    store.answers = [Answer(200, {}, document.encode())]
    with pytest.raises(RemoteError, match="InternalError"):
        bucket.delete_objects(NAMES)


@pytest.mark.parametrize("answer", [PORTAL, Answer(200), Answer(202)], ids=["portal", "200", "202"])
def test_delete_manifest_unexpected_success_is_verified_by_a_head(
    store: ScriptedS3, bucket: S3Bucket, answer: Answer
) -> None:
    there = Answer(200, {"ETag": '"e"', "Last-Modified": "Sun, 22 Nov 2026 06:17:29 GMT"}, b"x")
    store.answers = [answer, there]
    with pytest.raises(RemoteUnavailable, match=r"DELETE bucket/.*the object still exists"):
        bucket.manifests.delete("a")
    store.answers = [answer, Answer(404)]
    bucket.manifests.delete("a")
    assert all(target == f"/bucket/{bucket.namer.manifest_key('a')}" for _, target in asked(store))
    assert [method for method, _ in asked(store)] == ["DELETE", "HEAD", "DELETE", "HEAD"]
