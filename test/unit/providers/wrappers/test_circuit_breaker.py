"""A remote that does not answer is left alone, and tried again."""

from __future__ import annotations

from s3_sync.providers.wrappers.circuit_breaker import BreakerPolicy, CircuitBreaker, State


class World:
    def __init__(self, **policy: float) -> None:
        self.time = 1000.0
        self.states: list[State] = []
        fields = {"failures": 3, "pause": 2.0, "longest": 8.0, **policy}
        self.breaker = CircuitBreaker(BreakerPolicy(**fields), self.states.append, lambda: self.time)  # type: ignore[arg-type]

    def fail(self, times: int = 1) -> None:
        for _ in range(times):
            self.breaker.failed()

    def wait(self, seconds: float) -> None:
        self.time += seconds


def test_breaker_opens_after_consecutive_failures() -> None:
    world = World()
    world.fail(2)
    world.breaker.succeeded()
    world.fail(2)
    assert world.breaker.admits()
    world.fail()
    assert not world.breaker.admits()
    assert world.breaker.remaining == 2.0
    assert world.states == ["open"]


def test_breaker_admits_one_request_on_trial_after_the_pause() -> None:
    world = World()
    world.fail(3)
    world.wait(2.0)
    assert world.breaker.admits()
    assert not world.breaker.admits()
    world.breaker.succeeded()
    assert world.breaker.admits()
    assert world.states == ["open", "trial", "closed"]


def test_pause_doubles_after_failed_trials_and_restarts_after_success() -> None:
    world = World()
    world.fail(3)
    for pause in (2.0, 4.0, 8.0, 8.0):
        assert world.breaker.remaining == pause
        world.wait(pause - 0.1)
        assert not world.breaker.admits()
        world.wait(0.1)
        assert world.breaker.admits()
        world.fail()
    world.wait(8.0)
    assert world.breaker.admits()
    world.breaker.succeeded()
    world.fail(3)
    assert world.breaker.remaining == 2.0


def test_failures_while_breaker_is_open_change_nothing() -> None:
    world = World()
    world.fail(10)
    assert world.breaker.remaining == 2.0
    assert world.states == ["open"]


def test_trial_without_result_is_followed_by_another_after_the_pause() -> None:
    world = World()
    world.fail(3)
    world.wait(2.0)
    assert world.breaker.admits()
    world.wait(2.0)
    assert world.breaker.admits()
