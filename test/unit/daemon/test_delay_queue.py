"""The order of turns, the locks of names, and counters that add up."""

from __future__ import annotations

import threading
import time

from s3_sync.daemon.activity import Activity
from s3_sync.daemon.delay_queue import DelayQueue
from s3_sync.daemon.name_locks import NameLocks
from s3_sync.model.outcomes import Kind, Outcome
from s3_sync.runtime.concurrency import Clock
from unit.sync.cluster import FakeClock
from unit.sync.fake_node import mapping


class TestDelayQueue:
    def test_get_returns_the_longest_waiting_item_first(self) -> None:
        clock = FakeClock()
        schedule: DelayQueue[str] = DelayQueue(clock)
        now = clock.now()
        for item, when in (("late", now), ("early", now - 10), ("same", now)):
            schedule.put(item, when)
        assert [schedule.get() for _ in range(3)] == ["early", "late", "same"]

    def test_busy_item_does_not_starve_the_others(self) -> None:
        """An item that always has more to do is put back with the time when its turn began."""
        clock = FakeClock()
        schedule: DelayQueue[str] = DelayQueue(clock)
        for item in ("busy", "one", "two"):
            schedule.put(item, 0.0)
        turns: list[str] = []
        for _ in range(30):
            item = schedule.get()
            assert item is not None
            turns.append(item)
            started = clock.now()
            clock.sleep(1.0)
            schedule.put(item, started if item == "busy" else started + 5.0)
        assert turns.count("one") >= 4
        assert turns.count("two") >= 4

    def test_get_waits_until_an_item_is_due(self) -> None:
        clock = Clock()
        schedule: DelayQueue[str] = DelayQueue(clock)
        schedule.put("item", clock.now() + 0.1)
        start = time.monotonic()
        assert schedule.get() == "item"
        assert 0.09 <= time.monotonic() - start < 5

    def test_get_wakes_up_for_a_later_item_that_is_due_earlier(self) -> None:
        schedule: DelayQueue[str] = DelayQueue(Clock())
        schedule.put("far", time.time() + 1000)
        timer = threading.Timer(0.05, lambda: schedule.put("near", 0.0))
        timer.start()
        assert schedule.get() == "near"
        timer.join()

    def test_get_returns_items_after_the_clock_was_set_back(self) -> None:
        clock = FakeClock()
        schedule: DelayQueue[str] = DelayQueue(clock)
        schedule.put("now", clock.now())
        assert schedule.get() == "now"
        for item in ("second", "first"):
            schedule.put(item, clock.now() + (5.0 if item == "first" else 6.0))
        clock.sleep(-7200.0)
        assert {schedule.get(), schedule.get()} == {"first", "second"}

    def test_item_taken_by_one_thread_is_given_to_no_other(self) -> None:
        schedule: DelayQueue[int] = DelayQueue(Clock())
        inside: set[int] = set()
        turns: list[int] = []

        def work() -> None:
            while (item := schedule.get()) is not None:
                assert item not in inside
                inside.add(item)
                time.sleep(0.001)
                turns.append(item)
                inside.discard(item)
                schedule.put(item, 0.0)
                if len(turns) > 100:
                    schedule.close()

        for item in range(3):
            schedule.put(item, 0.0)
        threads = [threading.Thread(target=work) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert {turns.count(item) > 10 for item in range(3)} == {True}

    def test_close_ends_every_waiting_get(self) -> None:
        schedule: DelayQueue[str] = DelayQueue(Clock())
        results: list[str | None] = []
        threads = [threading.Thread(target=lambda: results.append(schedule.get())) for _ in range(3)]
        for thread in threads:
            thread.start()
        schedule.close()
        for thread in threads:
            thread.join(5)
        assert results == [None] * 3
        schedule.put("item", 0.0)
        assert schedule.get() is None


class TestNameLocks:
    def test_locks_of_different_names_do_not_wait(self) -> None:
        locks = NameLocks()
        with locks.hold("a"), locks.hold("b"):
            pass

    def test_lock_is_released_after_an_error(self) -> None:
        locks = NameLocks()
        for _ in range(2):
            try:
                with locks.hold("a"):
                    raise ValueError
            except ValueError:
                pass
        assert not locks._held

    def test_lock_of_a_name_is_held_by_one_thread_at_a_time(self) -> None:
        locks, inside, wrong = NameLocks(), [0] * 3, []

        def work(number: int) -> None:
            for step in range(50):
                name = (number + step) % 3
                with locks.hold(str(name)):
                    inside[name] += 1
                    if inside[name] != 1:
                        wrong.append(name)
                    time.sleep(0)
                    inside[name] -= 1

        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (wrong, inside) == ([], [0, 0, 0])


class Counters:
    """Stands for statsd."""

    def __init__(self) -> None:
        self.counted: list[tuple[str, str, int]] = []

    def counter(self, mapping_prefix: str, metric: str, n: int = 1) -> None:
        self.counted.append((mapping_prefix, metric, n))

    def close(self) -> None:
        pass


class TestMappingCounters:
    def test_summary_and_statsd_add_up_the_outcomes(self) -> None:
        stats = Counters()
        tally = Activity().mapping_counters(mapping(), stats)  # type: ignore[arg-type]
        assert tally.summary() == "scanned 0: nothing"
        for outcome in (
            Outcome(Kind.COPIED, size=5),
            Outcome(Kind.UPDATED),
            Outcome(Kind.PRESENT),
            Outcome(Kind.SKIPPED, "excluded"),
            Outcome(Kind.SKIPPED, "excluded"),
            Outcome(Kind.PENDING, "not_due"),
            Outcome(Kind.FAILED, "name_too_long"),
        ):
            tally.add(outcome)
        tally.add(Outcome(Kind.DELETED))
        tally.add(Outcome(Kind.PRESENT))
        assert tally.scanned == 9 == sum(tally.kinds.values())
        assert tally.summary() == (
            "scanned 9: copied 1, updated 1, present 2, deleted 1, skipped 2, pending 1, failed 1"
            " (excluded 2, name_too_long 1)"
        )
        prefix = "S3.AUTH_a.bucket.c"
        assert stats.counted == [(prefix, "copied_objects", 1), (prefix, "deleted_objects", 1)]
        tally.read(7)
        assert stats.counted[-1] == (prefix, "bytes", 7)
