"""GET and HEAD of archived objects, over a store in memory and a cluster that has none of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import quote

import pytest
from swift.common.swob import HTTPForbidden, HTTPNotFound, Response
from swift.common.swob import Request as SwobRequest
from swift.common.utils import split_path
from swift.proxy.controllers.base import get_cache_key

from s3_sync.cluster.newest import LocalState, Unknown
from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.settings import Mapping, Profile
from s3_sync.errors import (
    AccessDenied,
    BadDigest,
    ObjectLocked,
    RemoteError,
    RemoteUnavailable,
    UnexpectedAnswer,
)
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import GetOptions, ObjectMeta, PutOptions
from s3_sync.providers.base import WriteOptions
from s3_sync.providers.manifests import StoredManifests
from s3_sync.providers.memory import MemoryBucket, MemoryProvider
from s3_sync.providers.open_object import OpenObject
from s3_sync.shunt.error_responses import error_response
from s3_sync.shunt.manifest_cache import LargeObjects
from s3_sync.shunt.mapping_table import MappedContainer
from s3_sync.shunt.object_reads import ObjectReads
from s3_sync.shunt.proxyfs import ProxyFs
from s3_sync.shunt.request import Request
from s3_sync.shunt.visibility import Visibility
from s3_sync.streams.reader import BytesBody, read_all

BODY = bytes(range(256)) * 40
MD5 = hashlib.md5(BODY).hexdigest()
SEGMENTS = (b"one" * 1000, b"two" * 500)
JOINED = hashlib.md5("".join(hashlib.md5(data).hexdigest() for data in SEGMENTS).encode()).hexdigest()


class Log:
    def __init__(self) -> None:
        self.counted: list[str] = []

    def increment(self, metric: str) -> None:
        self.counted.append(metric)

    def info(self, *_: object) -> None: ...

    def error(self, *_: object) -> None: ...


class Forgotten:
    """No replica knows anything."""

    def of(self, *place: str) -> LocalState:
        return Unknown()


class World:
    def __init__(self) -> None:
        self.log = Log()
        provider = MemoryProvider()
        provider.create_bucket("b")
        namer = KeyNamer.hashed("AUTH_a", "c")
        self.bucket = provider.bucket("b", namer)
        self.cold = provider.bucket("b", namer, WriteOptions(storage_class="GLACIER"))
        self.target = MappedContainer(
            Mapping("AUTH_a", "c", "b", S3Credentials(), Profile(), namer), self.bucket
        )
        find = {("AUTH_a", "c"): self.target}
        self.objects = ObjectReads(
            lambda *place: find.get(place),
            ProxyFs(False),
            LargeObjects(),
            Visibility(Forgotten()),  # type: ignore[arg-type]
            lambda lookup, info, whole: None,
            self.log,
        )
        self.local: Any = HTTPNotFound
        self.store("o", BODY, user={"colour": "red"})
        self.store_large("slo")

    def store(self, name: str, data: bytes, **meta: Any) -> None:
        described = ObjectMeta({"content-type": "a/b"}, **meta)
        self.bucket.put_object(name, BytesBody(data), PutOptions(len(data), described))

    def store_large(self, name: str, *, dynamic: bool = False) -> None:
        entries = [
            {"name": f"/s/{number}", "bytes": len(data), "hash": hashlib.md5(data).hexdigest()}
            for number, data in enumerate(SEGMENTS)
        ]
        manifest = json.dumps(entries).encode()
        marks = {"x-static-large-object": "True", "swift-slo-etag": hashlib.md5(manifest).hexdigest()}
        if dynamic:
            marks = {"x-object-manifest": "s/", "swift-source-dlo-etag": JOINED}
        self.store(name, b"".join(SEGMENTS), marks=marks)
        self.bucket.manifests.put(name, manifest)

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        *_, name = split_path(environ["PATH_INFO"], 4, 4, True)
        request = Request(environ, self.app, self, self.target, "AUTH_a", "c", name)
        return self.objects(request, start_response)

    def app(self, environ: Any, start_response: Any) -> Any:
        return self.local()(environ, start_response)

    def ask(self, name: str, method: str = "GET", query: str = "", **headers: str) -> Any:
        known = {get_cache_key("AUTH_a", "c"): {"status": 200}}
        environ = {"swift.infocache": known, "pfs.is_bimodal": "no"}
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        request = SwobRequest.blank(f"/v1/AUTH_a/c/{name}?{query}", environ, sent, method=method)
        return request.get_response(self)


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(
    ("headers", "status", "body"),
    [
        ({}, 200, BODY),
        ({"Range": "bytes=2-5"}, 206, BODY[2:6]),
        ({"Range": "bytes=-5"}, 206, BODY[-5:]),
        ({"Range": "bytes=99999-"}, 416, None),
        ({"If_None_Match": MD5}, 304, b""),
        ({"If_Match": "other"}, 412, b""),
        ({"If_Match": MD5, "Range": "bytes=0-0"}, 206, BODY[:1]),
        ({"If_Modified_Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 304, b""),
    ],
    ids=str,
)
def test_get_of_an_archived_object_honours_ranges_and_conditions(
    world: World, headers: dict[str, str], status: int, body: bytes | None
) -> None:
    answer = world.ask("o", **headers)
    assert answer.status_int == status
    assert body in (None, answer.body)
    if status < 300:
        assert (answer.headers["Etag"], answer.headers["X-Object-Meta-Colour"]) == (MD5, "red")
    assert world.log.counted == ["hits"]


def test_get_of_several_ranges_gives_all_of_them(world: World) -> None:
    answer = world.ask("o", Range="bytes=0-4,5000-5009,-3")
    assert answer.status_int == 206
    body = answer.body
    assert len(body) == answer.content_length
    assert all(part in body for part in (BODY[:5], BODY[5000:5010], BODY[-3:]))


def test_get_of_an_slo_gives_the_whole_its_parts_and_its_manifest(world: World) -> None:
    whole = b"".join(SEGMENTS)
    for _ in range(2):
        answer = world.ask("slo")
        assert (answer.body, answer.headers["Etag"]) == (whole, f'"{JOINED}"')
    assert world.ask("slo", query="part-number=2").body == SEGMENTS[1]
    assert world.ask("slo", query="part-number=2", Range="bytes=0-1").status_int == 400
    assert len(json.loads(world.ask("slo", query="multipart-manifest=get").body)) == 2
    world.bucket.manifests.delete("slo")
    assert world.ask("slo", query="part-number=2").body == whole
    assert world.ask("slo", query="multipart-manifest=get").status_int == 404


def test_get_of_a_part_of_a_dlo_gives_the_whole_object(world: World) -> None:
    world.store_large("dlo", dynamic=True)
    answer = world.ask("dlo", query="part-number=1")
    assert (answer.status_int, answer.body) == (200, b"".join(SEGMENTS))
    assert answer.headers["Etag"] == f'"{JOINED}"'


def test_head_ignores_the_range(world: World) -> None:
    answer = world.ask("o", "HEAD", Range="bytes=0-1")
    assert (answer.status_int, answer.content_length, answer.body) == (200, len(BODY), b"")


def test_get_of_missing_object_gives_404_and_counts_a_miss(world: World) -> None:
    assert world.ask("absent").status_int == 404
    assert world.log.counted == ["misses"]


def test_local_answer_other_than_404_is_passed_through(world: World) -> None:
    world.local = lambda: Response(body=b"local")
    assert world.ask("o").body == b"local"
    world.local = HTTPForbidden
    assert world.ask("o").status_int == 403
    assert world.log.counted == []


def test_local_object_that_fails_a_condition_gives_412(world: World) -> None:
    """A missing object fails If-Match: *, too."""
    here = Response(body=b"local", headers={"Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"})

    def app(environ: Any, start_response: Any) -> Any:
        return here.__class__(
            request=SwobRequest(environ), body=b"local", headers=here.headers, conditional_response=True
        )(environ, start_response)

    world.app = app  # type: ignore[method-assign]
    conditions = {"If_Match": "*", "If_Unmodified_Since": "Wed, 01 Jan 2025 00:00:00 GMT"}
    assert world.ask("o", **conditions).status_int == 412
    assert world.log.counted == []


@pytest.mark.parametrize("number", ["0", "-1", "x", "9" * 5000, "\u00b2"])
def test_invalid_part_number_gives_400(world: World, number: str) -> None:
    assert world.ask("slo", query=f"part-number={quote(number)}").status_int == 400


def test_object_in_glacier_gives_403_for_get_and_200_for_head(world: World) -> None:
    world.cold.put_object("cold", BytesBody(BODY), PutOptions(len(BODY)))
    assert world.ask("cold").status_int == 403
    assert world.ask("cold", "HEAD").status_int == 200
    assert world.log.counted == ["archived", "hits"]


@pytest.mark.parametrize(
    ("error", "status"), [(RemoteUnavailable("away"), 503), (AccessDenied("no", status=403), 502)], ids=str
)
def test_error_of_the_store_gives_503_or_502(
    world: World, monkeypatch: pytest.MonkeyPatch, error: RemoteError, status: int
) -> None:
    def fail(*_: object) -> Any:
        raise error

    monkeypatch.setattr(world.bucket, "get_object", fail)
    assert world.ask("o").status_int == status
    assert world.log.counted == ["errors"]


def test_object_that_is_locked_at_the_store_gives_409(world: World) -> None:
    request = Request(
        SwobRequest.blank("/v1/AUTH_a/c/o").environ, world.app, world, world.target, "AUTH_a", "c", "o"
    )
    answer = error_response(ObjectLocked("protected by object lock"), request, world.log)
    assert (answer.status_int, b"locked" in answer.body) == (409, True)
    assert world.log.counted == []


class Short:
    """A bucket whose answers are ``lacking`` bytes shorter than the object, in length and body."""

    def __init__(self, bucket: MemoryBucket, lacking: int) -> None:
        self._bucket = bucket
        self._lacking = lacking

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bucket, name)

    def get_object(self, name: str, options: GetOptions) -> OpenObject:
        result = self._bucket.get_object(name, options)
        size = max(0, result.info.size - self._lacking)
        data = read_all(result.body)[:size]
        return OpenObject(replace(result.info, size=size), None, BytesBody(data))


class TestTruncatedObjects:
    MARKS: ClassVar[dict[str, str]] = {"swift-timestamp": "1700000000.00000"}

    def cut_short(self, world: World, lacking: int = 7) -> None:
        bucket: Any = Short(world.bucket, lacking)
        world.target = replace(world.target, bucket=bucket)

    @pytest.mark.parametrize(("body", "lacking"), [(BODY, 7), (b"xy", 2), (b"xy", 1)])
    def test_small_object_cut_short_gives_503(self, world: World, body: bytes, lacking: int) -> None:
        world.store("short", body, marks=self.MARKS)
        assert world.ask("short").body == body
        self.cut_short(world, lacking)
        assert world.ask("short").status_int == 503
        assert world.log.counted == ["hits", "errors"]

    def test_empty_object_gives_200(self, world: World) -> None:
        world.store("empty", b"", marks=self.MARKS)
        assert (world.ask("empty").status_int, world.ask("empty").body) == (200, b"")

    def test_long_object_cut_short_breaks_off_the_answer(self, world: World) -> None:
        body = BODY * 60
        world.store("long", body, marks=self.MARKS)
        assert world.ask("long").body == body
        self.cut_short(world)
        answer = world.ask("long")
        given: list[bytes] = []
        with pytest.raises(BadDigest, match="long"):
            given.extend(answer.app_iter)
        assert answer.content_length == len(body) - 7
        assert 0 < len(b"".join(given)) < len(body) - 7
        assert world.log.counted == ["hits", "hits", "broken_off"]

    def test_slo_shorter_than_its_manifest_gives_503(self, world: World) -> None:
        assert (
            world.ask("slo").status_int == 200
        )  # and what is remembered of it is not believed of another size
        self.cut_short(world)
        assert world.ask("slo").status_int == 503

    def test_object_cut_short_is_given_without_verify_reads(self, world: World) -> None:
        world.store("short", BODY, marks=self.MARKS)
        self.cut_short(world)
        world.objects.verifies = False
        assert world.ask("short").body == BODY[:-7]

    def test_foreign_copy_cut_short_is_given_unverified(self, world: World) -> None:
        """Its ETag may look like an MD5 and be none."""
        self.cut_short(world)
        assert world.ask("o").body == BODY[:-7]


def test_manifest_cut_short_gives_503_and_is_not_cached(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object) -> Any:
        raise UnexpectedAnswer("what came is no manifest")

    monkeypatch.setattr(StoredManifests, "get", cut)
    for query in ("multipart-manifest=get", "part-number=1", ""):
        assert world.ask("slo", query=query).status_int == 503
    monkeypatch.undo()
    assert world.ask("slo").headers["Etag"] == f'"{JOINED}"'  # nothing of it is remembered
