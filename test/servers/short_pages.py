"""A Swift whose listings have fewer entries than their limit, as Ceph's gateway has them now and then."""

from __future__ import annotations

import json

from faults.proxy import Exchange
from faults.rewritten import Edit, set_header
from faults.wire import Message


def short_pages(entries: int) -> Edit:
    """An edit for `faults.rewritten.edited`, of GET requests for listings."""

    def shorten(exchange: Exchange, answer: Message) -> None:
        if answer.status == 200:
            answer.body = json.dumps(json.loads(answer.body)[:entries]).encode()
            set_header(answer, "Content-Length", str(len(answer.body)))

    return shorten
