"""Reads ahead in a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, TypeVar

_Item = TypeVar("_Item")


class Prefetch(Generic[_Item]):
    """The items of some pages, which are taken one after the other as fast as they come.

    What making a page raises is raised where that page would have been read. How much is read ahead is
    bounded by the pages alone: give it a listing that ends at its limit. The thread ends by itself, after
    the page that it is at when ``close`` is called.
    """

    def __init__(self, pages: Iterable[Sequence[_Item]]) -> None:
        self._closed = False
        # By the module's attribute: in Swift's proxy that one is made of green threads, SimpleQueue is not.
        self._queue: queue.Queue[Sequence[_Item] | BaseException | None] = queue.Queue()
        threading.Thread(target=self._run, args=(pages,), daemon=True).start()

    def __iter__(self) -> Iterator[_Item]:
        while True:
            page = self._queue.get()
            if page is None:
                return
            if isinstance(page, BaseException):
                raise page
            yield from page

    def close(self) -> None:
        self._closed = True

    def _run(self, pages: Iterable[Sequence[_Item]]) -> None:
        try:
            for page in pages:
                if self._closed:
                    break
                self._queue.put(page)
            self._queue.put(None)
        except BaseException as error:  # whoever reads must hear of it, even that the thread was killed
            self._queue.put(error)
