"""Objects that are read come back, whole and proved, or not at all."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from faults.proxy import FaultProxy, waits_for
from servers.process import wait_until
from servers.raw_swift import Answer
from servers.shunted import SEGMENT_SIZE, Archive, Shunted

BODY = bytes(range(256)) * 1000
SOON = 30.0
#: of a copy that is not said to be one of the daemon's, so that only its restore checks the bytes
WRONG = {"swift-etag": "0" * 32, "swift-timestamp": ""}


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


@pytest.fixture
def archive(new_archive: Callable[..., Archive]) -> Archive:
    return new_archive(restore_object=True)


def local(archive: Archive, name: str, query: str = "") -> Answer:
    return archive.get(name, query, X_Cloud_Sync_Shunt_Bypass="yes")


def quiet(archive: Archive, name: str) -> None:
    """Nothing was begun: a later restore of another object is through."""
    archive.store(f"after {name}", b"x")
    archive.get(f"after {name}")
    archive.restored(f"after {name}")
    assert not archive.is_local(name)


def listing(archive: Archive, container: str) -> list[str]:
    answer = archive.swift.ask(
        "GET", container, query="format=json", headers={"X-Cloud-Sync-Shunt-Bypass": "1"}
    )
    return [entry["name"] for entry in json.loads(answer.body)] if answer.status == 200 else []


def test_get_restores_the_object_with_bytes_and_headers(archive: Archive) -> None:
    delete_at = str(int(time.time()) + 1000)
    meta = {"colour": "=?UTF-8?B?Z3LDvG4=?=", "x-delete-at": delete_at}
    archive.store("a/ü %2F", BODY, meta, ContentType="text/plain; charset=x", ContentDisposition="inline")
    before = time.time()
    got = archive.get("a/ü %2F")
    assert got.body == BODY
    after = time.time()
    here = archive.restored("a/ü %2F")
    assert here.body == BODY
    same = ("etag", "content-type", "content-disposition", "x-object-meta-colour", "x-delete-at")
    assert [here.headers[name] for name in same] == [got.headers[name] for name in same]
    assert before <= float(here.headers["x-timestamp"]) <= after
    assert set(here.headers) == set(got.headers)
    # the copy stays, and is not asked again
    assert len(archive.stored()) == 1
    archive.store("a/ü %2F", b"other")
    assert archive.get("a/ü %2F").body == BODY


def test_get_of_empty_object_restores_it(archive: Archive) -> None:
    archive.store("empty", b"")
    archive.get("empty")
    assert archive.restored("empty").body == b""


def test_head_range_304_and_disabled_option_restore_nothing(
    archive: Archive, new_archive: Callable[..., Archive]
) -> None:
    archive.store("o", BODY)
    archive.ask("HEAD", "o")
    archive.get("o", Range="bytes=0-")
    archive.get("o", If_None_Match=md5(BODY))
    quiet(archive, "o")
    archive.get("o", If_None_Match="other")
    archive.restored("o")
    other = new_archive()
    other.store("o", BODY)
    other.get("o")
    quiet(archive, "p")
    assert not other.is_local("o")


def test_object_with_wrong_digest_is_served_but_not_restored(archive: Archive) -> None:
    archive.store("o", BODY, WRONG)
    assert archive.get("o").body == BODY
    archive.not_restored("o", "bad_digest")
    archive.store("o", BODY)  # it is not tried again at once
    archive.get("o")
    quiet(archive, "o")


def test_concurrent_gets_of_one_object_restore_it_once(archive: Archive, shunted: Shunted) -> None:
    archive.store("o", BODY * 8)
    with shunted.count_requests() as count, ThreadPoolExecutor(20) as pool:
        bodies = list(pool.map(lambda _: archive.get("o").body, range(20)))
        archive.restored("o")
    assert set(bodies) == {BODY * 8}
    puts = [request for request in count.requests if (request.server, request.method) == ("object", "PUT")]
    assert len([request for request in puts if f"/{archive.container}/o" in request.path]) == 1


class TestLargeObjects:
    SEGMENTS = (("one", b"a" * 1000), ("two", b"b" * 2000), ("three", b"a" * 1000))

    def segments(self, archive: Archive) -> list[tuple[str, str, bytes]]:
        s, t = f"{archive.container}_segments", f"{archive.container}+segments"
        return [(s, "one", b"a" * 1000), (t, "ü/two", b"b" * 2000), (s, "one", b"a" * 1000)]

    def whole(self, archive: Archive) -> bytes:
        return b"".join(data for _, _, data in self.segments(archive))

    def test_slo_is_restored_with_segments_in_all_containers(self, archive: Archive) -> None:
        archive.store_large("slo", self.segments(archive), colour="red")
        got = archive.get("slo")
        assert got.body == self.whole(archive)
        here = archive.restored("slo")
        assert here.body == self.whole(archive)
        same = ("etag", "content-type", "x-object-meta-colour", "x-static-large-object")
        assert [here.headers[name] for name in same] == [got.headers[name] for name in same]
        manifest = json.loads(local(archive, "slo", "multipart-manifest=get").body)
        assert [entry["name"] for entry in manifest] == [
            f"/{container}/{name}" for container, name, _ in self.segments(archive)
        ]
        assert not any("swift-" in name for name in here.headers)

    def test_existing_segments_keep_their_metadata_or_get_a_new_timestamp(self, archive: Archive) -> None:
        (container, name, data), *_ = self.segments(archive)
        archive.swift.put_container(container)
        archive.swift.put(container, name, data, {"X-Object-Meta-Kept": "yes"})
        (other, second, more), *_ = self.segments(archive)[1:]
        archive.swift.put_container(other)
        archive.swift.put(other, second, more)
        before = float(archive.swift.request("HEAD", other, second).headers["x-timestamp"])
        archive.store_large("slo", self.segments(archive))
        archive.get("slo")
        assert archive.restored("slo").body == self.whole(archive)
        assert archive.swift.request("HEAD", container, name).headers["x-object-meta-kept"] == "yes"
        after = float(archive.swift.request("HEAD", other, second).headers["x-timestamp"])
        assert after > before  # so that nobody who is about to delete it does

    def test_failed_restore_leaves_no_new_segments(self, archive: Archive) -> None:
        (s, one, data), (t, two, _), _ = self.segments(archive)
        archive.swift.put_container(s)
        archive.swift.put(s, one, data)
        archive.swift.put_container(t)
        archive.swift.put(t, two, b"somebody else's")
        archive.store_large("taken", [(s, "new", b"n" * 10), *self.segments(archive)])
        assert archive.get("taken").body == b"n" * 10 + self.whole(archive)
        archive.not_restored("taken", "exists with other bytes")
        assert (listing(archive, s), listing(archive, t)) == ([one], [two])
        archive.swift.delete(t, two)
        archive.store_large("wrong", self.segments(archive))
        marks = archive.s3.head_object(Bucket=archive.bucket, Key=archive.prefix + "wrong")["Metadata"]
        archive.store("wrong", self.whole(archive)[:-1] + b"x", marks)
        archive.get("wrong")
        archive.not_restored("wrong", "bad_digest")
        assert (listing(archive, s), listing(archive, t)) == ([one], [])

    def test_large_object_without_manifest_is_served_but_not_restored(self, archive: Archive) -> None:
        archive.store_large("slo", self.segments(archive))
        archive.s3.delete_object(Bucket=archive.bucket, Key=archive.manifest_key("slo"))
        assert archive.get("slo").body == self.whole(archive)
        archive.not_restored("slo", "its manifest is not in the bucket")

    def test_large_object_with_foreign_segments_is_served_but_not_restored(self, archive: Archive) -> None:
        foreign = f"{archive.container}-private"
        archive.store_large("slo", [*self.segments(archive), (foreign, "one", b"p" * 10)])
        assert archive.get("slo").body == self.whole(archive) + b"p" * 10
        archive.not_restored("slo", f"segments of slo belong in {foreign}")
        for container in {foreign, *(container for container, _, _ in self.segments(archive))}:
            assert archive.swift.ask("HEAD", container).status == 404

    def test_dlo_is_restored_as_an_slo(self, archive: Archive) -> None:
        segments = [*self.segments(archive)[:2], (f"{archive.container}_segments", "empty", b"")]
        joined = md5("".join(md5(data) for _, _, data in segments).encode())
        archive.store_large(
            "dlo",
            segments,
            x_static_large_object="",
            swift_slo_etag="",
            x_object_manifest=quote(f"{archive.container}_segments/"),
            swift_source_dlo_etag=joined,
        )
        got = archive.get("dlo")
        assert got.headers["etag"] == f'"{joined}"'
        assert got.headers["x-object-manifest"] == f"{archive.container}_segments/"
        here = archive.restored("dlo")
        assert here.body == got.body == b"a" * 1000 + b"b" * 2000
        assert here.headers["x-static-large-object"] == "True"
        assert "x-object-manifest" not in here.headers

    def test_bare_dlo_manifest_is_restored_with_bytes_of_its_segments(self, archive: Archive) -> None:
        """Versions before 0.2 stored such manifests."""
        container = f"{archive.container}_ü"
        archive.swift.put_container(container)
        archive.swift.put(container, "dlo/1", b"one")
        archive.swift.put(container, "dlo/2", b"two")
        archive.store("dlo", b"", {"x-object-manifest": quote(f"{container}/dlo/"), "swift-timestamp": ""})
        assert archive.get("dlo").body == b"onetwo"
        assert archive.restored("dlo").body == b"onetwo"

    def test_object_too_large_for_swift_is_restored_in_segments(self, archive: Archive) -> None:
        body = b"".join(bytes([number]) * 1000 for number in range(200)) * 50
        archive.store("big", body, {"swift-timestamp": "1500000000.00001"})
        assert archive.get("big").body == body
        here = archive.restored("big")
        assert here.body == body
        entries = json.loads(local(archive, "big", "multipart-manifest=get").body)
        container = f"{archive.container}_segments"
        assert [entry["name"] for entry in entries] == [
            f"/{container}/big/1500000000.00001/{len(body)}/{SEGMENT_SIZE}/{number:08d}"
            for number in (1, 2, 3, 4)
        ]
        archive.store("bad", body, WRONG)
        archive.get("bad")
        archive.not_restored("bad", "bad_digest")
        assert all(name.startswith("big/") for name in listing(archive, container))


class TestWriteDuringRestore:
    """A client that writes while the object is restored."""

    def reading(self, archive: Archive, remote: FaultProxy, meanwhile: Callable[[], Any]) -> Answer:
        """The answer to a GET that hangs at the remote while something happens."""
        go = threading.Event()
        remote.when(waits_for(go), method="GET", key="/o", times=1)
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(archive.get, "o")
            wait_until(lambda: remote.calls("GET", "/o") != [], SOON, "the remote asked")
            meanwhile()
            go.set()
            return answer.result()

    def test_put_by_a_client_wins(self, behind: Archive, remote: FaultProxy) -> None:
        behind.store("o", BODY)
        got = self.reading(behind, remote, lambda: behind.swift.put(behind.container, "o", b"client's"))
        assert got.body == BODY
        why = "it is in the local cluster"
        wait_until(lambda: why in behind.told_of_restore("o"), SOON, "the restore given up")
        assert behind.get("o").body == b"client's"

    def test_delete_by_a_client_wins(self, behind: Archive, remote: FaultProxy) -> None:
        behind.store("o", BODY)
        self.reading(behind, remote, lambda: behind.ask("DELETE", "o"))
        behind.not_restored("o", "deleted while it was read")

    def test_restore_into_deleted_container_is_given_up(self, behind: Archive, remote: FaultProxy) -> None:
        behind.store("o", BODY)
        got = self.reading(behind, remote, lambda: behind.swift.request("DELETE", behind.container))
        assert got.body == BODY
        behind.not_restored("o", "404")


def test_client_that_disconnects_stops_the_restore(archive: Archive, shunted: Shunted) -> None:
    body = b"z" * (7 << 20)
    archive.store("o", body)
    proxy = shunted.server("proxy")
    with socket.create_connection((proxy.ip, proxy.port)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        sock.sendall(
            f"GET /v1/{archive.swift.account}/{archive.container}/o HTTP/1.1\r\nHost: x\r\n"
            f"X-Auth-Token: {archive.swift.token}\r\n\r\n".encode()
        )
        assert sock.recv(1)
    archive.not_restored("o", "did not read it to the end")
    assert archive.get("o").body == body
    archive.restored("o")
