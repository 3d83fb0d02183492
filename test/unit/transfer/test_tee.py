"""Reading along with a client, who sets the pace and never waits."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from s3_sync.errors import LocalUnavailable
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import GetOptions, PutOptions
from s3_sync.providers.memory import MemoryBucket, MemoryProvider
from s3_sync.streams.reader import BytesBody
from s3_sync.transfer import tee as following
from s3_sync.transfer.tee import TeeBody

DATA = bytes(range(256)) * 4


class World:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        provider = MemoryProvider()
        provider.create_bucket("b")
        self.bucket = provider.bucket("b", KeyNamer.literal(""))
        self.bucket.put_object("o", BytesBody(DATA), PutOptions(len(DATA)))
        self.now = 0.0
        self.body = TeeBody(self.bucket, self.bucket.head_object("o"), lambda: self.now)
        self.asked: list[GetOptions] = []
        original = MemoryBucket.get_object

        def get(bucket: MemoryBucket, name: str, options: GetOptions) -> Any:
            self.asked.append(options)
            return original(bucket, name, options)

        monkeypatch.setattr(MemoryBucket, "get_object", get)
        monkeypatch.setattr(following, "_MAX_BUFFERED", 300)

    def give(self, first: int, last: int) -> None:
        """The client gets these bytes, a hundred at a time."""
        for start in range(first, last, 100):
            self.body.feed(DATA[start : min(start + 100, last)])


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_tee_that_keeps_up_reads_everything_from_the_client(world: World) -> None:
    read = b""
    for first in range(0, len(DATA), 100):
        world.give(first, min(first + 100, len(DATA)))
        read += world.body.read(70) + world.body.read(70)
    world.body.close_feed()
    assert read + world.body.read() == DATA
    assert world.asked == []
    assert not world.body.abandoned


def test_tee_left_behind_reads_the_rest_from_the_store(world: World) -> None:
    world.give(0, len(DATA))
    world.body.close_feed()
    assert world.body.read() == DATA
    [asked] = world.asked
    assert asked.byte_range is not None
    assert asked.byte_range.first == 300


def test_tee_left_behind_lets_the_client_finish_first(world: World) -> None:
    world.give(0, 500)
    assert world.body.read(300) == DATA[:100]
    threading.Timer(0.05, lambda: (world.give(500, len(DATA)), world.body.close_feed())).start()
    assert world.body.read() == DATA[100:]
    assert len(world.asked) == 1


def test_tee_left_behind_for_too_long_reads_from_the_store(world: World) -> None:
    world.give(0, 500)
    world.now = following._CLIENT_FIRST
    while len(world.asked) == 0:
        assert world.body.read(100)
    assert not world.body.abandoned


def test_tee_of_a_slow_client_reads_the_rest_from_the_store(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_FEED_TIMEOUT", 0.02)
    world.give(0, 100)
    assert world.body.read() == DATA
    assert len(world.asked) == 1
    world.give(100, len(DATA))
    world.body.close_feed()


@pytest.mark.parametrize("given", [0, 100, 500, 1000])
def test_tee_is_abandoned_when_the_client_disconnects(world: World, given: int) -> None:
    world.give(0, given)
    world.body.close_feed()
    assert world.body.abandoned
    with pytest.raises(LocalUnavailable, match="disconnected"):
        world.body.read()


def test_tee_raises_when_the_client_disconnects_during_a_store_read(world: World) -> None:
    world.give(0, 500)
    world.now = following._CLIENT_FIRST
    world.body.read(300)
    world.body.close_feed()
    with pytest.raises(LocalUnavailable):
        world.body.read()


def test_closed_tee_buffers_nothing_more(world: World) -> None:
    world.give(0, 100)
    world.body.close()
    world.give(100, len(DATA))
    assert world.body._pieces == type(world.body._pieces)()


def test_read_from_store_reads_everything_and_ignores_the_client(world: World) -> None:
    world.body.read_from_store()
    assert not world.body.abandoned
    world.body.feed(DATA[:10])  # a reader of something else
    assert world.body.read() == DATA
    assert [options.byte_range for options in world.asked] == [None]
