"""Places that are shared: nobody gets all, and nobody waits for what is free."""

from __future__ import annotations

import random
import threading
from collections import Counter

import pytest

from s3_sync.providers.wrappers.connection_shares import Places
from servers.process import wait_until

SOON = 30.0


def fill(places: Places, holder: str) -> int:
    """Take as many as can be had."""
    taken = 0
    while places.acquire(holder, 0.0):
        taken += 1
    return taken


@pytest.mark.parametrize(("total", "share"), [(1, 1), (2, 1), (3, 2), (4, 2), (7, 4), (256, 128)])
def test_holder_alone_gets_half_rounded_up(total: int, share: int) -> None:
    assert fill(Places(total), "greedy") == share


def test_holders_in_turn_each_get_half_of_the_free_places() -> None:
    places = Places(256)
    assert [fill(places, f"greedy {number}") for number in range(8)] == [128, 64, 32, 16, 8, 4, 2, 1]
    assert (places.free, fill(places, "ninth"), fill(places, "tenth")) == (1, 1, 0)


@pytest.mark.parametrize("seed", range(5))
def test_places_taken_and_released_in_any_order_leave_a_share_free(seed: int) -> None:
    chance = random.Random(seed)
    total = chance.choice([5, 17, 64, 256])
    places, held = Places(total), Counter[str]()
    for _ in range(3000):
        holder = chance.choice("abcde")
        if chance.random() < 0.7:
            if places.acquire(holder, 0.0):
                held[holder] += 1
        elif held[holder]:
            places.release(holder)
            held[holder] -= 1
        assert places.free == total - held.total()
        assert places.free >= total >> len(+held)


class Waiter(threading.Thread):
    """Waits for a place from when it is made."""

    def __init__(self, places: Places, holder: str, got: list[str]) -> None:
        super().__init__(daemon=True)
        self._places, self._holder, self._got = places, holder, got
        self.start()
        wait_until(lambda: holder in places._waiting, SOON, "it waits")

    def run(self) -> None:
        if self._places.acquire(self._holder, SOON):
            self._got.append(self._holder)


def test_released_place_goes_to_the_waiting_holder_with_the_fewest() -> None:
    places = Places(4)
    assert [fill(places, holder) for holder in ("many", "few", "last")] == [2, 1, 1]
    got: list[str] = []
    many, few, none = (Waiter(places, holder, got) for holder in ("many", "few", "none"))
    places.release("last")
    none.join(SOON)
    assert got == ["none"]
    places.release("none")
    assert got == ["none"]  # one is free, and both have one at least
    places.release("few")
    few.join(SOON)
    assert got == ["none", "few"]
    places.release("many")
    many.join(SOON)
    assert got == ["none", "few", "many"]


def test_released_place_goes_to_another_waiter_of_the_only_holder() -> None:
    places = Places(1)
    assert places.acquire("only", 0.0)
    got: list[str] = []
    waiter = Waiter(places, "only", got)
    places.release("only")
    waiter.join(SOON)
    assert (got, places.free, places.held("only")) == (["only"], 0, 1)


def test_waiter_that_times_out_leaves_no_trace() -> None:
    places = Places(1)
    assert places.acquire("a", 0.0)
    assert not places.acquire("b", 0.01)
    places.release("a")
    assert (places.free, places.held("b"), places._waiting) == (1, 0, {})


class Killed(BaseException):
    """What a time-out of eventlet raises in who waits."""


@pytest.mark.parametrize("is_given", [False, True])
def test_waiter_that_is_killed_leaves_no_trace(monkeypatch: pytest.MonkeyPatch, is_given: bool) -> None:
    places = Places(1)
    assert places.acquire("a", 0.0)

    def killed(self: threading.Event, timeout: float | None = None) -> bool:
        if is_given:
            places.release("a")
        raise Killed

    monkeypatch.setattr(threading.Event, "wait", killed)
    with pytest.raises(Killed):
        places.acquire("b", SOON)
    assert (places.free, places.held("b"), places._waiting) == (int(is_given), 0, {})
