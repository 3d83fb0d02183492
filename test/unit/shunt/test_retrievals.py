"""GETs of objects in archive classes: when the store is requested to retrieve them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from swift.common.swob import HTTPForbidden, HTTPNotFound

from s3_sync.config.archive_restore import ArchiveRestore
from s3_sync.errors import AccessDenied, RemoteError, RemoteUnavailable
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.providers.base import Bucket, Retrieval
from s3_sync.providers.wrappers.delegate import DelegatingBucket
from s3_sync.shunt.retrievals import INTERVAL, RETRY_AFTER
from s3_sync.streams.reader import BytesBody
from unit.shunt.test_object_reads import BODY, MD5, World

DAY = 86400.0


class Asked(DelegatingBucket):
    """A bucket that notes which objects were to be retrieved, and fails with ``error`` if it is set."""

    def __init__(self, bucket: Bucket) -> None:
        super().__init__(bucket, lambda function, body=None: function())
        self.requests: list[tuple[str, int, str]] = []
        self.error: RemoteError | None = None
        self.answer: Retrieval | None = None

    def retrieve_object(self, name: str, days: int, tier: str) -> Retrieval:
        self.requests.append((name, days, tier))
        if self.error is not None:
            raise self.error
        if self.answer is not None:
            return self.answer
        return super().retrieve_object(name, days, tier)


class ArchiveWorld(World):
    """``cold`` is in GLACIER; retrieving it takes an hour."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 1_800_000_000.0
        provider: Any = self.bucket._provider
        provider.clock, provider.retrieval_seconds = (lambda: self.time), 3600.0
        self.asked = Asked(self.bucket)
        self.configure(ArchiveRestore(3, "Bulk"))
        self.objects._retrievals._now = lambda: self.time
        self.freeze("cold", BODY)

    def configure(self, archive_restore: ArchiveRestore | None, **profile: Any) -> None:
        mapping = self.target.mapping
        changed = replace(mapping.profile, archive_restore=archive_restore, **profile)
        self.target = replace(self.target, mapping=replace(mapping, profile=changed), bucket=self.asked)

    def freeze(self, name: str, data: bytes, **meta: Any) -> None:
        described = ObjectMeta({"content-type": "a/b"}, **meta)
        self.cold.put_object(name, BytesBody(data), PutOptions(len(data), described))

    def freeze_large(self, name: str) -> None:
        self.store_large(name)
        with self.bucket.get_object(name) as result:
            data, meta = result.body.read(), result.info.meta
        self.cold.put_object(name, BytesBody(data), PutOptions(len(data), meta))


@pytest.fixture
def world() -> ArchiveWorld:
    return ArchiveWorld()


def test_get_begins_a_retrieval_once_and_answers_503_until_it_is_complete(world: ArchiveWorld) -> None:
    for _ in range(3):
        answer = world.ask("cold")
        assert (answer.status_int, answer.headers["Retry-After"]) == (503, "900")
        assert answer.body.count(b"\n") == 1
        assert b"retrieving" in answer.body
    assert world.asked.requests == [("cold", 3, "Bulk")]
    assert world.log.counted == ["retrievals.begun", "archived", "archived", "archived"]
    world.time += 3600
    answer = world.ask("cold")
    assert (answer.status_int, answer.body, answer.headers["Etag"]) == (200, BODY, MD5)
    world.time += 3 * DAY  # it is archived again
    assert world.ask("cold").status_int == 503
    assert len(world.asked.requests) == 2


def test_without_the_option_nothing_is_retrieved(world: ArchiveWorld) -> None:
    world.configure(None)
    answer = world.ask("cold")
    assert (answer.status_int, "Retry-After" in answer.headers) == (403, False)
    assert world.asked.requests == []


def test_expedited_retrieval_is_to_be_tried_again_soon(world: ArchiveWorld) -> None:
    world.configure(ArchiveRestore(1, "Expedited"))
    assert world.ask("cold").headers["Retry-After"] == "60"
    assert world.asked.requests == [("cold", 1, "Expedited")]


@pytest.mark.parametrize(
    "headers",
    [
        {"Range": "bytes=2-5"},
        {"Range": "bytes=-5"},
        {"Range": "bytes=0-1,5-9"},
        {"If_Match": MD5},
        {"If_Match": MD5, "Range": "bytes=0-0"},
        {"If_None_Match": "other"},
    ],
    ids=str,
)
def test_any_read_of_bytes_begins_a_retrieval(world: ArchiveWorld, headers: dict[str, str]) -> None:
    assert world.ask("cold", **headers).status_int == 503
    assert world.asked.requests == [("cold", 3, "Bulk")]


def test_what_needs_no_bytes_begins_no_retrieval(world: ArchiveWorld) -> None:
    assert world.ask("cold", "HEAD").status_int == 200
    assert world.ask("cold", If_None_Match=MD5).status_int == 304
    assert world.ask("cold", If_Match="other").status_int == 412
    assert world.ask("cold", Range="bytes=99999-").status_int == 503  # the store looks at its class first
    assert world.asked.requests == [("cold", 3, "Bulk")]


def test_large_object_is_one_object_to_be_retrieved(world: ArchiveWorld) -> None:
    world.freeze_large("slo")
    assert world.ask("slo", "HEAD").status_int == 200
    assert world.ask("slo", query="multipart-manifest=get").status_int == 200
    assert world.asked.requests == []
    for query in ("part-number=2", ""):
        assert world.ask("slo", query=query).status_int == 503
    assert world.asked.requests == [("slo", 3, "Bulk")]


def test_client_who_may_not_read_the_segments_begins_no_retrieval(
    world: ArchiveWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.freeze_large("slo")
    monkeypatch.setattr(
        "s3_sync.shunt.rights._refusal", lambda *_, **__: HTTPForbidden()
    )  # of the segments' container
    assert world.ask("slo").status_int == 409
    assert world.asked.requests == []


def test_client_who_may_not_read_the_object_begins_no_retrieval(world: ArchiveWorld) -> None:
    world.local = HTTPForbidden
    assert world.ask("cold").status_int == 403
    assert world.asked.requests == []


def test_object_that_clients_must_not_see_is_not_retrieved(world: ArchiveWorld) -> None:
    world.freeze("old", BODY, marks={"x-delete-at": "1"})
    world.freeze("gone", BODY, marks={"swift-timestamp": "1500000000.00000"})
    world.configure(ArchiveRestore(), propagate_delete=True)
    assert world.ask("old").status_int == 404
    world.local = lambda: HTTPNotFound(headers={"X-Backend-Timestamp": "1600000000.00000"})
    assert world.ask("gone").status_int == 404
    assert world.asked.requests == []


def test_retrieval_that_another_began_is_not_requested_again(world: ArchiveWorld) -> None:
    world.bucket.retrieve_object("cold", 1, "Standard")
    assert world.ask("cold").status_int == 503
    assert world.asked.requests == []


def test_store_that_tells_nothing_is_asked_again_after_the_interval(
    world: ArchiveWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.bucket, "retrieve_object", lambda *_: Retrieval.RUNNING)
    for passed in (0, INTERVAL - 1, 2):
        world.time += passed
        assert world.ask("cold").status_int == 503
    assert len(world.asked.requests) == 2
    assert "retrievals.begun" not in world.log.counted


def test_new_version_is_requested_at_once(world: ArchiveWorld) -> None:
    world.ask("cold")
    world.freeze("cold", b"new")
    assert world.ask("cold").status_int == 503
    assert len(world.asked.requests) == 2


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (AccessDenied("no s3:RestoreObject", status=403), 403, b"Restore it there"),
        (RemoteUnavailable("away"), 503, b"not available"),
    ],
)
def test_retrieval_that_fails_is_not_tried_again_at_once(
    world: ArchiveWorld, error: RemoteError, status: int, text: bytes
) -> None:
    world.asked.error = error
    for _ in range(2):
        answer = world.ask("cold")
        assert answer.status_int == status
        assert text in answer.body
    assert len(world.asked.requests) == 1
    assert world.log.counted.count("retrievals.failed") == 1
    world.asked.error = None
    world.time += RETRY_AFTER + 1
    assert b"retrieving" in world.ask("cold").body


def test_store_that_says_readable_and_refuses_is_not_believed_twice(world: ArchiveWorld) -> None:
    world.asked.answer = Retrieval.READABLE
    seen = []
    for _ in range(3):
        seen.append(world.ask("cold").status_int)
        world.time += RETRY_AFTER + 1
    assert seen == [503, 403, 403]
    assert len(world.asked.requests) == 2
    assert world.log.counted.count("retrievals.failed") == 1
    world.time += INTERVAL
    world.asked.answer = None
    assert world.ask("cold").status_int == 503
