"""Answers that differ from what a store said, and requests that differ from what it was asked: each a fault
of `FaultProxy`.

proxy.when(says(200, PORTAL), method="PUT")                  the store is not asked
proxy.when(edited(without("etag")), method="PUT")         the store acts, and answers otherwise
"""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Callable

from faults.proxy import Exchange, Fault
from faults.wire import Message

PORTAL = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>"
OTHER_DOCUMENT = b"<?xml version='1.0'?><ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>"
REFUSED = b"<?xml version='1.0'?><Error><Code>InternalError</Code><Message>a test</Message></Error>"
_HALF = 2

#: changes an answer, knowing what was asked
Edit = Callable[[Exchange, Message], object]


def says(status: int, body: bytes = b"", content_type: str = "", **headers: str) -> Fault:
    """The store is not asked. ``headers``: with underscores."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    if content_type:
        fields["Content-Type"] = content_type

    def say(exchange: Exchange) -> None:
        exchange.read_body()
        exchange.say(status, fields, body)

    return say


def edited(edit: Edit, ask: Callable[[Message], object] = lambda request: None) -> Fault:
    """The store acts, and its answer is changed. ``ask``: changes what it is asked."""

    def fault(exchange: Exchange) -> None:
        exchange.read_body()
        ask(exchange.request)
        exchange.forward()
        assert exchange.answer is not None
        edit(exchange, exchange.answer)
        exchange.reply()

    return fault


def is_success(message: Message) -> bool:
    return message.status // 100 == 2


def set_header(message: Message, name: str, value: str) -> None:
    message.remove(name.lower())
    message.headers.append((name, f" {value}"))


def set_body(message: Message, body: bytes) -> None:
    message.remove("transfer-encoding")
    set_header(message, "Content-Length", str(len(body)))
    message.body = body


def set_status(message: Message, status: int) -> None:
    message.first = f"HTTP/1.1 {status} Said"


def without(*names: str) -> Edit:
    """These headers are left out."""

    def edit(exchange: Exchange, answer: Message) -> None:
        for name in names:
            answer.remove(name)

    return edit


def with_header(name: str, value: str) -> Edit:
    return lambda exchange, answer: set_header(answer, name, value)


def with_status(status: int) -> Edit:
    """A success is told with another number."""

    def edit(exchange: Exchange, answer: Message) -> None:
        if is_success(answer):
            set_status(answer, status)
            set_body(answer, answer.body)

    return edit


def doubled(name: str, other: Callable[[str], str] = lambda value: value) -> Edit:
    """A header comes twice, the second time perhaps with another value."""

    def edit(exchange: Exchange, answer: Message) -> None:
        if is_success(answer) and (value := answer.header(name).strip()):
            answer.headers.append((name.title(), f" {other(value)}"))

    return edit


def in_document(old: bytes, new: bytes) -> Edit:
    """A regular expression and what stands there instead."""

    def edit(exchange: Exchange, answer: Message) -> None:
        if is_success(answer) and answer.body:
            set_body(answer, re.sub(old, new, answer.body, flags=re.DOTALL))

    return edit


def one_after_the_other(*edits: Edit) -> Edit:
    def edit(exchange: Exchange, answer: Message) -> None:
        for each in edits:
            each(exchange, answer)

    return edit


# ETags


_TOLD = re.compile(rb"(<ETag>)(.*?)(</ETag>)")


def _in_documents(body: bytes, change: Callable[[str], str]) -> bytes:
    def replaced(found: re.Match[bytes]) -> bytes:
        etag = found[2].decode().replace("&quot;", '"').replace("&#34;", '"')
        return found[1] + change(etag).replace('"', "&quot;").encode() + found[3]

    return _TOLD.sub(replaced, body)


def other_etags(there: Callable[[str], str], back: Callable[[str], str] | None = None) -> Fault:
    """The store has ETags of its own kind, in headers and documents. ``there`` makes one of a real one;
    ``back`` the real one again, where the store knows its own in conditions and lists of parts."""

    def ask(request: Message) -> None:
        if back is None:
            return
        for name in ("if-match", "if-none-match", "x-amz-copy-source-if-match"):
            if (value := request.header(name).strip()) not in ("", "*"):
                set_header(request, name, back(value))
        if request.body.lstrip().startswith(b"<") and b"<ETag>" in request.body:
            set_body(request, _in_documents(request.body, back))

    def edit(exchange: Exchange, answer: Message) -> None:
        if etag := answer.header("etag").strip():
            set_header(answer, "ETag", there(etag))
        if b"<ETag>" in answer.body and answer.header("content-type").strip().startswith(
            ("application/xml", "text/xml")
        ):
            set_body(answer, _in_documents(answer.body, there))

    return edited(edit, ask)


def weak(etag: str) -> str:
    return f"W/{etag}"


def reversed_digits(etag: str) -> str:
    """32 hexadecimal digits that are no MD5 of anything; twice is the real one again."""
    return re.sub(r"[0-9a-f]{32}", lambda found: found[0][::-1], etag)


def opaque(etag: str) -> str:
    return '"0x8D' + etag.strip('"') + '"'


def not_opaque(etag: str) -> str:
    return '"' + etag.strip('"').removeprefix("0x8D") + '"'


def upper(etag: str) -> str:
    return etag.upper()


def lower(etag: str) -> str:
    return etag.lower()


# Deletes of many


def some_not_deleted(odd: str, why: str) -> Fault:
    """DeleteObjects leaves keys with ``odd`` in them. ``why``: the code of their errors; empty: the answer
    does not name them."""
    entry = re.compile(rb"<Object>\s*<Key>([^<]*)</Key>.*?</Object>", re.DOTALL)

    def fault(exchange: Exchange) -> None:
        exchange.read_body()
        request = exchange.request
        left = [key for key in entry.findall(request.body) if odd.encode() in key]
        body = entry.sub(lambda found: b"" if odd.encode() in found[1] else found[0], request.body)
        if not entry.search(body):
            body = body.replace(b"</Delete>", b"<Object><Key>nobody's</Key></Object></Delete>")
        set_body(request, body)
        exchange.forward()
        answer = exchange.answer
        assert answer is not None
        if why:
            errors = [b"<Error><Key>%s</Key><Code>%s</Code></Error>" % (key, why.encode()) for key in left]
            set_body(answer, answer.body.replace(b"</DeleteResult>", b"".join(errors) + b"</DeleteResult>"))
        exchange.reply()

    return fault


# Listings

_ENTRY = re.compile(rb"<Contents>.*?</Contents>", re.DOTALL)
_GROUP = re.compile(rb"<CommonPrefixes>.*?</CommonPrefixes>", re.DOTALL)
_TRUNCATED = re.compile(rb"<IsTruncated>\w*</IsTruncated>")


def query_of(request: Message) -> list[str]:
    return request.first.split(" ")[1].partition("?")[2].split("&")


def set_query(request: Message, pairs: list[str]) -> None:
    method, target, version = request.first.split(" ")
    request.first = f"{method} {target.partition('?')[0]}?{'&'.join(pairs)} {version}"


def _named(pair: str, *names: str) -> bool:
    return pair.partition("=")[0] in names


def backwards(exchange: Exchange, answer: Message) -> None:
    entries = _ENTRY.findall(answer.body)
    set_body(answer, _ENTRY.sub(lambda found: entries.pop(), answer.body))


def always_the_first_page(exchange: Exchange) -> None:
    """Pages of three, and each is the first one."""
    exchange.read_body()
    pairs = [
        pair
        for pair in query_of(exchange.request)
        if not _named(pair, "start-after", "marker", "continuation-token", "max-keys")
    ]
    set_query(exchange.request, [*pairs, "max-keys=3"])
    exchange.forward()
    assert exchange.answer is not None
    if is_success(exchange.answer):
        body = _TRUNCATED.sub(b"<IsTruncated>true</IsTruncated>", exchange.answer.body)
        set_body(exchange.answer, body)
    exchange.reply()


def begins_with_an_empty_page(exchange: Exchange) -> None:
    """The first page holds nothing and says that there is more: the protocol allows it."""
    exchange.read_body()
    pairs = query_of(exchange.request)
    goes_on = any(_named(pair, "continuation-token", "marker", "start-after") for pair in pairs)
    set_query(exchange.request, [pair for pair in pairs if not _named(pair, "continuation-token")])
    exchange.forward()
    answer = exchange.answer
    assert answer is not None
    if is_success(answer) and not goes_on and _ENTRY.search(answer.body):
        body = _GROUP.sub(b"", _ENTRY.sub(b"", answer.body))
        body = _TRUNCATED.sub(b"<IsTruncated>true</IsTruncated>", body)
        more = b"<NextContinuationToken>one</NextContinuationToken><NextMarker>!</NextMarker>"
        set_body(answer, body.replace(b"</ListBucketResult>", more + b"</ListBucketResult>"))
    exchange.reply()


def small_pages(exchange: Exchange) -> None:
    """Pages of three, whatever was asked for."""
    exchange.read_body()
    pairs = [pair for pair in query_of(exchange.request) if not _named(pair, "max-keys")]
    set_query(exchange.request, [*pairs, "max-keys=3"])
    exchange.forward()
    exchange.reply()


# Bodies of objects


def chunked(exchange: Exchange, answer: Message) -> None:
    """No length is told, with a HEAD neither; a body comes in chunks."""
    if not is_success(answer):
        return
    answer.remove("content-length")
    if exchange.call.method != "HEAD" and not answer.header("transfer-encoding"):
        answer.headers.append(("Transfer-Encoding", " chunked"))
        data = answer.body
        answer.body = (b"%x\r\n%s\r\n" % (len(data), data) if data else b"") + b"0\r\n\r\n"


def half_of_it(exchange: Exchange, answer: Message) -> None:
    """206 with the first half, where the whole was asked for."""
    size = len(answer.body)
    if answer.status == 200 and size > 1:
        set_status(answer, 206)
        set_body(answer, answer.body[: size // _HALF])
        set_header(answer, "Content-Range", f"bytes 0-{size // _HALF - 1}/{size}")


def all_of_it_as_a_range(exchange: Exchange, answer: Message) -> None:
    size = len(answer.body)
    if answer.status == 200 and size:
        set_status(answer, 206)
        set_header(answer, "Content-Range", f"bytes 0-{size - 1}/{size}")


_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


def another_range(exchange: Exchange, answer: Message) -> None:
    """The range that was asked for, said to be one that begins a byte later."""
    if answer.status == 206 and (found := _RANGE.search(answer.header("content-range"))):
        first, last, size = (int(number) for number in found.groups())
        set_header(answer, "Content-Range", f"bytes {first + 1}-{last + 1}/{size}")


def ignores_ranges(request: Message) -> None:
    request.remove("range")


def other_bytes_of_it(request: Message) -> None:
    """A range that begins a byte later is what the store gives, and says so."""
    if found := re.fullmatch(r"bytes=(\d+)-(\d+)", request.header("range").strip()):
        set_header(request, "Range", f"bytes={int(found[1]) + 1}-{int(found[2]) + 1}")


# Clocks

_HTTP_DATE = "%a, %d %b %Y %H:%M:%S GMT"
_MODIFIED = re.compile(rb"<LastModified>(.{19})")


def clock_off(seconds: float) -> Edit:
    """The store's clock is ahead by so much, in whatever it says."""

    def edit(exchange: Exchange, answer: Message) -> None:
        for name in ("Date", "Last-Modified"):
            if value := answer.header(name.lower()).strip():
                then = calendar.timegm(time.strptime(value, _HTTP_DATE)) + seconds
                set_header(answer, name, time.strftime(_HTTP_DATE, time.gmtime(then)))
        if _MODIFIED.search(answer.body):
            set_body(answer, _MODIFIED.sub(lambda found: _moved(found[1], seconds), answer.body))

    return edit


def _moved(date: bytes, seconds: float) -> bytes:
    form = "%Y-%m-%dT%H:%M:%S"
    then = calendar.timegm(time.strptime(date.decode(), form)) + seconds
    return b"<LastModified>" + time.strftime(form, time.gmtime(then)).encode()
