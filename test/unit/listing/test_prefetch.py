from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from s3_sync.errors import RemoteUnavailable
from s3_sync.listing.prefetch import Prefetch

SOON = 20.0  # seconds, for what takes no time


def test_prefetch_reads_all_pages_before_the_first_is_taken() -> None:
    made = threading.Event()

    def pages() -> Iterator[list[int]]:
        yield [1, 2]
        yield []
        yield [3]
        made.set()

    items = Prefetch(pages())
    assert made.wait(SOON)
    assert list(items) == [1, 2, 3]


@pytest.mark.parametrize("error", [RemoteUnavailable("gone"), SystemExit("killed")], ids=str)
def test_error_in_a_page_is_raised_after_the_items_before_it(error: BaseException) -> None:
    def pages() -> Iterator[list[int]]:
        yield [1]
        raise error

    items = iter(Prefetch(pages()))
    assert next(items) == 1
    with pytest.raises(type(error), match=str(error)):
        next(items)


def test_close_stops_after_the_page_that_is_being_read() -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    read: list[int] = []

    def pages() -> Iterator[list[int]]:
        try:
            for number in range(3):
                read.append(number)
                begun.set()
                go_on.wait(SOON)
                yield [number]
        finally:
            ended.set()

    prefetch = Prefetch(pages())
    assert begun.wait(SOON)
    prefetch.close()
    go_on.set()
    assert ended.wait(SOON)
    assert read == [0]
