"""A real store behind a proxy with a switch for each way in which stores, and what stands before them,
differ from S3.

    odd = OddStore(store)                        # a `Store`: moto, rclone, the S3 API of a Swift
    pair = new_pair(cluster, odd.store)
    odd.turn_on("weak ETags")
    odd.turn_off()
    odd.calls("PUT")                             # what came, as a `FaultProxy` has written it down

`DEVIATIONS` is the list of them. Some change requests on their way: only a store that checks no signatures,
such as moto, takes those.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from faults.proxy import (
    Call,
    Exchange,
    Fault,
    FaultProxy,
    answers,
    cut_short,
    lost_answer,
    promises_less,
    promises_more,
)
from faults.rewritten import (
    OTHER_DOCUMENT,
    PORTAL,
    REFUSED,
    all_of_it_as_a_range,
    always_the_first_page,
    another_range,
    backwards,
    begins_with_an_empty_page,
    chunked,
    clock_off,
    doubled,
    edited,
    half_of_it,
    ignores_ranges,
    in_document,
    lower,
    not_opaque,
    opaque,
    other_bytes_of_it,
    other_etags,
    reversed_digits,
    says,
    some_not_deleted,
    upper,
    weak,
    with_header,
    with_status,
    without,
)
from servers.operations import operation
from servers.pair import Store

#: what names of objects, and of metadata, have in them that a deviation for one object is about
ODD = "odd"
HTML, XML = "text/html; charset=utf-8", "application/xml"

OBJECT_WRITES = ("PutObject", "CopyObject")
DELETES = ("DeleteObjects", "DeleteObject")
PARTS = ("CreateMultipartUpload", "UploadPart", "UploadPartCopy")
COMPLETE = ("CompleteMultipartUpload",)
WRITES = OBJECT_WRITES + DELETES + PARTS + COMPLETE + ("AbortMultipartUpload",)
LIST = ("ListObjects",)
HEAD, GET = ("HeadObject",), ("GetObject",)
READS = HEAD + GET + LIST + ("ListMultipartUploads",)
ALL = WRITES + READS + ("HeadBucket",)
#: operations whose answers are documents
TOLD = (
    "CopyObject",
    "DeleteObjects",
    "CompleteMultipartUpload",
    "CreateMultipartUpload",
    "UploadPartCopy",
    *LIST,
)


@dataclass(frozen=True)
class Deviation:
    """``on``: which operations it changes. ``lasting``: how the store is, instead of something that passes:
    then everything has to arrive all the same, but for objects that may be on record with one of
    ``reasons``. ``readable``: the right bytes and listings can be had by who reads carefully. ``odd_only``:
    what is refused is about objects with ODD in their keys ("key"), or in names of their metadata
    ("metadata"). ``told``: a word that every line about a failure has to have. ``options``: of the
    mapping."""

    fault: Fault
    on: tuple[str, ...]
    lasting: bool = False
    readable: bool = False
    odd_only: str = ""
    told: str = ""
    reasons: tuple[str, ...] = ()
    where: Callable[[Call], bool] = lambda call: True
    options: Mapping[str, Any] = field(default_factory=dict)

    def meets(self, call: Call) -> bool:
        if operation(call) not in self.on or not self.where(call):
            return False
        if self.odd_only == "key":
            return f"/{ODD}" in call.path
        if self.odd_only == "metadata":
            return any(name.startswith(f"x-amz-meta-{ODD}") for name in call.headers)
        return True


def _is_version_2(call: Call) -> bool:
    return "list-type=2" in call.query


def _is_conditional(call: Call) -> bool:
    return "if-none-match" in call.headers or "if-match" in call.headers


def _beyond(limit: int) -> Callable[[Call], bool]:
    def beyond(call: Call) -> bool:
        numbers = [pair.partition("=")[2] for pair in call.query.split("&") if pair.startswith("partNumber=")]
        return any(int(number) > limit for number in numbers)

    return beyond


def _lost_then(status: int, code: str) -> Fault:
    """The first answer is lost; who asks again is told that there is no such upload, in the store's way."""
    seen: set[str] = set()
    lock = threading.Lock()
    again = answers(status, code)

    def fault(exchange: Exchange) -> None:
        with lock:
            first = exchange.call.query not in seen
            seen.add(exchange.call.query)
        (lost_answer if first else again)(exchange)

    fault.__name__ = f"lost_then_{status}"
    return fault


def _drops_conditions(request: Any) -> None:
    for name in ("if-none-match", "if-match", "x-amz-copy-source-if-match"):
        request.remove(name)


#: another name of the host, so that one sees who follows a redirect to there: nobody must
ELSEWHERE = "localhost"


def _redirects(status: int, place: str, code: str) -> Fault:
    """``place``: a host; the same one if it is empty."""

    def redirect(exchange: Exchange) -> None:
        host, _, port = exchange.request.header("host").strip().partition(":")
        location = f"http://{place or host}:{port}{exchange.request.first.split(' ')[1]}"
        body = f"<Error><Code>{code}</Code><Message>a test</Message></Error>".encode()
        says(status, body, XML, Location=location)(exchange)

    return redirect


def _documents() -> dict[str, Deviation]:
    """Answers of somebody else, with 200: by what is answered so."""
    groups = {
        "all": ALL,
        "writes": WRITES,
        "parts": PARTS[1:],
        "complete": COMPLETE,
        "reads": READS,
        "LIST": LIST,
        "HEAD": HEAD,
        "GET": GET,
    }
    found = {
        f"a portal's page: {name}": Deviation(says(200, PORTAL, HTML), on) for name, on in groups.items()
    }
    found |= {f"an empty 200: {name}": Deviation(says(200), on) for name, on in groups.items()}
    for name in ("all", "writes", "parts", "complete", "LIST"):
        on = tuple(each for each in groups[name] if each in TOLD)
        found[f"another document: {name}"] = Deviation(says(200, OTHER_DOCUMENT, XML), on)
        found[f"an error with 200: {name}"] = Deviation(says(200, REFUSED, XML), on)
    found["202 and nothing done: writes"] = Deviation(says(202), WRITES)
    return found


def _etags() -> dict[str, Deviation]:
    puts = ("PutObject", "UploadPart")

    def kind(there: Callable[[str], str], back: Callable[[str], str] | None) -> Deviation:
        return Deviation(other_etags(there, back), ALL, lasting=True, readable=True)

    def part(fault: Fault) -> Deviation:
        return Deviation(fault, puts[1:], lasting=True, readable=True, reasons=("remote_answer",))

    return {
        "PUT without ETag": Deviation(edited(without("etag")), ("PutObject",), lasting=True, readable=True),
        "PUT with an empty ETag": Deviation(
            edited(with_header("ETag", '""')), ("PutObject",), lasting=True, readable=True
        ),
        "UploadPart without ETag": part(edited(without("etag"))),
        "UploadPart with an empty ETag": part(edited(with_header("ETag", '""'))),
        "weak ETags": kind(weak, None),
        "32 digits that are no MD5": kind(reversed_digits, reversed_digits),
        "opaque ETags": kind(opaque, not_opaque),
        "ETags in capitals": kind(upper, lower),
        "complete with an empty ETag": Deviation(
            edited(in_document(rb"<ETag>.*?</ETag>", b"<ETag></ETag>")), COMPLETE, lasting=True, readable=True
        ),
        "complete without ETag": Deviation(
            edited(in_document(rb"<ETag>.*?</ETag>", b"")), COMPLETE, lasting=True, readable=True
        ),
        "complete lost, then 404": Deviation(_lost_then(404, "NoSuchUpload"), COMPLETE),
        "complete lost, then 500": Deviation(_lost_then(500, "InternalError"), COMPLETE),
        "PUT answered with 201": Deviation(edited(with_status(201)), puts, lasting=True, readable=True),
        "DELETE answered with 200": Deviation(edited(with_status(200)), DELETES, lasting=True, readable=True),
    }


def _lacking() -> dict[str, Deviation]:
    """What stores do not have."""
    multi, lists = ("DeleteObjects",), (*LIST,)

    def missing(on: tuple[str, ...], fault: Fault, **more: Any) -> Deviation:
        return Deviation(fault, on, lasting=True, readable=True, **more)

    html = says(405, PORTAL, HTML)
    return {
        "DeleteObjects: 501": missing(multi, answers(501, "NotImplemented")),
        "DeleteObjects: 405, a page": missing(multi, html),
        "DeleteObjects: 400": missing(multi, answers(400, "InvalidRequest")),
        "DeleteObjects forgets one": Deviation(some_not_deleted("gone1", ""), multi),
        "DeleteObjects refuses one": Deviation(some_not_deleted("gone1", "AccessDenied"), multi),
        "DeleteObjects fails for one": Deviation(some_not_deleted("gone1", "InternalError"), multi),
        "ListObjectsV2: 501": missing(lists, answers(501, "NotImplemented"), where=_is_version_2),
        "ListObjectsV2: 405, a page": missing(lists, html, where=_is_version_2),
        "ListObjectsV2: 400": missing(lists, answers(400, "InvalidArgument"), where=_is_version_2),
        "LIST: 403": Deviation(answers(403, "AccessDenied"), lists, lasting=True),
        "LIST: 501": Deviation(answers(501, "NotImplemented"), lists, lasting=True),
        "three parts at most": missing(
            ("UploadPart", "UploadPartCopy"),
            answers(400, "InvalidArgument"),
            where=_beyond(3),
            reasons=("remote_refused", "too_large"),
        ),
        "no conditional writes: 501": missing(
            OBJECT_WRITES + COMPLETE,
            answers(501, "NotImplemented"),
            where=_is_conditional,
            options={"conditional_put": True},
        ),
        "no conditional writes: ignored": missing(
            OBJECT_WRITES + COMPLETE,
            edited(lambda exchange, answer: None, _drops_conditions),
            options={"conditional_put": True},
        ),
    }


def _listings() -> dict[str, Deviation]:
    def page(fault: Fault, readable: bool = False) -> Deviation:
        return Deviation(fault, LIST, lasting=True, readable=readable)

    def changed(old: bytes, new: bytes) -> Deviation:
        return page(edited(in_document(old, new)))

    return {
        "LIST out of order": page(edited(backwards)),
        "LIST repeats a page": page(always_the_first_page),
        "LIST unparsable": changed(rb"<Key>", b"<Key>\x01"),
        "LIST echoes a control character": changed(rb"</Name>", b"</Name><StartAfter>a\x01b</StartAfter>"),
        "LIST begins with an empty page": page(begins_with_an_empty_page),
        "LIST without Size": changed(rb"<Size>\d+</Size>", b""),
        "LIST without ETag": page(edited(in_document(rb"<ETag>.*?</ETag>", b"")), readable=True),
        "LIST without LastModified": changed(rb"<LastModified>.*?</LastModified>", b""),
        "LIST without IsTruncated": changed(rb"<IsTruncated>\w*</IsTruncated>", b""),
    }


def _bodies() -> dict[str, Deviation]:
    both = HEAD + GET

    def legal(fault: Fault, on: tuple[str, ...] = both) -> Deviation:
        return Deviation(fault, on, lasting=True, readable=True)

    def other(value: str) -> str:
        return str(int(value) + 5) if value.isdecimal() else '"0123456789abcdef0123456789abcdef"'

    return {
        "HEAD without Content-Length": Deviation(edited(chunked), HEAD, lasting=True),
        "GET in chunks": Deviation(edited(chunked), GET, lasting=True),
        "neither tells a length": Deviation(edited(chunked), both, lasting=True),
        "206 with half of it": Deviation(edited(half_of_it), GET),
        "206 with all of it": legal(edited(all_of_it_as_a_range), GET),
        "a wrong Content-Range": Deviation(edited(another_range), GET),
        "another range than asked for": Deviation(
            edited(lambda exchange, answer: None, other_bytes_of_it), GET
        ),
        "no ranges": legal(edited(lambda exchange, answer: None, ignores_ranges), GET),
        "Content-Length twice": legal(edited(doubled("content-length"))),
        "ETag twice": legal(edited(doubled("etag"))),
        "two Content-Lengths": Deviation(edited(doubled("content-length", other)), both),
        "two ETags": Deviation(edited(doubled("etag", other)), both),
        "GET says that it is longer": Deviation(promises_more, GET),
        "GET says that it is shorter": Deviation(promises_less, GET),
        "GET ends early": Deviation(cut_short, GET),
        "HEAD without ETag": Deviation(edited(without("etag")), HEAD),
        "answers without Last-Modified": legal(edited(without("last-modified"))),
        "the clock is ahead": Deviation(edited(clock_off(600.0)), ALL, lasting=True, readable=True),
        "the clock is behind": Deviation(edited(clock_off(-600.0)), ALL, lasting=True, readable=True),
    }


def _elsewhere() -> dict[str, Deviation]:
    places = {"the same host": "", "another host": ELSEWHERE}
    codes = {301: "PermanentRedirect", 307: "TemporaryRedirect"}
    return {
        f"{status} to {where}: {what}": Deviation(_redirects(status, place, code), on, told=str(status))
        for where, place in places.items()
        for status, code in codes.items()
        for what, on in {"all": ALL, "writes": WRITES}.items()
    }


def _one_object() -> dict[str, Deviation]:
    """``reasons``: whichever tells it; the others arrive meanwhile."""
    refusals = {
        "SignatureDoesNotMatch": (403, ("remote_credentials", "remote_refused", "remote_denied")),
        "AccessDenied": (403, ("remote_denied",)),
        "InvalidAccessKeyId": (403, ("remote_credentials", "remote_refused", "remote_denied")),
        "SlowDown": (429, ("remote_throttled",)),
        "InternalError": (500, ("remote_unavailable",)),
        "InvalidArgument": (400, ("remote_refused",)),
    }
    return {
        f"{status} {code} for one {what}": Deviation(
            answers(status, code), ALL, lasting=True, odd_only=what, reasons=reasons
        )
        for code, (status, reasons) in refusals.items()
        for what in ("key", "metadata")
    }


DEVIATIONS: dict[str, Deviation] = {
    **_documents(),
    **_etags(),
    **_lacking(),
    **_listings(),
    **_bodies(),
    **_elsewhere(),
    **_one_object(),
}


class OddStore:
    """``store``: what clients are given. Listens until ``close``; a context manager."""

    def __init__(self, store: Store) -> None:
        self.proxy = FaultProxy.before(store.endpoint)
        self.store = store.behind(self.proxy.endpoint)

    def turn_on(self, deviation: str | Deviation) -> None:
        found = DEVIATIONS[deviation] if isinstance(deviation, str) else deviation
        self.proxy.when(found.fault, where=found.meets)

    def turn_off(self) -> None:
        self.proxy.heal()

    def calls(self, method: str | None = None, key: str | None = None, since: int = 0) -> list[Call]:
        return self.proxy.calls(method, key, since)

    def met(self, since: int = 0) -> int:
        """How many requests met a deviation."""
        return sum(1 for call in self.proxy.calls(since=since) if call.fault)

    def asked_elsewhere(self) -> int:
        """How many requests followed a redirect to another host."""
        return sum(1 for call in self.proxy.calls() if call.headers.get("host", "").startswith(ELSEWHERE))

    def close(self) -> None:
        self.proxy.close()

    def __enter__(self) -> OddStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
