"""Options of a mapping for what clients trip over: reads by ranges, and containers that only look empty."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from faults.proxy import FaultProxy, answers
from servers.pair import Store
from servers.raw_swift import RawSwift
from servers.shunted import Archive, Shunted

BODY = bytes(range(256)) * 1000


@pytest.mark.parametrize(
    ("query", "headers", "got"),
    [
        ("", {"Range": "bytes=1-2"}, BODY[1:3]),
        ("", {"Range": "bytes=0-"}, BODY),
        ("", {"Range": "bytes=-3"}, BODY[-3:]),
        ("part-number=2", {}, BODY[1000:]),
    ],
    ids=["range", "all", "end", "part"],
)
def test_read_of_a_part_with_restore_on_range_restores_the_whole(
    new_archive: Callable[..., Archive], query: str, headers: dict[str, str], got: bytes
) -> None:
    archive = new_archive(restore_object=True, restore_on_range=True)
    segments = f"{archive.container}_segments"
    archive.store_large("o", [(segments, "1", BODY[:1000]), (segments, "2", BODY[1000:])])
    answer = archive.swift.ask("GET", archive.container, "o", query=query, headers=headers)
    assert (answer.status, answer.body) == (206, got)
    assert archive.restored("o").body == BODY


def test_range_restores_with_one_whole_get_but_head_and_304_do_not(
    remote: FaultProxy, new_archive: Callable[..., Archive], s3api: Store
) -> None:
    archive = new_archive(s3api.behind(remote.endpoint), restore_object=True, restore_on_range=True)
    archive.store("o", BODY)
    archive.ask("HEAD", "o", Range="bytes=1-2")
    archive.get("o", Range="bytes=999999-")
    archive.get("o", If_None_Match=archive.ask("HEAD", "o").headers["etag"])
    archive.store("ranged", BODY)
    for _ in range(3):
        assert archive.get("ranged", Range="bytes=1-2").body == BODY[1:3]
    archive.restored("ranged")
    assert len([call for call in remote.calls("GET", "/ranged") if "range" not in call.headers]) == 1
    assert not archive.is_local("o")


@pytest.fixture
def protected(new_archive: Callable[..., Archive], s3api: Store, remote: FaultProxy) -> Archive:
    return new_archive(s3api.behind(remote.endpoint), protect_containers=True)


def test_container_with_objects_in_the_bucket_is_not_deleted(
    protected: Archive, shunted: Shunted, remote: FaultProxy
) -> None:
    protected.store("o")
    with pytest.raises(ClientError, match="BucketNotEmpty"):
        shunted.s3_client().delete_bucket(Bucket=protected.container)
    before = len(remote.calls())
    stranger = RawSwift(shunted, "test:tester3", protected.swift.account)
    assert stranger.ask("DELETE", protected.container).status == 403
    assert remote.calls(since=before) == []  # who may not delete it hears nothing of the bucket
    answer = protected.swift.ask("DELETE", protected.container)
    protected.swift.put(protected.container, "here")
    assert answer.status == protected.swift.ask("DELETE", protected.container).status == 409
    protected.swift.delete(protected.container, "here")
    assert protected.get("o").status == 200
    bypass = {"X-Cloud-Sync-Shunt-Bypass": "yes"}
    assert protected.swift.ask("DELETE", protected.container, headers=bypass).status == 204


def test_container_with_nothing_in_the_bucket_is_deleted(protected: Archive) -> None:
    key = protected.manifest_key("only a manifest")
    protected.s3.put_object(Bucket=protected.bucket, Key=key, Body=b"[]")
    assert protected.swift.ask("DELETE", protected.container).status == 204
    assert protected.swift.ask("DELETE", protected.container).status == 404


def test_container_whose_bucket_cannot_be_listed_is_not_deleted(
    protected: Archive, remote: FaultProxy
) -> None:
    remote.when(answers(503, "SlowDown"))
    assert protected.swift.ask("DELETE", protected.container).status == 503
    remote.heal()
    remote.when(answers(403, "AccessDenied"))
    assert protected.swift.ask("DELETE", protected.container).status == 502
    remote.heal()
    assert protected.swift.ask("HEAD", protected.container).status == 204


def test_container_without_protect_containers_is_deleted_despite_copies(
    new_archive: Callable[..., Archive],
) -> None:
    for options in ({}, {"protect_containers": True, "merge_namespaces": False}):
        archive = new_archive(**options)
        archive.store("o")
        assert archive.swift.ask("DELETE", archive.container).status == 204
