"""Symlinks that are in a store with symlinks only, over a store in memory and a cluster of some answers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from swift.common.swob import HTTPForbidden, HTTPNotFound, Response
from swift.common.swob import Request as SwobRequest
from swift.common.utils import split_path
from swift.proxy.controllers.base import get_cache_key

from s3_sync.cluster.newest import LocalState, Unknown
from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.settings import Mapping, Profile
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import Link, ObjectMeta, PutOptions
from s3_sync.providers.memory_swift import MemorySwift
from s3_sync.shunt.manifest_cache import LargeObjects
from s3_sync.shunt.mapping_table import MappedContainer
from s3_sync.shunt.object_reads import ObjectReads
from s3_sync.shunt.object_writes import ObjectWrites
from s3_sync.shunt.proxyfs import ProxyFs
from s3_sync.shunt.request import Request
from s3_sync.shunt.visibility import Visibility
from s3_sync.streams.reader import BytesBody
from unit.shunt.test_object_reads import Log

BODY = b"0123456789" * 100
MD5 = hashlib.md5(BODY).hexdigest()
NOTHING = hashlib.md5(b"").hexdigest()


class Forgotten:
    """No replica knows anything."""

    def of(self, *place: str) -> LocalState:
        return Unknown()


class World:
    """``local``: what the cluster has, by container and name; container ``c`` is mapped."""

    def __init__(self, **profile: Any) -> None:
        provider = MemorySwift()
        provider.create_bucket("b")
        namer = KeyNamer.literal("")
        self.bucket = provider.bucket("b", namer)
        credentials = S3Credentials()
        self.target = MappedContainer(
            Mapping("AUTH_a", "c", "b", credentials, Profile(**profile), namer), self.bucket
        )
        newest: Any = Forgotten()
        self.log: Any = Log()
        self.objects = ObjectReads(
            lambda account, container: self.target if container == "c" else None,
            ProxyFs(False),
            LargeObjects(),
            Visibility(newest),
            lambda lookup, info, whole: None,
            self.log,
        )
        self.writes = ObjectWrites(newest, ProxyFs(False), self.log)
        self.local: dict[str, Callable[[], Response]] = {}
        #: what reached the cluster: path and environ
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def store(self, name: str, data: bytes = b"", link: Link | None = None, **marks: str) -> None:
        meta = ObjectMeta({"content-type": "a/b"}, {}, marks, link)
        self.bucket.put_object(name, BytesBody(data), PutOptions(len(data), meta))

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        _, account, container, name = split_path(environ["PATH_INFO"], 4, 4, True)
        if container != "c":
            return self.app(environ, start_response)
        request = Request(environ, self.app, self, self.target, account, container, name)
        if environ["REQUEST_METHOD"] == "POST":
            return self.writes.post(request, start_response)
        return self.objects(request, start_response)

    def app(self, environ: Any, start_response: Any) -> Any:
        *_, place = split_path(environ["PATH_INFO"], 2, 3, True)
        if place is None:  # the middleware asks what kind of account it is
            return Response(status=204)(environ, start_response)
        self.asked.append((place, environ))
        answer = self.local.get(place, HTTPNotFound)()
        answer.request = SwobRequest(environ)
        answer.conditional_response = True
        return answer(environ, start_response)

    def ask(self, name: str, method: str = "GET", query: str = "", **headers: str) -> Any:
        known = {get_cache_key("AUTH_a", "c"): {"status": 200}}
        environ = {"swift.infocache": known, "pfs.is_bimodal": "no", "swift.authorize": lambda request: None}
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        request = SwobRequest.blank(f"/v1/AUTH_a/c/{name}?{query}", environ, sent, method=method)
        return request.get_response(self)


@pytest.fixture
def world() -> World:
    world = World()
    world.store("link", link=Link("d", "ü x"))
    world.local["d/\u00c3\u00bc x"] = lambda: Response(body=BODY, headers={"Etag": MD5})
    return world


def test_archived_link_gives_the_object_in_the_cluster_with_its_location(world: World) -> None:
    answer = world.ask("link", query="format=json&symlink=", X_Auth_Token="t", Referer="http://e.org/")
    assert (answer.status_int, answer.body, answer.headers["Etag"]) == (200, BODY, MD5)
    assert answer.headers["Content-Location"] == "/v1/AUTH_a/d/%C3%BC%20x"
    # it is the client's request that reads the target: Swift checks it as any other
    (_, first), (_, second) = world.asked
    for key in ("HTTP_X_AUTH_TOKEN", "HTTP_REFERER", "swift.authorize", "REQUEST_METHOD"):
        assert second[key] == first[key]
    assert second["QUERY_STRING"] == "format=json"
    assert first["QUERY_STRING"] == "format=json&symlink="


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 200), ({"Range": "bytes=2-5"}, 206), ({"If_None_Match": MD5}, 304), ({"If_Match": "x"}, 412)],
)
def test_ranges_and_conditions_are_about_the_target(
    world: World, headers: dict[str, str], status: int, method: str
) -> None:
    answer = world.ask("link", method, **headers)
    expected = 200 if (method, status) == ("HEAD", 206) else status
    assert answer.status_int == expected
    if status == 206 and method == "GET":
        assert answer.body == BODY[2:6]


def test_archived_link_to_an_archived_object_gives_its_bytes(world: World) -> None:
    world.store("object", BODY)
    world.store("other", link=Link("c", "object"))
    answer = world.ask("other", Range="bytes=0-3")
    assert (answer.status_int, answer.body) == (206, BODY[:4])
    assert answer.headers["Content-Location"] == "/v1/AUTH_a/c/object"


def test_target_that_the_client_may_not_read_gives_the_clusters_refusal(world: World) -> None:
    world.local["d/\u00c3\u00bc x"] = HTTPForbidden
    answer = world.ask("link")
    assert (answer.status_int, BODY in answer.body) == (403, False)


def test_target_that_is_nowhere_gives_404_with_its_location(world: World) -> None:
    world.store("broken", link=Link("c", "nothing"))
    answer = world.ask("broken")
    assert (answer.status_int, answer.headers["Content-Location"]) == (404, "/v1/AUTH_a/c/nothing")


def test_link_out_of_the_mapping_gives_404(world: World) -> None:
    world.store("foreign", link=Link("", ""))
    assert world.ask("foreign").status_int == 404
    assert world.ask("foreign", query="symlink=get").status_int == 404


def test_links_in_a_circle_give_409(world: World) -> None:
    world.store("a", link=Link("c", "b"))
    world.store("b", link=Link("c", "a"))
    assert world.ask("a").status_int == 409


def test_chain_of_as_many_links_as_swift_allows_is_followed(world: World) -> None:
    world.store("object", BODY)
    world.store("a", link=Link("c", "object"))
    world.store("b", link=Link("c", "a"))
    world.store("too-long", link=Link("c", "b"))
    answer = world.ask("b")
    assert (answer.body, answer.headers["Content-Location"]) == (BODY, "/v1/AUTH_a/c/object")
    assert world.ask("too-long").status_int == 409


def test_symlink_get_describes_the_link(world: World) -> None:
    world.store("object", BODY)
    world.store("static", link=Link("c", "object", MD5))
    for method in ("GET", "HEAD"):
        answer = world.ask("static", method, "symlink=get")
        assert (answer.status_int, answer.body, answer.content_length) == (200, b"", 0)
        assert answer.headers["X-Symlink-Target"] == "c/object"
        assert answer.headers["X-Symlink-Target-Etag"] == MD5
        assert "Content-Location" not in answer.headers


def test_static_link_to_another_version_gives_409(world: World) -> None:
    world.store("object", BODY)
    world.store("static", link=Link("c", "object", MD5))
    assert world.ask("static").body == BODY
    world.store("object", b"other")
    for method in ("GET", "HEAD"):
        answer = world.ask("static", method)
        assert answer.status_int == 409
        assert answer.headers["Content-Location"] == "/v1/AUTH_a/c/object"


def test_static_link_to_an_slo_is_held_to_its_manifest(world: World) -> None:
    world.store("x", BODY)
    for manifest, status in ((MD5, 200), (NOTHING, 409)):
        headers = {"Etag": '"joined"', "X-Manifest-Etag": manifest}
        world.local["c/x"] = lambda headers=headers: Response(body=BODY, headers=headers)  # type: ignore[misc]
        world.store("static", link=Link("c", "x", MD5))
        assert world.ask("static").status_int == status


def test_static_link_to_a_static_link_is_held_to_what_that_is_bound_to(world: World) -> None:
    world.store("object", BODY)
    world.store("inner", link=Link("c", "object", MD5))
    world.store("outer", link=Link("c", "inner", MD5))
    assert world.ask("outer").body == BODY
    world.store("inner", link=Link("c", "object"))
    assert world.ask("outer").status_int == 409


def test_expired_link_is_not_there(world: World) -> None:
    meta = ObjectMeta({}, {}, {"x-delete-at": "1"}, Link("d", "ü x"))
    world.bucket.put_object("old", BytesBody(b""), PutOptions(0, meta))
    assert world.ask("old").status_int == 404


def test_post_to_an_archived_link_is_answered_with_its_target() -> None:
    world = World(propagate_post=True)
    world.store("object", BODY)
    world.store("link", link=Link("c", "object"))
    answer = world.ask("link", "POST", X_Object_Meta_Colour="red")
    assert (answer.status_int, answer.headers["Location"]) == (307, "/v1/AUTH_a/c/object")
    assert world.bucket.head_object("link").meta.user == {"colour": "red"}
    assert world.bucket.head_object("link").meta.link == Link("c", "object")
    assert world.bucket.head_object("object").meta.user == {}
