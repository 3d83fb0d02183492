"""The right to read the segments of an archived large object, and the meaning of unknown answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from swift.common.constraints import MAX_FILE_SIZE
from swift.common.swob import HTTPForbidden
from swift.common.swob import Request as SwobRequest
from swift.proxy.controllers.base import get_cache_key

from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.settings import Mapping, MigrationOptions, Profile
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectInfo, ObjectMeta
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.memory import MemoryProvider
from s3_sync.shunt.manifest_cache import LargeObjects
from s3_sync.shunt.mapping_table import MappedContainer
from s3_sync.shunt.request import LocalResponse, RemoteLookup, Request
from s3_sync.shunt.rights import Refused, check_bytes, check_listing, may_restore

DLO = ObjectInfo("o", 1, meta=ObjectMeta(marks={"x-object-manifest": "s/o/"}))
SLO = ObjectInfo("o", 1, meta=ObjectMeta(marks={"x-static-large-object": "True"}))
THERE = frozenset({("s", "ü/1")})


def refuses(environ: Any, start_response: Any) -> Any:
    return HTTPForbidden()(environ, start_response)


class Client:
    """Reads containers of ACL ``yes``. ``containers``: their status and ACL, by name."""

    def __init__(self, **containers: tuple[int, str | None]) -> None:
        self.containers = containers
        self.asked: list[tuple[str, str, str | None]] = []

    def authorize(self, request: Any) -> Any:
        self.asked.append((request.method, request.path_info, request.acl))
        return None if request.acl == "yes" else HTTPForbidden(request=request)

    def wants(self, authorize: Callable[[Any], Any] | None = None) -> RemoteLookup:
        known = {
            get_cache_key("AUTH_a", name): {"status": status, "read_acl": acl}
            for name, (status, acl) in self.containers.items()
        }
        environ = {"swift.infocache": known, "swift.authorize": authorize or self.authorize}
        provider = MemoryProvider()
        provider.create_bucket("b")
        namer = KeyNamer.hashed("AUTH_a", "c")
        mapping = Mapping("AUTH_a", "c", "b", S3Credentials(), Profile(), namer)
        target = MappedContainer(mapping, provider.bucket("b", namer))
        env = SwobRequest.blank("/v1/AUTH_a/c/o", environ).environ
        request = Request(env, refuses, refuses, target, "AUTH_a", "c", "o")
        local = LocalResponse(refuses, env)
        return RemoteLookup(request, local, target, "c", "o", Timestamp.parse("1700000000.00000"), {})


def status_of(check: Callable[[], None]) -> int:
    with pytest.raises(Refused) as refused:
        check()
    return int(refused.value.response.status_int)


def test_check_bytes_authorizes_without_and_with_the_container_acl() -> None:
    client = Client(s=(200, "yes"))
    check_bytes(client.wants(), THERE)
    path = "/v1/AUTH_a/s/ü/1".encode().decode("latin-1")
    assert client.asked == [("GET", path, None), ("GET", path, "yes")]


@pytest.mark.parametrize(
    ("container", "status"), [((200, None), 409), ((200, "no"), 409), ((503, None), 503)]
)
def test_check_bytes_without_permission_is_refused(container: tuple[int, str | None], status: int) -> None:
    assert status_of(lambda: check_bytes(Client(s=container).wants(), THERE)) == status


def test_check_bytes_with_one_of_two_containers_denied_is_refused() -> None:
    client = Client(s=(200, "yes"), t=(200, "no"))
    assert status_of(lambda: check_bytes(client.wants(), THERE | {("t", "1")})) == 409


def test_check_bytes_skips_own_container_and_missing_authorization() -> None:
    client = Client()
    check_bytes(client.wants(), frozenset({("c", "1")}))
    lookup = client.wants()
    del lookup.environ["swift.authorize"]
    check_bytes(lookup, THERE)
    assert client.asked == []


@pytest.mark.parametrize("gone", [404, 410])
def test_missing_segment_container_allows_reads_but_no_restore(gone: int) -> None:
    lookup = Client(s=(gone, None)).wants()
    check_bytes(lookup, THERE)
    check_listing(lookup, DLO, THERE)
    assert not may_restore(lookup, SLO, THERE)


def test_account_reader_may_read_and_restore_everything() -> None:
    lookup = Client(s=(404, None)).wants(lambda request: None)
    for places in (THERE, None, frozenset({("gone", "1")})):
        check_bytes(lookup, places)
        assert may_restore(lookup, SLO, places)


def test_check_bytes_of_unknown_segment_places_is_refused() -> None:
    assert status_of(lambda: check_bytes(Client(c_segments=(200, "yes")).wants(), None)) == 409


def test_check_bytes_behind_a_symlink_uses_the_account_of_the_target() -> None:
    client = Client(s=(200, "yes"))
    lookup = client.wants()
    check_bytes(replace(lookup, request=replace(lookup.request, account="AUTH_other")), THERE)
    assert client.asked[-1][1].startswith("/v1/AUTH_a/s/")


def test_check_listing_applies_the_authorization_to_dlos_only() -> None:
    client = Client(s=(200, "no"))
    assert status_of(lambda: check_listing(client.wants(), DLO, THERE)) == 403
    assert client.asked[-1] == ("GET", "/v1/AUTH_a/s", "no")
    check_listing(client.wants(), SLO, THERE)


def test_dlo_of_unknown_segments_is_described_to_account_readers_only() -> None:
    """Its size and ETag tell of objects that may be anybody's."""
    lookup = Client(c=(200, "yes"), c_segments=(200, "yes")).wants()
    assert status_of(lambda: check_listing(lookup, DLO, None)) == 403
    check_listing(Client().wants(lambda request: None), DLO, None)


def test_may_restore_of_an_oversized_object_needs_segment_container() -> None:
    large = ObjectInfo("o", MAX_FILE_SIZE + 1, meta=ObjectMeta())
    assert may_restore(Client(c_segments=(200, "yes")).wants(), large, frozenset())
    assert not may_restore(Client(c_segments=(200, "no")).wants(), large, frozenset())
    small = ObjectInfo("o", MAX_FILE_SIZE, meta=ObjectMeta())
    assert may_restore(Client().wants(), small, frozenset())


def test_places_of_a_later_version_are_read_again() -> None:
    """Although bytes and ETag are the same: its segments may lie in a private container."""
    target, large = Client().wants().target, LargeObjects()
    entry = b'[{"name": "/%s/1", "bytes": 1, "hash": "9dd4e461268c8034f5c8564e155c67a6"}]'
    for stamp, container in (("1", "public"), ("2", "private")):
        marks = {"x-static-large-object": "True", "swift-timestamp": f"170000000{stamp}.00000"}
        target.bucket.manifests.put("o", entry % container.encode())
        info = ObjectInfo("o", 1, "e", meta=ObjectMeta(marks=marks))
        assert large.places(target, info) == {(container, "1")}
        assert large.knows(target, info)


def test_missing_segment_container_of_a_migration_is_for_owners_of_the_account() -> None:
    """Its ACL is still at the source."""
    client = Client(s=(404, None))
    lookup = client.wants()
    mapping = replace(lookup.target.mapping, migration=MigrationOptions())
    migrating = replace(lookup, target=replace(lookup.target, mapping=mapping))
    check_bytes(lookup, THERE)
    with pytest.raises(Refused):
        check_bytes(migrating, THERE)
    owner = client.wants(lambda request: None)
    check_bytes(replace(owner, target=migrating.target), THERE)
