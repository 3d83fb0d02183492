"""What clients of cloud-shunt get of a store that differs from S3: the right bytes and listings, or an
error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from faults.odd_reads import Reads
from servers.moto import MotoServer
from servers.pair import Store
from servers.shunted import Shunted

#: `bin/prove odd-store` has more
NAMES = (
    *("a portal's page: all", "a portal's page: LIST", "a portal's page: HEAD", "a portal's page: GET"),
    *("an empty 200: LIST", "an empty 200: GET", "another document: LIST", "another document: all"),
    *("202 and nothing done: writes", "an error with 200: LIST", "weak ETags"),
    *("ListObjectsV2: 501", "LIST: 403", "LIST out of order", "LIST repeats a page", "LIST unparsable"),
    *("LIST begins with an empty page", "LIST without Size", "HEAD without Content-Length", "GET in chunks"),
    *("206 with half of it", "206 with all of it", "a wrong Content-Range", "another range than asked for"),
    *("no ranges", "Content-Length twice", "ETag twice", "two Content-Lengths", "two ETags"),
    *("GET ends early", "GET says that it is shorter", "HEAD without ETag", "answers without Last-Modified"),
    *("301 to the same host: all", "307 to another host: all"),
)


@pytest.fixture(scope="module")
def reads(shunted: Shunted, moto: MotoServer) -> Iterator[dict[str, Reads]]:
    """Each store is another one for the middleware: what one does is not held against the next."""
    with ExitStack() as stack:
        found = {}
        for name in NAMES:
            found[name] = Reads.of(name, shunted, Store.server(moto))
            stack.enter_context(found[name].odd)
        for each in found.values():
            each.during()
        for each in found.values():
            each.afterwards()
        yield found


@pytest.mark.parametrize("name", NAMES)
def test_client_of_deviating_store_gets_correct_data_or_an_error(reads: dict[str, Reads], name: str) -> None:
    assert reads[name].problems == []


@pytest.mark.parametrize("name", NAMES)
def test_deviation_occurs_in_requests_of_the_middleware(reads: dict[str, Reads], name: str) -> None:
    """Otherwise the other test proves nothing."""
    assert reads[name].odd.met() > 0
