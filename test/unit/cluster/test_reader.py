"""Reads through the internal client, which may come from any server of the object."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from s3_sync.cluster.client import SwiftResponse
from s3_sync.cluster.reader import ObjectReader
from s3_sync.cluster.rings import Node
from s3_sync.model.timestamps import Timestamp

WRITTEN, POSTED = Timestamp(5), Timestamp(7)
NODE = Node("127.0.0.1", 1, "d")


class Client:
    """An internal client whose servers have metadata of these times, one after the other; then the last."""

    def __init__(self, *times: Timestamp) -> None:
        self._times = list(times)
        self.newest: list[str] = []
        self.closed = 0

    def request(self, method: str, path: str, headers: Mapping[str, str], query: str = "") -> SwiftResponse:
        self.newest.append(headers["X-Newest"])
        when = self._times.pop(0) if len(self._times) > 1 else self._times[0]
        told = {"X-Backend-Data-Timestamp": WRITTEN.internal, "X-Backend-Timestamp": when.internal}
        return SwiftResponse(SimpleNamespace(status_int=200, headers=told, app_iter=self))

    def __iter__(self) -> Any:
        return iter([b"bytes"])

    def close(self) -> None:
        self.closed += 1


def reader_of(client: Client) -> ObjectReader:
    reader: Any = object.__new__(ObjectReader)
    reader.rings = SimpleNamespace(is_replicated=lambda policy: False)
    reader._client, reader._encrypted, reader._first, reader._as_of = client, False, None, Timestamp(0)
    return reader  # type: ignore[no-any-return]


@pytest.mark.parametrize("behind", range(4))
def test_open_passes_over_servers_that_missed_a_post(behind: int) -> None:
    client = Client(*[WRITTEN] * behind, POSTED)
    with reader_of(client).starting_at(NODE, POSTED).open("a", "c", "o", 0, WRITTEN) as found:
        assert found.info.timestamp == POSTED
    assert client.newest == ["False"] * (behind + 1)
    assert client.closed == behind + 1


def test_open_accepts_older_metadata_after_some_attempts() -> None:
    client = Client(WRITTEN)
    with reader_of(client).starting_at(NODE, POSTED).open("a", "c", "o", 0, WRITTEN) as found:
        assert found.info.timestamp == WRITTEN
    assert len(client.newest) < 10
    assert client.closed == len(client.newest)


def test_open_without_a_required_timestamp_takes_the_first_answer() -> None:
    client = Client(WRITTEN, POSTED)
    with reader_of(client).open("a", "c", "o", 0, WRITTEN) as found:
        assert found.info.timestamp == WRITTEN
    assert len(client.newest) == 1
