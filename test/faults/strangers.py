"""Somebody else answers in a store's place, or the store's clock is wrong.

proxy.when(portal, method="PUT")
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from email.utils import formatdate, parsedate_to_datetime

from faults.proxy import Exchange, Fault

_LISTED_DATE = re.compile(rb"(?<=<LastModified>)[0-9T:-]{19}(?=\.[0-9]{3}Z<)")


def says(status: int, kind: str = "", body: bytes = b"", **headers: str) -> Fault:
    """An answer that no store has given; ``Last_Modified="..."`` becomes Last-Modified."""

    def say(exchange: Exchange) -> None:
        exchange.read_body()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        exchange.say(status, ({"Content-Type": kind} if kind else {}) | named, body)

    return say


portal = says(200, "text/html", b"<html><body>Please sign in.</body></html>")
#: with what a web server sends with each file
web_server = says(
    200,
    "text/html",
    b"<html><body>It works!</body></html>",
    ETag='"5f3e-2aa6"',
    Last_Modified="Wed, 21 Oct 2015 07:28:00 GMT",
)
empty_ok = says(200)
other_document = says(200, "application/xml", b"<?xml version='1.0'?><Welcome><Name>you</Name></Welcome>")
#: a load balancer that knows no store
nobody_here = says(404, "text/plain", b"default backend - 404")
moved = says(307, Location="http://127.0.0.1:9/elsewhere")


def clock_ahead(seconds: float) -> Fault:
    """Every date that the store tells is so much later."""

    def shift(exchange: Exchange) -> None:
        exchange.read_body()
        exchange.forward()
        answer = exchange.answer
        assert answer is not None
        answer.headers = [
            (name, f" {_http_date(value, seconds)}" if name.lower() in ("date", "last-modified") else value)
            for name, value in answer.headers
        ]
        answer.body = _LISTED_DATE.sub(lambda found: _iso_date(found[0], seconds), answer.body)
        exchange.reply()

    return shift


def _http_date(text: str, seconds: float) -> str:
    return formatdate(parsedate_to_datetime(text.strip()).timestamp() + seconds, usegmt=True)


def _iso_date(text: bytes, seconds: float) -> bytes:
    return (datetime.fromisoformat(text.decode()) + timedelta(seconds=seconds)).isoformat().encode()
