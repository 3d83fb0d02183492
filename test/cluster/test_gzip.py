"""Objects that clients have compressed, in a store behind something that compresses or unpacks, as CDNs do:
answers tell no length, and perhaps other bytes."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator

import pytest

from faults.proxy import Exchange, answers
from faults.rewritten import chunked, edited, is_success, one_after_the_other, set_header, without
from faults.wire import Message
from servers.daemon import NewDaemon
from servers.odd_store import GET, HEAD, LIST, Deviation, OddStore
from servers.operations import operation
from servers.pair import Store, new_pair, sync
from servers.shunted import Archive
from servers.swift import SwiftCluster

PLAIN = b"".join(b"line %d\n" % number for number in range(20_000))
PACKED = gzip.compress(PLAIN, mtime=0)
HEADERS = {"Content-Encoding": "gzip", "Content-Type": "text/plain", "X-Object-Meta-Colour": "red"}


def weak_etag(exchange: Exchange, answer: Message) -> None:
    if is_success(answer) and (etag := answer.header("etag").strip()):
        set_header(answer, "ETag", f"W/{etag}")


def unpacked(exchange: Exchange, answer: Message) -> None:
    """As for a client that does not accept gzip."""
    if answer.body.startswith(PACKED[:10]):
        answer.body = PLAIN
    without("content-encoding")(exchange, answer)


#: what leaves the bytes as they are
HONEST = {
    "no length": Deviation(edited(chunked), HEAD + GET),
    "no length, weak ETags": Deviation(edited(one_after_the_other(chunked, weak_etag)), HEAD + GET),
}
UNPACKS = Deviation(edited(one_after_the_other(unpacked, chunked, weak_etag)), HEAD + GET)


@pytest.fixture
def odd(moto_store: Store) -> Iterator[OddStore]:
    with OddStore(moto_store) as odd:
        yield odd


@pytest.mark.parametrize("deviation", HONEST)
def test_gzip_objects_without_length_are_copied_once_verified_and_moved(
    swift: SwiftCluster, odd: OddStore, new_daemon: NewDaemon, deviation: str
) -> None:
    odd.turn_on(HONEST[deviation])
    copies, moves = new_pair(swift, odd.store), new_pair(swift, odd.store, retain_local=False)
    for pair in (copies, moves):
        pair.put("o", PACKED, HEADERS)
    daemon = new_daemon(copies)
    sync(daemon, copies)
    copies.check()
    copies.post("o", {**HEADERS, "X-Object-Meta-Colour": "blue"})
    sync(daemon, copies)
    copies.check()
    done = daemon.ctl("verify-data", "0", "--content", "--metadata")
    assert done.returncode == 0, done
    daemon.stop()
    seen = len(odd.calls())
    daemon = new_daemon(copies)  # which knows nothing, and compares
    sync(daemon, copies)
    asked = {operation(call) for call in odd.calls(since=seen)}
    assert asked <= {"HeadObject", "ListObjects"}
    daemon = new_daemon(moves)
    assert daemon.once().returncode == 0, daemon.log_text()
    assert moves.swift.ask("HEAD", moves.container, "o").status == 404
    stored = moves.s3.get_object(Bucket=moves.bucket, Key=moves.prefix + "o")
    assert (stored["Body"].read(), stored["ContentEncoding"]) == (PACKED, "gzip")
    assert odd.met()


@pytest.mark.parametrize("deviation", HONEST)
def test_gzip_objects_without_length_are_read_and_restored_as_stored(
    new_archive: Callable[..., Archive], odd: OddStore, deviation: str
) -> None:
    archive = new_archive(odd.store, restore_object=True)
    archive.store("o", PACKED, {"colour": "red"}, ContentEncoding="gzip", ContentType="text/plain")
    odd.turn_on(HONEST[deviation])
    expected = {"content-length": str(len(PACKED)), "content-encoding": "gzip", "x-object-meta-colour": "red"}
    head = archive.ask("HEAD", "o")
    assert (head.status, {name: head.headers.get(name) for name in expected}) == (200, expected)
    part = archive.get("o", Range="bytes=5-104")
    assert (part.status, part.body) == (206, PACKED[5:105])
    assert part.headers["content-range"] == f"bytes 5-104/{len(PACKED)}"
    whole = archive.get("o")
    assert (whole.status, whole.body) == (200, PACKED)
    assert {name: whole.headers.get(name) for name in expected} == expected
    restored = archive.restored("o")
    assert restored.body == PACKED
    assert {name: restored.headers.get(name) for name in expected} == expected
    assert odd.met()


def test_unpacked_bytes_reach_no_client_and_are_not_restored(
    new_archive: Callable[..., Archive], odd: OddStore
) -> None:
    archive = new_archive(odd.store, restore_object=True)
    archive.store("o", PACKED, ContentEncoding="gzip")
    odd.turn_on(UNPACKS)
    assert archive.get("o").status == 503
    assert "more bytes than are stored: is a proxy decompressing" in archive.cluster.proxy_log
    assert not archive.is_local("o")
    odd.turn_off()
    assert archive.get("o").body == PACKED
    assert archive.restored("o").body == PACKED


def test_local_object_stays_while_its_copy_comes_unpacked(
    swift: SwiftCluster, odd: OddStore, new_daemon: NewDaemon
) -> None:
    pair = new_pair(swift, odd.store, retain_local=False)
    pair.put("o", PACKED, HEADERS)
    odd.turn_on(UNPACKS)
    daemon = new_daemon(pair)
    assert daemon.once().returncode == 1
    assert daemon.unsettled() == {"o": ("retry", "copy_unproven", 2)}
    pair.check()
    odd.turn_off()
    assert daemon.once().returncode == 0, daemon.log_text()
    assert pair.swift.ask("HEAD", pair.container, "o").status == 404


def test_size_that_nothing_tells_is_a_reason_of_that_object(
    swift: SwiftCluster, odd: OddStore, new_daemon: NewDaemon
) -> None:
    """HEAD has no length, and listings are not allowed."""
    pair = new_pair(swift, odd.store, retain_local=False)
    odd.turn_on(HONEST["no length"])
    odd.proxy.when(answers(403, "AccessDenied"), where=lambda call: operation(call) in LIST)
    pair.put("o", PACKED, HEADERS)
    daemon = new_daemon(pair)
    assert daemon.once().returncode == 1
    assert daemon.unsettled() == {"o": ("retry", "remote_answer", 2)}
    ((detail,),) = daemon.journal_rows("SELECT detail FROM unsettled")
    assert "no Content-Length" in detail
    assert "AccessDenied" in detail
    pair.check()
