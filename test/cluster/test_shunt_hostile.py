"""A remote store at its worst, and clients that leave or write at the worst moment."""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import socket
import threading
from collections.abc import Callable

import pytest

from faults.proxy import Exchange, Fault, FaultProxy, answers, cut_short, passes, reset_before, waits_for
from servers.pair import Store
from servers.process import wait_until
from servers.shunted import Archive, Shunted

BODY = b"".join(hashlib.sha512(b"%d" % number).digest() for number in range(20_000))  # 1.25 MB
SOON = 30.0


@pytest.fixture
def archive(behind: Archive) -> Archive:
    behind.store("o", BODY)
    return behind


def listing(archive: Archive, container: str) -> list[str]:
    """What the cluster itself has."""
    answer = archive.swift.ask(
        "GET", container, query="format=json", headers={"X-Cloud-Sync-Shunt-Bypass": "1"}
    )
    return [entry["name"] for entry in json.loads(answer.body)] if answer.status == 200 else []


def told(archive: Archive, name: str, why: str) -> None:
    wait_until(lambda: why in archive.told_of_restore(name), SOON, why)


@pytest.mark.parametrize("fault", [reset_before, answers(503, "SlowDown"), cut_short])
@pytest.mark.parametrize("skip", [1, 2])
def test_failed_request_for_one_of_several_ranges_is_repeated(
    archive: Archive, remote: FaultProxy, fault: Fault, skip: int
) -> None:
    remote.when(fault, method="GET", key="/o", skip=skip, times=1)
    answer = archive.get("o", Range="bytes=0-99,1000-1099,500000-599999")
    assert answer.status == 206
    for first, last in ((0, 99), (1000, 1099), (500_000, 599_999)):
        assert BODY[first : last + 1] in answer.body
    assert len(answer.body) == int(answer.headers["content-length"])


def forgets_the_range(exchange: Exchange) -> None:
    """The store gives the whole object, whatever was asked for."""
    exchange.read_body()
    exchange.forward()
    assert exchange.answer is not None
    etag = exchange.answer.header("etag")
    exchange.say(200, {"ETag": etag, "Last-Modified": exchange.answer.header("last-modified")}, BODY)


def gives_another_range(exchange: Exchange) -> None:
    exchange.read_body()
    exchange.forward()
    assert exchange.answer is not None
    exchange.answer.remove("content-range")
    exchange.answer.headers.append(("Content-Range", f"bytes 0-{len(BODY) - 1}/{len(BODY)}"))
    exchange.reply()


@pytest.mark.parametrize("fault", [forgets_the_range, gives_another_range])
def test_resumed_get_with_another_range_ends_early_without_restore(
    archive: Archive, remote: FaultProxy, fault: Fault
) -> None:
    remote.when(cut_short, method="GET", key="/o", times=1)
    remote.when(fault, method="GET", key="/o")
    with pytest.raises(http.client.IncompleteRead) as broken:
        archive.get("o")
    assert BODY.startswith(broken.value.partial)
    archive.not_restored("o", "did not read it to the end")


def grows(exchange: Exchange) -> None:
    """More bytes than the store has said."""
    exchange.read_body()
    exchange.forward()
    assert exchange.answer is not None
    exchange.answer.body += b"more" * 1000
    exchange.over = True
    exchange.reply()


def promises_more(exchange: Exchange) -> None:
    """Less bytes than the store has said, every time."""
    exchange.read_body()
    exchange.forward()
    assert exchange.answer is not None
    exchange.answer.remove("content-length")
    exchange.answer.headers.append(("Content-Length", str(len(BODY) + 1000)))
    exchange.over = True
    exchange.reply()


def test_answer_longer_than_content_length_is_cut_and_restored(archive: Archive, remote: FaultProxy) -> None:
    remote.when(grows, method="GET", key="/o", times=1)
    assert archive.get("o").body == BODY
    assert archive.restored("o").body == BODY


def test_answer_shorter_than_content_length_ends_without_restore(
    archive: Archive, remote: FaultProxy
) -> None:
    remote.when(promises_more, method="GET", key="/o")
    with pytest.raises(http.client.IncompleteRead):
        archive.get("o")
    archive.not_restored("o", "did not read it to the end")


def test_answer_with_slow_first_byte_is_complete(archive: Archive, remote: FaultProxy) -> None:
    go = threading.Event()
    remote.when(waits_for(go), method="GET", key="/o", times=1)
    threading.Timer(1.0, go.set).start()  # the limit is two seconds
    assert archive.get("o").body == BODY
    archive.restored("o")


MANY = {f"x-amz-meta-{number}": "v" for number in range(300)}
HUGE = [
    {"x-amz-meta-huge": "h" * 100_000},
    {"X-Something": "h" * 60_000},
    MANY,
    {"x-amz-meta-odd": "a\x0bb\x7f"},
    {"Content-Type": "text/plain; charset=" + "c" * 20_000},
    {"x-amz-meta-swift-timestamp": "99999999999999999999"},
    {"x-amz-meta-swift-timestamp": "-1"},
    {"Last-Modified": "soon"},
    {"Last-Modified": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"},
    {"x-amz-meta-x-delete-at": "9" * 5000},
    {"x-amz-meta-x-delete-at": "=?UTF-8?Q?=C2=B2?="},
    {"Content-Length": "many"},
    {"Content-Length": "-5"},
    {"Content-Range": "bytes 10-5/100"},
    {"Content-Range": f"bytes 0-9/{len(BODY)}"},
    {"x-amz-mp-parts-count": "many"},
    {"ETag": "a\r\n b"},
]


@pytest.mark.parametrize("headers", HUGE, ids=lambda headers: str(headers)[:60])
def test_invalid_header_of_the_store_gives_the_object_or_502_or_503(
    archive: Archive, remote: FaultProxy, headers: dict[str, str]
) -> None:
    def adds(exchange: Exchange) -> None:
        exchange.read_body()
        exchange.forward()
        assert exchange.answer is not None
        for name, value in headers.items():
            exchange.answer.remove(name)
            exchange.answer.headers.append((name, value))
        exchange.reply()

    remote.when(adds, key="/o")
    for method in ("HEAD", "GET"):
        answer = archive.ask(method, "o")
        assert answer.status in (200, 502, 503), answer
        if answer.status == 200 and method == "GET":
            assert answer.body == BODY
    remote.heal()
    assert archive.get("o").body == BODY


@pytest.mark.parametrize("wait", ["9" * 400, "\xb2", "-1", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"])
def test_invalid_retry_after_of_the_store_becomes_one_second(
    archive: Archive, remote: FaultProxy, wait: str
) -> None:
    def asks(exchange: Exchange) -> None:
        exchange.read_body()
        exchange.say(503, {"Retry-After": wait}, b"")

    remote.when(asks)
    for answer in (archive.get("o"), archive.get(None), archive.ask("HEAD", "o")):
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")


#: more than the buffers of two sockets hold, so that the proxy knows when a client leaves
SEGMENTS = [(name, name.encode() * (1 << 20)) for name in ("one", "four", "seven")]


@pytest.fixture
def large(archive: Archive) -> str:
    """The container of the segments of an archived large object, ``slo``."""
    container = f"{archive.container}_segments"
    archive.store_large("slo", [(container, name, data) for name, data in SEGMENTS])
    return container


def no_orphans(archive: Archive, container: str) -> None:
    wait_until(lambda: listing(archive, container) == [], SOON, "no segment left")
    assert not archive.is_local("slo")


def test_failed_restore_of_large_object_leaves_no_segments(
    archive: Archive, remote: FaultProxy, large: str
) -> None:
    # the first one only tells that it is large, and is asked for again when its manifest is known
    remote.when(cut_short, method="GET", key="/slo", times=2)
    remote.when(reset_before, method="GET", key="/slo")
    with pytest.raises(http.client.IncompleteRead):
        archive.get("slo")
    told(archive, "slo", "restore")
    no_orphans(archive, large)


@pytest.mark.parametrize("seed", range(3))
def test_restore_of_large_object_left_by_the_client_leaves_no_segments(
    archive: Archive, shunted: Shunted, large: str, seed: int
) -> None:
    chance = random.Random(seed)
    leave_after = chance.randrange(1, 2 << 20)
    proxy = shunted.server("proxy")
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        client.connect((proxy.ip, proxy.port))
        path = f"/v1/{archive.swift.account}/{archive.container}/slo"
        client.sendall(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {archive.swift.token}\r\n\r\n".encode()
        )
        while leave_after > 0:
            leave_after -= len(client.recv(min(65536, leave_after)))
    told(archive, "slo", "did not read it to the end")
    no_orphans(archive, large)
    assert archive.get("slo").body == b"".join(data for _, data in SEGMENTS)
    archive.restored("slo")


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_client_write_during_restore_of_large_object_wins(
    archive: Archive, remote: FaultProxy, large: str, method: str
) -> None:
    def writes_first(exchange: Exchange) -> None:
        answer = archive.swift.ask(method, archive.container, "slo", body=b"client's")
        assert answer.status in (201, 404)
        passes(exchange)

    remote.when(writes_first, method="GET", key="/slo", times=1)
    assert archive.get("slo").body == b"".join(data for _, data in SEGMENTS)
    told(archive, "slo", "Did not restore")
    assert listing(archive, large) == []
    here = archive.get("slo", X_Cloud_Sync_Shunt_Bypass="yes")
    assert (here.status, here.body) == (200, b"client's") if method == "PUT" else here.status == 404


def test_post_during_the_restore_ends_up_on_the_restored_object(
    new_archive: Callable[..., Archive], s3api: Store, remote: FaultProxy
) -> None:
    archive = new_archive(store=s3api.behind(remote.endpoint), restore_object=True, propagate_post=True)
    archive.store("o", BODY, {"colour": "red"})

    def posts(exchange: Exchange) -> None:
        exchange.read_body()
        exchange.forward()
        assert archive.ask("POST", "o", X_Object_Meta_Colour="blue").status == 202
        exchange.reply()

    remote.when(posts, method="GET", key="/o", times=1)
    assert archive.get("o").body == BODY
    archive.restored("o")

    def colour() -> str:
        return archive.get("o", X_Cloud_Sync_Shunt_Bypass="yes").headers["x-object-meta-colour"]

    wait_until(lambda: colour() == "blue", SOON, "the client's metadata")


def test_post_right_after_the_restore_ends_up_on_the_restored_object(
    new_archive: Callable[..., Archive], s3api: Store, remote: FaultProxy
) -> None:
    archive = new_archive(store=s3api.behind(remote.endpoint), restore_object=True, propagate_post=True)
    archive.store("o", BODY, {"colour": "red"})

    def comes_back(exchange: Exchange) -> None:
        """Before the copy has the new metadata."""
        assert archive.get("o").body == BODY
        archive.restored("o")
        passes(exchange)

    remote.when(comes_back, method="HEAD", key="/o", times=1)
    assert archive.ask("POST", "o", X_Object_Meta_Colour="blue").status == 202
    here = archive.get("o", X_Cloud_Sync_Shunt_Bypass="yes")
    assert here.headers["x-object-meta-colour"] == "blue"
