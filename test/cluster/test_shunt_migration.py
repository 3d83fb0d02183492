"""Clients use containers that a migration has not reached yet."""

from __future__ import annotations

import http.client
import json
import sqlite3
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from servers.live_migration import Live
from servers.pair import Store
from servers.shunted import Shunted
from servers.swift import SwiftCluster

BODY = bytes(range(256)) * 300
STATE = "x-container-sysmeta-multi-cloud-internal-migrator"
New = Callable[..., Live]


@pytest.fixture
def from_swift(shunted: Shunted, swift: SwiftCluster) -> New:
    return lambda **options: Live.from_swift(shunted, swift, **options)


@pytest.fixture
def from_s3(shunted: Shunted, moto_store: Store) -> New:
    return lambda **options: Live.from_s3(shunted, moto_store, **options)


@pytest.fixture(params=["from_swift", "from_s3"])
def new(request: pytest.FixtureRequest) -> New:
    found: New = request.getfixturevalue(request.param)
    return found


def state_of(live: Live) -> str | None:
    """The state of the container, as its server has it."""
    (path,) = live.cluster.container_dir(1, live.container, live.swift.account).glob("*.db")
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        (text,) = db.execute("SELECT metadata FROM container_info").fetchone()
    finally:
        db.close()
    found = {name.lower(): value for name, (value, _) in json.loads(text or "{}").items()}
    return found.get(STATE)


def test_head_of_a_container_creates_it_as_the_source_is(from_swift: New) -> None:
    live = from_swift()
    headers = {"X-Container-Meta-Colour": "grün", "X-Container-Read": ".r:*", "X-Container-Write": "other:*"}
    live.migration.source.request("POST", live.container, headers=headers)
    assert live.here().status == 404
    head = live.ask("HEAD")
    assert (head.status, "x-trans-id" in head.headers) == (204, True)
    for answer in (head, live.here()):
        assert {name: answer.headers.get(name.lower()) for name in headers} == headers
    assert state_of(live) == "migrating"


def test_listing_of_a_container_creates_it_and_shows_the_source(new: New) -> None:
    live = new()
    live.store("a/b")
    live.store("c")
    listed = json.loads(live.ask("GET", query="format=json&delimiter=/").body)
    assert [entry.get("name") or entry.get("subdir") for entry in listed] == ["a/", "c"]
    assert state_of(live) == "migrating"


def test_object_of_a_container_that_is_not_there_is_read_and_copied(new: New) -> None:
    live = new()
    live.store("o", BODY, colour="red")
    got = live.ask("GET", "o")
    assert (got.status, got.body, got.headers["x-object-meta-colour"]) == (200, BODY, "red")
    here = live.arrives("o")
    assert (here.body, here.headers["x-object-meta-colour"]) == (BODY, "red")
    assert state_of(live) == "migrating"


def test_container_without_a_source_is_404_and_not_created(from_swift: New) -> None:
    live = from_swift()
    live.migration.source.request("DELETE", live.container)
    assert [live.ask(method).status for method in ("HEAD", "GET", "POST", "DELETE")] == [404] * 4
    assert [live.ask(method, "o").status for method in ("HEAD", "GET", "PUT", "POST", "DELETE")] == [404] * 5
    assert live.here().status == 404


class TestWrites:
    def test_put_into_a_container_that_is_not_there_keeps_its_body(self, new: New) -> None:
        live = new()
        assert live.ask("PUT", "o", body=BODY).status == 201
        assert live.here("o", "GET").body == BODY
        assert state_of(live) == "migrating"

    @pytest.mark.parametrize("headers", [{"Expect": "100-continue"}, {"Transfer-Encoding": "chunked"}])
    def test_put_with_a_body_to_come_keeps_it(self, from_s3: New, headers: dict[str, str]) -> None:
        live = from_s3()
        assert put_by_hand(live, "o", headers) == 201
        assert live.here("o", "GET").body == BODY

    def test_put_of_a_large_objects_manifest_is_one_request(self, from_s3: New) -> None:
        live = from_s3()
        segments = f"{live.container}_here"
        live.swift.put_container(segments)
        live.swift.put(segments, "1", BODY)
        manifest = json.dumps([{"path": f"/{segments}/1"}]).encode()
        assert live.ask("PUT", "slo", "multipart-manifest=put", body=manifest).status == 201
        assert live.ask("GET", "slo").body == BODY

    def test_put_into_an_existing_container_is_one_request_and_none_to_the_source(
        self, from_swift: New, shunted: Shunted, swift: SwiftCluster
    ) -> None:
        live = from_swift()
        assert live.ask("HEAD").status == 204
        with shunted.count_requests() as here, swift.count_requests() as there:
            assert live.ask("PUT", "o", body=BODY).status == 201
        puts = [request.server for request in here.requests if request.method == "PUT"]
        assert (puts.count("object"), puts.count("container")) == (1, puts.count("container"))
        assert [request for request in there.requests if request.server == "proxy"] == []

    def test_post_of_a_container_says_that_a_client_has_changed_it(self, new: New) -> None:
        for exists in (False, True):
            live = new()
            if exists:
                assert live.ask("HEAD").status == 204
            assert live.ask("POST", headers={"X-Container-Meta-A": "b"}).status == 204
            assert live.ask("HEAD").headers["x-container-meta-a"] == "b"
            assert state_of(live) == "modified"

    def test_container_of_a_client_has_no_state_after_its_post(self, new: New) -> None:
        live = new()
        live.swift.put_container(live.container)
        assert live.ask("POST", headers={"X-Container-Meta-A": "b"}).status == 204
        assert state_of(live) is None

    def test_post_of_an_object_that_is_not_migrated_brings_it_and_leaves_the_source(self, new: New) -> None:
        live = new()
        live.store("o", BODY, colour="red")
        before = live.migration.source.request("HEAD", live.container, "o").headers if live.is_swift else {}
        assert live.ask("POST", "o", headers={"X-Object-Meta-Shape": "round"}).status == 202
        here = live.here("o", "GET")
        assert here.body == BODY
        assert [here.headers.get(f"x-object-meta-{name}") for name in ("shape", "colour")] == ["round", None]
        assert live.ask("POST", "absent").status == 404
        if live.is_swift:
            after = live.migration.source.request("HEAD", live.container, "o").headers
            assert after["x-timestamp"] == before["x-timestamp"]


class TestDeletes:
    def test_delete_reaches_a_swift_and_holds_here(self, from_swift: New) -> None:
        live = from_swift()
        live.store("not there yet", BODY)
        live.store("copied", BODY)
        live.ask("GET", "copied")
        live.arrives("copied")
        for name in ("not there yet", "copied"):
            assert live.ask("DELETE", name).status == 204
            assert live.ask("GET", name).status == 404
        assert live.at_source() == []
        assert live.ask("DELETE", "not there yet").status == 404

    def test_delete_holds_although_an_s3_source_keeps_the_object(self, from_s3: New) -> None:
        live = from_s3()
        live.store("not there yet", BODY)
        live.store("copied", BODY)
        live.ask("GET", "copied")
        live.arrives("copied")
        for name in ("not there yet", "copied"):
            assert live.ask("DELETE", name).status == 204
            assert [live.ask(method, name).status for method in ("GET", "HEAD", "POST")] == [404] * 3
        assert live.at_source() == ["copied", "not there yet"]
        assert live.ask("DELETE", "absent").status == 404
        assert live.ask("PUT", "copied", body=b"new").status == 201
        assert live.ask("GET", "copied").body == b"new"

    def test_what_was_deleted_is_listed_no_more(self, from_s3: New) -> None:
        live = from_s3()
        names = ["a", "b/1", "b/2", "c/1", "d", "e/1", "ü"]
        for name in names:
            live.store(name)
        for name in ("a", "b/1", "c/1", "ü", "e/1"):
            assert live.ask("DELETE", name).status == 204
        assert live.ask("GET").body == b"b/2\nd\n"
        assert live.ask("GET", query="delimiter=/").body == b"b/\nd\n"
        assert live.ask("GET", query="reverse=true&limit=1").body == b"d\n"
        assert live.ask("GET", query="limit=1").body == b"b/2\n"
        assert live.ask("GET", query="prefix=c/").body == b""
        live.ask("PUT", "c/1")
        assert live.ask("GET", query="delimiter=/").body == b"b/\nc/\nd\n"
        assert live.container.encode() in live.swift.request("GET", "").body
        assert b"\0" not in live.swift.request("GET", "").body

    def test_delete_holds_when_its_tombstone_is_gone(self, from_s3: New) -> None:
        live = from_s3()
        live.store("o", BODY)
        assert live.ask("DELETE", "o").status == 204
        directory = live.cluster.object_dir(1, live.container, "o")
        (tombstone,) = directory.glob("*.ts")
        tombstone.unlink()  # as after reclaim_age
        assert [live.ask(method, "o").status for method in ("GET", "HEAD", "POST")] == [404] * 3
        assert live.ask("DELETE").status == 204

    def test_container_with_objects_at_the_source_is_not_deleted(self, new: New) -> None:
        live = new()
        live.store("o")
        assert live.ask("DELETE").status == 409
        assert live.ask("DELETE", "o").status == 204
        assert live.ask("DELETE").status == 204

    def test_container_that_a_client_has_deleted_stays_away(self, new: New) -> None:
        live = new()
        live.store("o")
        live.ask("DELETE", "o")
        assert live.ask("DELETE").status == 204
        assert [live.ask(method).status for method in ("HEAD", "GET", "POST")] == [404] * 3
        assert [live.ask(method, "o").status for method in ("HEAD", "GET", "PUT", "DELETE")] == [404] * 4
        assert live.here().status == 404
        if live.is_swift:
            assert live.migration.source.ask("HEAD", live.container).status == 404
        live.swift.put_container(live.container)
        assert live.ask("GET", "o").status == 404


def put_by_hand(live: Live, name: str, headers: dict[str, str]) -> int:
    """A PUT whose body is sent when the server asks for it, or in chunks."""
    address = urlsplit(live.cluster.s3_endpoint)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    try:
        connection.putrequest("PUT", f"/v1/{live.swift.account}/{live.container}/{name}")
        sent = {"X-Auth-Token": live.swift.token, **headers}
        chunked = "Transfer-Encoding" in headers
        if not chunked:
            sent["Content-Length"] = str(len(BODY))
        for key, value in sent.items():
            connection.putheader(key, value)
        connection.endheaders()
        assert connection.sock is not None
        if chunked:
            for start in range(0, len(BODY), 10_000):
                piece = BODY[start : start + 10_000]
                connection.send(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            connection.send(b"0\r\n\r\n")
        else:
            assert b"100 Continue" in connection.sock.recv(25)
            connection.send(BODY)
        return connection.getresponse().status
    finally:
        connection.close()
