"""RestoreObject and ``x-amz-restore``, as they go over the wire."""

from __future__ import annotations

import math
from typing import Any

import pytest

from s3_sync.errors import AccessDenied, Archived, InvalidRequest, NotSupported, UnexpectedAnswer
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.base import Retrieval
from s3_sync.providers.s3.bucket import S3Bucket
from servers.scripted_s3 import Answer, ScriptedS3, error

NAMER = KeyNamer.hashed("AUTH_test", "c")
HEAD = {"ETag": '"abc"', "Content-Length": "4", "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}
COLD = HEAD | {"x-amz-storage-class": "GLACIER"}
TIERED = HEAD | {"x-amz-storage-class": "INTELLIGENT_TIERING"}
LATE = 'ongoing-request="false", expiry-date="Fri, 21 Dec 2029 00:00:00 GMT"'
OVER = 'ongoing-request="false", expiry-date="Wed, 21 Oct 2015 00:00:00 GMT"'


@pytest.fixture
def bucket(open_provider: Any) -> S3Bucket:
    return open_provider().bucket("bucket", NAMER)


@pytest.mark.parametrize(
    ("header", "archived", "retrieving", "until"),
    [
        ("", True, False, None),
        ('ongoing-request="true"', True, True, None),
        ("ongoing-request=true", True, True, None),
        (LATE, False, False, 1892505600.0),
        (LATE.replace('"', ""), False, False, 1892505600.0),
        (OVER, True, False, None),
        ('ongoing-request="false"', False, False, math.inf),
        ('ongoing-request="false", expiry-date="Sat, 23 July 20 2030 00:00:00 GMT"', False, False, math.inf),
    ],
)
def test_head_tells_how_far_a_retrieval_is(
    store: ScriptedS3, bucket: S3Bucket, header: str, archived: bool, retrieving: bool, until: float | None
) -> None:
    store.answers = [Answer(200, COLD | {"x-amz-restore": header})]
    info = bucket.head_object("name")
    assert (info.archived, info.retrieving, info.retrieved_until) == (archived, retrieving, until)


def test_whether_a_retrieval_is_over_is_a_matter_of_the_stores_clock(
    store: ScriptedS3, bucket: S3Bucket
) -> None:
    store.answers = [
        Answer(200, COLD | {"x-amz-restore": OVER, "Date": "Tue, 20 Oct 2015 00:00:00 GMT"}),
        Answer(200, COLD | {"x-amz-restore": LATE, "Date": "Sat, 22 Dec 2029 00:00:00 GMT"}),
    ]
    assert bucket.head_object("name").archived is False
    assert bucket.head_object("name").archived is True


def test_object_that_is_being_retrieved_is_archived_whatever_its_class(
    store: ScriptedS3, bucket: S3Bucket
) -> None:
    """As of Ceph's, which an operator names."""
    headers = HEAD | {"x-amz-storage-class": "CLOUDTIER", "x-amz-restore": 'ongoing-request="true"'}
    store.answers = [Answer(200, headers)]
    info = bucket.head_object("name")
    assert (info.archived, info.retrieving) == (True, True)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (Answer(202), Retrieval.BEGUN),
        (Answer(200), Retrieval.READABLE),
        (error(409, "RestoreAlreadyInProgress"), Retrieval.RUNNING),
    ],
)
def test_what_the_store_answers_to_a_retrieval(
    store: ScriptedS3, bucket: S3Bucket, answer: Answer, found: Retrieval
) -> None:
    store.answers = [Answer(200, COLD), answer]
    assert bucket.retrieve_object("name", 5, "Bulk") is found
    request = store.requests[-1]
    assert (request.method, request.target) == ("POST", f"/bucket/{NAMER.key('name')}?restore")
    assert b"<Days>5</Days>" in request.body
    assert b"<GlacierJobParameters><Tier>Bulk</Tier></GlacierJobParameters>" in request.body


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(403, "AccessDenied"), AccessDenied),
        (error(403, "InvalidObjectState"), Archived),
        (error(501, "NotImplemented"), NotSupported),
        (error(400, "InvalidArgument", "Expedited is not for this class"), InvalidRequest),
        (error(503, "GlacierExpeditedRetrievalNotAvailable"), InvalidRequest),
        (Answer(200, {"Content-Type": "text/html"}, b"<html>log in</html>"), UnexpectedAnswer),
    ],
)
def test_retrieval_that_the_store_refuses_raises(
    store: ScriptedS3, bucket: S3Bucket, answer: Answer, kind: type[Exception]
) -> None:
    store.answers = [Answer(200, COLD), answer]
    with pytest.raises(kind) as refusal:
        bucket.retrieve_object("name", 5, "Expedited")
    assert type(refusal.value) is kind


@pytest.mark.parametrize(
    "refusal",
    [error(400, "InvalidArgument"), error(400, "MalformedPOSTRequest"), error(403, "SignatureDoesNotMatch")],
)
def test_store_that_takes_it_for_another_request_does_not_support_it(
    store: ScriptedS3, bucket: S3Bucket, refusal: Answer
) -> None:
    """The HEAD before was signed with the same keys."""
    store.answers = [Answer(200, HEAD), refusal]
    with pytest.raises(NotSupported):
        bucket.retrieve_object("name", 5, "Standard")


def test_store_decides_what_is_in_an_archive_class(store: ScriptedS3, bucket: S3Bucket) -> None:
    unknown = HEAD | {"x-amz-storage-class": "CLOUDTIER"}
    store.answers = [Answer(200, unknown), Answer(202), Answer(200, HEAD), error(403, "InvalidObjectState")]
    assert bucket.retrieve_object("name", 5, "Standard") is Retrieval.BEGUN
    assert bucket.retrieve_object("name", 5, "Standard") is Retrieval.READABLE


def test_archive_tiers_of_intelligent_tiering_give_objects_back_for_good(
    store: ScriptedS3, bucket: S3Bucket
) -> None:
    store.answers = [
        Answer(200, TIERED | {"x-amz-archive-status": "ARCHIVE_ACCESS"}),
        Answer(202),
        Answer(200, TIERED),
    ]
    assert bucket.retrieve_object("name", 5, "Standard") is Retrieval.BEGUN
    assert b"Days" not in store.requests[-1].body
    assert bucket.retrieve_object("name", 5, "Standard") is Retrieval.READABLE
    assert [request.method for request in store.requests] == ["HEAD", "POST", "HEAD"]


@pytest.mark.parametrize("mark", ["x-static-large-object", "x-object-manifest"])
def test_stored_manifest_is_retrieved_with_its_large_object(
    store: ScriptedS3, bucket: S3Bucket, mark: str
) -> None:
    large = {f"x-amz-meta-{mark}": "true"}
    store.answers = [
        Answer(200, COLD | large), Answer(200), Answer(200, COLD), Answer(202),
        Answer(200, COLD | large), Answer(202), Answer(200, HEAD),
        Answer(200, COLD | large), Answer(202), Answer(404),
    ]  # fmt: skip
    assert bucket.retrieve_object("name", 5, "Bulk") is Retrieval.BEGUN
    key, manifest = NAMER.key("name"), NAMER.manifest_key("name")
    assert [(request.method, request.target) for request in store.requests] == [
        ("HEAD", f"/bucket/{key}"),
        ("POST", f"/bucket/{key}?restore"),
        ("HEAD", f"/bucket/{manifest}"),
        ("POST", f"/bucket/{manifest}?restore"),
    ]
    assert bucket.retrieve_object("name", 5, "Bulk") is Retrieval.BEGUN
    assert bucket.retrieve_object("name", 5, "Bulk") is Retrieval.BEGUN
    assert len(store.requests) == 10
