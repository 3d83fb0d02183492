"""A remote store that fails, stalls or lies: what its clients get, and that nobody else notices."""

from __future__ import annotations

import hashlib
import http.client
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from faults.proxy import Exchange, FaultProxy, answers, cut_short, passes, reset_before, waits_for
from faults.strangers import empty_ok, nobody_here, web_server
from servers.process import wait_until
from servers.shunted import Archive, Shunted
from servers.swift import SwiftCluster
from servers.swift_archive import SwiftArchive

BODY = b"".join(hashlib.sha512(b"%d" % number).digest() for number in range(20_000))  # 1.25 MB
SOON = 30.0


@pytest.fixture
def at_s3(behind: Archive) -> Archive:
    behind.store("o", BODY)
    return behind


@pytest.fixture
def at_swift(shunted: Shunted, swift: SwiftCluster, remote: FaultProxy) -> Archive:
    archive = SwiftArchive(shunted, swift, through=remote.endpoint, restore_object=True)
    archive.store("o", BODY)
    return archive


@pytest.fixture(params=["at_s3", "at_swift"])
def archive(request: pytest.FixtureRequest) -> Archive:
    """Its store is behind `remote`."""
    found: Archive = request.getfixturevalue(request.param)
    return found


def stalls(exchange: Exchange) -> None:
    """The answer stops in the middle, and the connection stays."""
    exchange.read_body()
    exchange.forward()
    exchange.reply(0.5)
    exchange.client._receive()  # until the other side has had enough


def shrinks(exchange: Exchange) -> None:
    """The store says that the object is smaller than it is."""
    exchange.read_body()
    exchange.forward()
    assert exchange.answer is not None
    length = int(exchange.answer.header("content-length"))
    exchange.answer.remove("content-length")
    exchange.answer.headers.append(("Content-Length", str(length - 10)))
    exchange.answer.body = exchange.answer.body[:-10]
    exchange.reply()


def grows(exchange: Exchange) -> None:
    """The store promises more than it has."""
    exchange.read_body()
    exchange.forward()
    assert exchange.answer is not None
    length = int(exchange.answer.header("content-length"))
    exchange.answer.remove("content-length")
    exchange.answer.headers.append(("Content-Length", str(length + 10)))
    exchange.reply()
    exchange.over = True


def hides_length(exchange: Exchange) -> None:
    """The store does not say how long the object is."""
    exchange.read_body()
    exchange.forward()
    assert exchange.answer is not None
    exchange.answer.remove("content-length")
    exchange.reply()
    exchange.over = True


def swaps(exchange: Exchange) -> None:
    """One byte of the answer is another one."""
    exchange.read_body()
    exchange.forward()
    assert exchange.answer is not None
    exchange.answer.body = exchange.answer.body[:-1] + b"!"
    exchange.reply()


@pytest.mark.parametrize(("fault", "times"), [(cut_short, 1), (cut_short, 2), (stalls, 1)])
def test_get_with_broken_answer_is_resumed_and_restored(
    archive: Archive, remote: FaultProxy, fault: Callable[[Exchange], None], times: int
) -> None:
    remote.when(fault, method="GET", key="/o", times=times)
    answer = archive.get("o")
    assert (answer.status, answer.body) == (200, BODY)
    archive.restored("o")
    assert archive.get("o").body == BODY


def test_range_with_broken_answer_is_resumed(archive: Archive, remote: FaultProxy) -> None:
    remote.when(cut_short, method="GET", key="/o", times=1)
    assert archive.get("o", Range="bytes=1000-999999").body == BODY[1000:1_000_000]
    remote.when(cut_short, method="GET", key="/o", times=1)
    several = archive.get("o", Range="bytes=0-99999,200000-299999")
    assert BODY[:100_000] in several.body
    assert BODY[200_000:300_000] in several.body


def test_object_changed_during_a_get_ends_the_answer_early(archive: Archive, remote: FaultProxy) -> None:
    def changes(exchange: Exchange) -> None:
        cut_short(exchange)
        archive.store("o", BODY[::-1])

    remote.when(changes, method="GET", key="/o", times=1)
    with pytest.raises(http.client.IncompleteRead) as broken:
        archive.get("o")
    assert BODY.startswith(broken.value.partial)
    assert not archive.is_local("o")


def test_object_changed_between_head_and_get_is_read_anew(archive: Archive, remote: FaultProxy) -> None:
    def changes(exchange: Exchange) -> None:
        passes(exchange)
        archive.store("o", BODY[::-1])

    remote.when(changes, method="HEAD", key="/o", times=1)
    assert archive.get("o", If_None_Match="other").body == BODY[::-1]


def test_get_that_cannot_be_resumed_ends_early_without_restore(archive: Archive, remote: FaultProxy) -> None:
    # all but the first one give nothing
    remote.when(cut_short, method="GET", key="/o", times=1)
    remote.when(reset_before, method="GET", key="/o")
    with pytest.raises(http.client.IncompleteRead) as broken:
        archive.get("o")
    assert BODY.startswith(broken.value.partial)
    assert not archive.is_local("o")


@pytest.mark.parametrize("wanted", [None, "bytes=2-8", "bytes=0-0,2-8"])
def test_get_broken_before_the_first_byte_is_503(
    archive: Archive, remote: FaultProxy, wanted: str | None
) -> None:
    body = BODY[:4000]  # the server would send these with the head of the answer
    archive.store("small", body)
    remote.when(cut_short, method="GET", key="/small", times=1)
    remote.when(reset_before, method="GET", key="/small")
    headers = {} if wanted is None else {"Range": wanted}
    answer = archive.get("small", **headers)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert not archive.is_local("small")
    remote.heal()
    assert archive.get("small", **headers).status == (200 if wanted is None else 206)


def test_answer_with_too_large_content_length_ends_early(archive: Archive, remote: FaultProxy) -> None:
    remote.when(grows, method="GET", key="/o")
    with pytest.raises(http.client.IncompleteRead):
        archive.get("o")
    assert not archive.is_local("o")


def test_answer_without_content_length_is_complete_or_503(
    at_s3: Archive, at_swift: Archive, remote: FaultProxy
) -> None:
    """The size is taken from a listing; Swift always tells it."""
    remote.when(hides_length, method="GET", key="/o")
    assert at_s3.get("o").body == BODY
    assert at_swift.get("o").status == 503


@pytest.mark.parametrize("fault", [shrinks, swaps])
def test_answer_with_other_bytes_ends_early_without_restore(
    archive: Archive, remote: FaultProxy, fault: Callable[[Exchange], None]
) -> None:
    remote.when(fault, method="GET", key="/o", times=1)
    with pytest.raises(http.client.IncompleteRead):
        archive.get("o")
    archive.not_restored("o", "did not read it to the end")
    assert " bytes hash to " in archive.cluster.proxy_log
    assert archive.get("o").body == BODY
    assert archive.restored("o").body == BODY  # which nothing keeps from being tried again


ANSWERS = [
    (answers(503, "SlowDown", retry_after=7), 503, "7"),
    (answers(500, "InternalError"), 503, "1"),
    (answers(429), 503, "1"),
    (answers(403, "AccessDenied"), 502, None),
    (answers(401), 502, None),
    (answers(403, "InvalidAccessKeyId"), 502, None),
    (answers(400, "InvalidRequest"), 502, None),
    (reset_before, 503, "1"),
]
OF_S3 = [(answers(404, "NoSuchBucket"), 502, None), (answers(403, "InvalidObjectState"), 403, None)]
#: it is not Swift that has said so
OF_SWIFT = [(nobody_here, 503, "1"), (web_server, 503, "1"), (empty_ok, 503, "1")]


@pytest.mark.parametrize(
    ("archive", "fault", "status", "wait"),
    [
        (archive, *answer)
        for archive, of_one in (("at_s3", OF_S3), ("at_swift", OF_SWIFT))
        for answer in ANSWERS + of_one
    ],
    indirect=["archive"],
)
def test_error_of_the_store_is_mapped_to_status_and_retry_after(
    archive: Archive, remote: FaultProxy, fault: Callable[[Exchange], None], status: int, wait: str | None
) -> None:
    remote.when(fault, method="GET", key="/o")
    answer = archive.get("o")
    assert answer.status == status
    assert answer.headers.get("retry-after") == wait
    assert "www-authenticate" not in answer.headers
    assert remote.endpoint.encode() not in answer.body
    remote.heal()
    assert archive.get("o").body == BODY


def test_circuit_breaker_stops_requests_until_the_store_is_back(at_s3: Archive, remote: FaultProxy) -> None:
    at_s3.swift.put(at_s3.container, "local", b"here")
    remote.refuse()
    for _ in range(8):
        assert at_s3.get("o").status == 503
    remote.accept()
    before = len(remote.calls())
    answer = at_s3.get("o")
    assert answer.status == 503
    assert remote.calls(since=before) == []  # it is left alone for some seconds
    assert at_s3.get("local").body == b"here"
    wait_until(lambda: at_s3.get("o").status == 200, SOON, "the store is asked again")


def test_frozen_store_delays_only_its_own_clients(at_s3: Archive, remote: FaultProxy) -> None:
    at_s3.swift.put(at_s3.container, "local", b"here")
    thaw = threading.Event()
    remote.when(waits_for(thaw), key="/o")
    try:
        with ThreadPoolExecutor(60) as pool:
            hanging = [pool.submit(at_s3.get, "o") for _ in range(60)]
            wait_until(lambda: remote.calls("GET", "/o") != [], SOON, "the remote asked")
            rounds = 0
            while not all(each.done() for each in hanging):
                assert at_s3.get("local").body == b"here"
                at_s3.swift.put(at_s3.container, "new", b"x")
                at_s3.swift.delete(at_s3.container, "new")
                rounds += 1
            assert {each.result().status for each in hanging} == {503}
        assert rounds > 5  # in two seconds, or many more: had one of them waited, it would be one round
    finally:
        thaw.set()
