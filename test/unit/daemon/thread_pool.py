"""Real threads in place of green ones: unit tests run in an ordinary process."""

from __future__ import annotations

import threading
from collections.abc import Callable

from s3_sync.runtime.concurrency import SerialPool


class ThreadPool(SerialPool):
    def __init__(self, size: int) -> None:
        self.size = size
        self.threads: list[threading.Thread] = []

    def spawn(self, function: Callable[[], object]) -> None:
        thread = threading.Thread(target=function)
        self.threads.append(thread)
        thread.start()
