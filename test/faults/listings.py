"""Listings of a store that are not what they should be."""

from __future__ import annotations

import re

from faults.proxy import Exchange

_OBJECTS = re.compile(rb"<Contents>.*</Contents>", re.DOTALL)


def lists_nothing(exchange: Exchange) -> None:
    """The listing of a bucket, or of a Swift container as JSON, is that of an empty one."""
    exchange.read_body()
    exchange.forward()
    answer = exchange.answer
    assert answer is not None
    answer.body = _OBJECTS.sub(b"", answer.body) if answer.body.startswith(b"<") else b"[]"
    for name in ("content-length", "transfer-encoding"):
        answer.remove(name)
    answer.headers.append(("Content-Length", f" {len(answer.body)}"))
    exchange.reply()
