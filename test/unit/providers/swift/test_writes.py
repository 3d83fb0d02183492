"""Writes at another Swift: what is sent, and what is done about each answer."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from s3_sync.errors import (
    BadDigest,
    InvalidRequest,
    NotFound,
    ObjectRefused,
    PreconditionFailed,
    RemoteUnavailable,
    UnexpectedAnswer,
)
from s3_sync.largeobject.manifest import Segment
from s3_sync.model.copies import NOBODY, copy_mark
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import WriteOptions
from s3_sync.providers.swift.bucket import SwiftBucket
from s3_sync.providers.swift.provider import SwiftProvider
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import CHUNK, BytesBody
from servers.scripted import ScriptedServer, Wire, answer
from unit.providers.swift.conftest import swift_credentials
from unit.providers.swift.test_auth import response
from unit.providers.swift.test_transport import login_at

DATA = b"bytes"
MD5 = md5_hex(DATA)
T1, T2, T3 = (Timestamp.parse(f"100000000{number}.00000") for number in (1, 2, 3))
META = ObjectMeta().marked(swift_timestamp=T2.internal)
CREATED = ("201 Created", f"ETag: {MD5}")
MISSING, REFUSED, OLDER = ("404 Not Found",), ("412 Precondition Failed",), ("409 Conflict",)
GONE = ("204 No Content",)


def there(version: Timestamp | None, written: Timestamp, container: str = "c") -> tuple[str, ...]:
    """An object, as a HEAD shows it: a copy of this version in this container, unless that is None."""
    date = "Last-Modified: Sat, 03 Feb 2001 04:05:06 GMT"
    found = ("200 OK", f"ETag: {MD5}", date, f"X-Timestamp: {written.internal}")
    if version is None:
        return found
    copy = f"X-Object-Meta-Swift-Copy: {copy_mark(container, 'o', NOBODY)}"
    return (*found, copy, f"X-Object-Meta-Swift-Timestamp: {version.internal}")


@dataclass
class Sent:
    """``method path``, headers with lower-case names, and body."""

    what: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Script:
    """What the server answers to writes, and to HEADs, which have a connection of their own."""

    writes: Sequence[tuple[str, ...]]
    heads: Sequence[tuple[str, ...]] = ()
    options: WriteOptions = field(default_factory=WriteOptions)

    def run(self, act: Callable[[SwiftBucket], object]) -> list[Sent]:
        """The writes that arrived; raises what ``act`` raises. Every answer has to be used."""
        writes, heads = list(self.writes), list(self.heads)
        sent: list[Sent] = []

        def serve(wire: Wire) -> None:
            while True:
                head = wire.head()
                if b"Expect: 100-continue" in head:
                    wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
                request = _parsed(head, wire.body(_size(head)))
                answers = heads if request.what.startswith("HEAD ") else writes
                sent.append(request)
                status, *lines = answers.pop(0) if answers else ("500 Not in the script",)
                wire.send(response("X-Trans-Id: tx", *lines, status=status))

        with ScriptedServer(serve, serve) as store, ScriptedServer(answer(login_at(store))) as service:
            provider = SwiftProvider(swift_credentials(endpoint=f"http://127.0.0.1:{service.port}/auth"))
            try:
                act(provider.bucket("c", KeyNamer.plain(), self.options))
            finally:
                provider.close()
                assert (writes, heads) == ([], [])
        return [each for each in sent if not each.what.startswith("HEAD ")]


def _size(head: bytes) -> int:
    found = re.search(rb"(?i)content-length: ([0-9]+)", head)
    return int(found[1]) if found else 0


def _parsed(head: bytes, body: bytes) -> Sent:
    first, *lines = head.decode().split("\r\n")
    method, target, _ = first.split(" ")
    headers = dict(line.split(": ", 1) for line in lines)
    lowered = {name.lower(): value for name, value in headers.items()}
    return Sent(f"{method} {target.removeprefix('/v1/AUTH_%C3%BC')}", lowered, body)


def put(**options: object) -> Callable[[SwiftBucket], object]:
    given = {"size": len(DATA), "meta": META, "md5": MD5, **options}
    return lambda bucket: bucket.put_object("o", BytesBody(DATA), PutOptions(**given))  # type: ignore[arg-type]


class Stream:
    """More bytes than one piece, which can be read once."""

    length: int | None = 2 * CHUNK

    def __init__(self) -> None:
        self._file = io.BytesIO(b"x" * 2 * CHUNK)

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def rewind(self) -> None:
        raise io.UnsupportedOperation("read once")

    def close(self) -> None:
        pass


class TestPut:
    def test_new_object_is_one_request_with_its_digest_timestamp_and_condition(self) -> None:
        [sent] = Script([CREATED]).run(put(if_absent=True))
        assert (sent.what, sent.body) == ("PUT /c/o", DATA)
        names = ("etag", "x-timestamp", "if-none-match", "x-object-meta-swift-timestamp")
        assert [sent.headers[name] for name in names] == [MD5, T2.internal, "*", T2.internal]

    def test_object_that_replaces_a_younger_one_gets_the_next_timestamp(self) -> None:
        [sent] = Script([CREATED]).run(put(replaces=T3))
        assert sent.headers["x-timestamp"] == T3.next_time().internal
        [sent] = Script([CREATED]).run(put(replaces=T1))
        assert sent.headers["x-timestamp"] == T2.internal

    def test_missing_container_is_created_with_the_policy_and_the_object_sent_again(self) -> None:
        script = Script([MISSING, ("201 Created",), CREATED], options=WriteOptions(storage_policy="gold"))
        first, container, again = script.run(put())
        assert (first.what, container.what, again.what) == ("PUT /c/o", "PUT /c", "PUT /c/o")
        assert container.headers["x-storage-policy"] == "gold"
        assert again.body == DATA

    @pytest.mark.parametrize("refused", [REFUSED, OLDER, ("202 Accepted", f"ETag: {MD5}")])
    def test_invisible_younger_tombstone_is_overcome_without_a_timestamp(
        self, refused: tuple[str, ...]
    ) -> None:
        first, again = Script([refused, CREATED], [MISSING]).run(put(if_absent=True))
        assert first.headers["x-timestamp"] == T2.internal
        assert "x-timestamp" not in again.headers
        assert again.headers["if-none-match"] == "*"

    def test_object_that_is_there_is_not_overwritten_blindly(self) -> None:
        with pytest.raises(PreconditionFailed):
            Script([REFUSED], [there(T1, T1)]).run(put(if_absent=True))
        with pytest.raises(PreconditionFailed):  # by whoever has not looked for it
            Script([OLDER]).run(put())

    def test_body_that_cannot_be_rewound_is_not_sent_again(self) -> None:
        def send(bucket: SwiftBucket) -> None:
            bucket.put_object("o", Stream(), PutOptions(2 * CHUNK, META))

        with pytest.raises(RemoteUnavailable, match="the container was missing, and was created"):
            Script([MISSING, ("201 Created",)]).run(send)

    def test_small_body_with_other_bytes_is_not_sent(self) -> None:
        with pytest.raises(BadDigest):
            Script([]).run(put(md5="0" * 32))
        with pytest.raises(BadDigest):
            Script([]).run(put(size=len(DATA) - 1))

    @pytest.mark.parametrize(
        ("answered", "error"),
        [
            (("201 Created",), UnexpectedAnswer),
            (("200 OK", f"ETag: {MD5}"), UnexpectedAnswer),
            (("201 Created", "ETag: " + "0" * 32), BadDigest),
            (("422 Unprocessable Entity",), BadDigest),
        ],
    )
    def test_answer_that_does_not_confirm_the_bytes_is_no_success(
        self, answered: tuple[str, ...], error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            Script([answered]).run(put())

    @pytest.mark.parametrize(
        ("told", "status", "reason"),
        [
            ({"max_file_size": 4}, "413 Request Entity Too Large", "too_large"),
            ({"max_object_name_length": 0, "max_meta_count": 1}, "400 Bad Request", "metadata_too_large"),
            ({"max_meta_overall_size": 50}, "400 Bad Request", "metadata_too_large"),
            ({"max_meta_value_length": 15}, "400 Bad Request", "metadata_too_large"),
            ({"max_meta_name_length": 14}, "400 Bad Request", "metadata_too_large"),
            ({"max_file_size": 5}, "413 Request Entity Too Large", ""),
            ({"max_file_size": "4"}, "413 Request Entity Too Large", ""),
            ({}, "400 Bad Request", ""),
            ({"max_file_size": 4}, "411 Length Required", ""),
        ],
    )
    def test_object_beyond_a_limit_that_the_cluster_tells_is_refused_for_good(
        self, told: dict[str, object], status: str, reason: str
    ) -> None:
        def send(bucket: SwiftBucket) -> None:
            bucket._transport._info = {"swift": told}
            put()(bucket)

        with pytest.raises(ObjectRefused if reason else InvalidRequest) as refused:
            Script([(status,)]).run(send)
        if reason:
            assert refused.value.reason == reason

    def test_etag_in_quotes_confirms_the_bytes(self) -> None:
        Script([("201 Created", f'ETag: "{MD5}"')]).run(put())

    @pytest.mark.parametrize(
        ("count", "query"),
        [(99, "multipart-manifest=put"), (100, "multipart-manifest=put&heartbeat=on")],
    )
    def test_only_many_segments_are_checked_with_a_heartbeat(self, count: int, query: str) -> None:
        segments = [Segment("s", f"{number:03}", 1, MD5) for number in range(count)]
        joined = md5_hex((MD5 * count).encode())
        script = Script([("201 Created", f'ETag: "{joined}"')])
        [sent] = script.run(lambda bucket: bucket.writer.put_manifest("o", segments, PutOptions(0, META)))
        assert sent.what == f"PUT /c/o?{query}"
        assert sent.headers["etag"] == joined


class TestDelete:
    @staticmethod
    def delete(at: Timestamp | None) -> Callable[[SwiftBucket], object]:
        return lambda bucket: bucket.delete_object("o", at)

    def test_delete_has_the_timestamp_of_the_original(self) -> None:
        [sent] = Script([GONE]).run(self.delete(T2))
        assert (sent.what, sent.headers["x-timestamp"]) == ("DELETE /c/o", T2.internal)
        [sent] = Script([GONE]).run(self.delete(None))
        assert "x-timestamp" not in sent.headers

    def test_object_that_is_not_there_is_no_error(self) -> None:
        found: list[object] = []
        Script([MISSING]).run(lambda bucket: found.append(bucket.delete_object("o", T2)))
        assert found == [False]

    def test_older_version_that_was_written_later_is_deleted(self) -> None:
        """A copy of a version from before the delete, sent after it."""
        first, again = Script([OLDER, GONE], [there(T1, T3)]).run(self.delete(T2))
        assert first.headers["x-timestamp"] == T2.internal
        assert again.headers["x-timestamp"] == T3.next_time().internal

    @pytest.mark.parametrize("head", [there(None, T3), there(T3, T3), there(T1, T3, "other")])
    def test_younger_object_stays(self, head: tuple[str, ...]) -> None:
        """A client's, or one of whose marks a client has made a copy."""
        with pytest.raises(PreconditionFailed):
            Script([OLDER], [head]).run(self.delete(T2))

    def test_object_that_goes_meanwhile_is_no_error(self) -> None:
        found: list[object] = []
        Script([OLDER], [MISSING]).run(lambda bucket: found.append(bucket.delete_object("o", T2)))
        assert found == [False]


class TestPostContainer:
    def test_container_is_created_for_headers_but_not_to_remove_them(self) -> None:
        removed = Script([MISSING]).run(lambda bucket: bucket.post_container({"X-Container-Read": ""}))
        assert [each.what for each in removed] == ["POST /c"]
        script = Script([MISSING, ("201 Created",), GONE])
        sent = script.run(lambda bucket: bucket.post_container({"X-Container-Read": ".r:*"}))
        assert [each.what for each in sent] == ["POST /c", "PUT /c", "POST /c"]
        assert sent[2].headers["x-container-read"] == ".r:*"


class TestPost:
    def test_post_of_an_object_that_went_is_not_found(self) -> None:
        with pytest.raises(NotFound):
            Script([MISSING], [there(T1, T1)]).run(lambda bucket: bucket.post_object("o", META))

    def test_post_is_later_than_what_is_there(self) -> None:
        [sent] = Script([("202 Accepted",)], [there(T1, T3)]).run(
            lambda bucket: bucket.post_object("o", META, MD5)
        )
        assert (sent.what, sent.headers["x-timestamp"]) == ("POST /c/o", T3.next_time().internal)

    def test_other_etag_is_not_posted_to(self) -> None:
        with pytest.raises(PreconditionFailed):
            Script([], [there(T1, T1)]).run(lambda bucket: bucket.post_object("o", META, "other"))
