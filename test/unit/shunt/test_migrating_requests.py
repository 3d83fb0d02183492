"""Requests for a container that is being migrated: what is created, deleted and told to the source, for
whom."""

from __future__ import annotations

import pytest

from s3_sync.errors import AccessDenied, NotFound, RemoteUnavailable
from s3_sync.model.migration import container_headers, deletes_container
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.memory import MemoryProvider
from s3_sync.providers.memory_swift import MemorySwift
from unit.shunt.migrated import NEVER, NOW, Container, World

METHODS = ["GET", "HEAD", "POST", "DELETE"]
WRITES = ["PUT", "POST", "DELETE"]


@pytest.fixture(params=[MemorySwift, MemoryProvider])
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param())


@pytest.fixture
def s3() -> World:
    return World(MemoryProvider())


@pytest.mark.parametrize("method", METHODS)
def test_container_is_created_after_the_clusters_404(world: World, method: str) -> None:
    world.store("o")
    assert world.ask(method) == {"GET": 200, "DELETE": 409}.get(method, 204)
    assert world.state == ("modified" if method == "POST" else "migrating")


@pytest.mark.parametrize("method", METHODS)
def test_container_is_not_created_for_who_may_not_see_it(world: World, method: str) -> None:
    world.store("o")
    world.allowed.remove(method)
    assert world.ask(method) == 403
    assert world.containers == {}


@pytest.mark.parametrize("method", WRITES)
def test_container_is_not_created_for_who_may_not_write_into_it(world: World, method: str) -> None:
    world.store("o")
    world.allowed.remove(method)
    assert world.ask(method, "o") == 403
    assert world.containers == {}
    world.bucket.head_object("o")


@pytest.mark.parametrize("method", METHODS)
def test_container_without_a_source_is_not_created(world: World, method: str) -> None:
    world.provider.delete_bucket("c")
    assert world.ask(method) == 404
    assert [world.ask(each, "o") for each in WRITES] == [404] * 3
    assert world.containers == {}


@pytest.mark.parametrize("method", METHODS)
def test_container_that_a_client_has_deleted_is_not_created(world: World, method: str) -> None:
    world.deleted_at = NOW
    assert world.ask(method) == 404
    assert [world.ask(each, "o") for each in WRITES] == [404] * 3
    assert world.containers == {}


def test_container_that_the_migration_has_deleted_is_created_again(world: World) -> None:
    world.deleted_at = NOW.after()
    assert world.ask("HEAD") == 204


def test_deleted_container_is_remembered_when_swift_has_forgotten_it(s3: World) -> None:
    assert s3.ask("DELETE") == 204
    s3.deleted_at = NEVER  # reclaimed
    assert s3.ask("HEAD") == 404
    assert list(s3.containers) == [deletes_container("c")]


@pytest.mark.parametrize("error", [RemoteUnavailable("no answer"), AccessDenied("no")])
def test_source_that_fails_is_not_taken_for_one_that_has_nothing(
    world: World, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def head_bucket(name: str) -> None:
        raise error

    monkeypatch.setattr(world.provider, "head_bucket", head_bucket)
    expected = 503 if isinstance(error, RemoteUnavailable) else 502
    assert [world.ask(each) for each in METHODS] == [expected] * 4
    assert [world.ask(each, "o") for each in WRITES] == [expected] * 3


def test_put_is_one_request_to_a_container_that_exists(world: World) -> None:
    world.ask("HEAD")
    world.requests.clear()
    assert world.ask("PUT", "o") == 201
    assert [line for line in world.requests if "PUT" in line] == ["PUT c/o 201"]
    assert world.containers["c"].objects == {"o": b"body"}


def test_clients_own_container_gets_no_state(world: World) -> None:
    world.containers["c"] = Container({})
    assert world.ask("POST") == 204
    assert world.state is None


class TestDeletes:
    def test_swift_source_is_deleted_from_after_the_cluster(self) -> None:
        world = World(MemorySwift())
        world.store("o")
        assert world.ask("DELETE", "o") == 204
        with pytest.raises(NotFound):
            world.bucket.head_object("o")

    @pytest.mark.parametrize("status", [401, 403, 409, 500, 503])
    def test_refusal_of_the_cluster_is_final(self, status: int) -> None:
        world = World(MemorySwift())
        world.store("o")
        world.ask("HEAD")
        world.status = status
        assert world.ask("DELETE", "o") == status
        world.bucket.head_object("o")

    def test_s3_source_is_never_deleted_from(self, s3: World) -> None:
        s3.store("o")
        assert s3.ask("DELETE", "o") == 204
        assert s3.ask("DELETE", "absent") == 404
        s3.bucket.head_object("o")
        assert s3.containers[deletes_container("c")].objects.keys() == {"\0o"}
        assert s3.ask("DELETE") == 204

    def test_delete_that_the_source_refuses_holds_here(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = World(MemorySwift())
        world.store("o")

        def delete_object(*_: object) -> None:
            raise AccessDenied("read only")

        monkeypatch.setattr(world.target.bucket, "delete_object", delete_object)
        assert world.ask("DELETE", "o") == 204
        assert world.containers[deletes_container("c")].objects.keys() == {"\0o"}

    def test_delete_fails_while_the_source_does_not_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = World(MemorySwift())

        def delete_object(*_: object) -> None:
            raise RemoteUnavailable("no answer")

        monkeypatch.setattr(world.target.bucket, "delete_object", delete_object)
        assert world.ask("DELETE", "o") == 503
        world.ask("PUT", "o")
        assert world.ask("DELETE", "o") == 204  # the cluster had it
        assert world.containers[deletes_container("c")].objects.keys() == {"\0o"}


def test_post_of_what_the_source_has_brings_it_first(world: World) -> None:
    world.store("o")
    assert world.ask("POST", "o") == 202
    assert world.copied == ["o"]
    assert world.ask("POST", "absent") == 404
    assert world.copied == ["o"]


def test_post_of_what_was_deleted_is_404(s3: World) -> None:
    s3.store("o")
    s3.ask("DELETE", "o")
    s3.containers["c"].tombstones.clear()
    assert s3.ask("POST", "o") == 404


def test_tombstone_decides_by_its_time_whether_the_source_is_shown(world: World) -> None:
    world.store("o")
    world.ask("HEAD")
    world.containers["c"].tombstones["o"] = NOW
    assert world.ask("POST", "o") == 404
    world.containers["c"].tombstones["o"] = Timestamp.parse("1000000000.00000")
    assert world.ask("POST", "o") == 202


def test_container_headers_are_metadata_acls_and_the_place_of_versions() -> None:
    found = container_headers(
        {
            "x-container-meta-a": "b",
            "x-container-meta-": "c",
            "x-container-meta-none": "",
            "x-container-read": ".r:*",
            "x-container-write": "a:b",
            "x-versions-location": "old",
            "x-container-sysmeta-x": "y",
            "x-container-object-count": "5",
            "x-container-sync-key": "secret",
            "x-trans-id": "tx",
            "set-cookie": "a=b",
        }
    )
    assert found == {
        "x-container-meta-a": "b",
        "x-container-meta-": "c",
        "x-container-read": ".r:*",
        "x-container-write": "a:b",
        "x-container-sysmeta-versions-location": "old",
        "x-container-sysmeta-versions-mode": "stack",
    }
