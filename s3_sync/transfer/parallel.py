"""Sends the parts of one object side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from s3_sync.errors import RemoteUnavailable, SegmentChanged, SyncError
from s3_sync.runtime.concurrency import Pool

Item = TypeVar("Item")
Sent = TypeVar("Sent")

#: attempts per part before the upload fails
PART_ATTEMPTS = 2


def in_parallel(pool: Pool, plan: Sequence[Item], send: Callable[[Item], Sent]) -> list[Sent]:
    """Run ``send`` for every part, in the pool; a part is retried once if that can help.

    After the first lasting failure no more parts are started; it is raised once all running ones have ended.
    """
    failures: list[BaseException] = []

    def send_unless_failed(part: Item) -> Sent | None:
        try:
            return None if failures else _send_with_retry(send, part, failures)
        except BaseException as error:  # start no more parts
            failures.append(error)
            if not isinstance(error, Exception):
                raise
            return None

    try:
        sent = pool.map(send_unless_failed, plan)
    except BaseException as error:  # interrupted: start no more parts
        failures.append(error)
        raise
    if failures:
        raise failures[0]
    completed = [part for part in sent if part is not None]
    if len(completed) != len(plan):
        raise RemoteUnavailable("the transfer of parts was interrupted")
    return completed


def _send_with_retry(send: Callable[[Item], Sent], part: Item, failures: Sequence[BaseException]) -> Sent:
    for _ in range(PART_ATTEMPTS - 1):
        try:
            return send(part)
        except SyncError as error:
            if not error.transient or isinstance(error, SegmentChanged) or failures:
                raise
    return send(part)
