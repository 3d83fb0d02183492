"""Reads pages ahead in a separate thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, TypeVar

_Item = TypeVar("_Item")


class Prefetch(Generic[_Item]):
    """Iterates over the items of pages that a thread reads one after the other, as fast as they come.

    An exception while reading a page is raised where that page would have been iterated. The pages alone
    limit how far the thread reads ahead: pass a listing that ends at its limit. After ``close`` the thread
    ends with its current page.
    """

    def __init__(self, pages: Iterable[Sequence[_Item]]) -> None:
        self._closed = False
        # Looked up as the module's attribute: Swift's proxy replaces it by a green one, but not SimpleQueue.
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
        except BaseException as error:  # the reader must get it, even if the thread was killed
            self._queue.put(error)
