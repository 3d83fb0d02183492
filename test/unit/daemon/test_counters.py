"""Plain numbers: whose they are, and what they say about who is alive."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from s3_sync.config.settings import Credentials, Profile
from s3_sync.daemon.counters import WEDGED, Book
from s3_sync.daemon.mapping_counters import Tally
from s3_sync.model.outcomes import Kind, Outcome
from s3_sync.runtime.concurrency import SerialPool
from s3_sync.runtime.stats import Stats
from unit.sync.fake_node import mapping

ONE = replace(mapping(), place="mappings[0]")
WHOLE = replace(mapping(), container="/*", place="mappings[1]")
ELSEWHERE = replace(
    mapping(), container="d", place="mappings[2]", credentials=Credentials(endpoint="http://x")
)


class Clock:
    time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(clock: Clock) -> Book:
    return Book([ONE, WHOLE, ELSEWHERE], clock)


class TestWhose:
    def test_what_is_configured_has_numbers_at_once(self, book: Book) -> None:
        assert [each.mapping for each in book.counters.values()] == [ONE, WHOLE, ELSEWHERE]

    def test_containers_of_an_account_count_together(self, book: Book) -> None:
        for container in ("a", "b"):
            tally = Tally(WHOLE.of_container(container), Stats(None), book)
            tally.add(Outcome(Kind.COPIED))
            tally.read(5)
        assert book.of(WHOLE).rows == {(Kind.COPIED, ""): 2}
        assert book.of(WHOLE).bytes_read == 10
        assert sorted(book.of(WHOLE).pulses) == ["/*", "a", "b"]
        assert len(book.counters) == 3
        assert book.of(ONE).scanned == 0

    def test_but_statsd_knows_each_of_them(self, book: Book) -> None:
        """The container stands last in the name, so that those of an account can be added up."""
        counted: list[tuple[str, str, int]] = []

        class Listener(Stats):
            def counter(self, mapping_prefix: str, metric: str, n: int = 1) -> None:
                counted.append((mapping_prefix, metric, n))

        for container in ("a", "b.c"):
            tally = Tally(WHOLE.of_container(container), Listener(None), book)
            tally.add(Outcome(Kind.COPIED))
            tally.add(Outcome(Kind.UPDATED))
            tally.add(Outcome(Kind.DELETED))
            tally.read(5)
        assert counted == [
            (f"S3.AUTH_a.bucket.{container}", metric, n)
            for container in ("a", "b%2Ec")
            for metric, n in (("copied_objects", 1), ("deleted_objects", 1), ("bytes", 5))
        ]

    def test_a_new_configuration_keeps_the_numbers_of_what_stays(self, book: Book) -> None:
        Tally(ONE, Stats(None), book).add(Outcome(Kind.COPIED))
        moved = replace(ONE, place="mappings[7]")
        book.declare([moved, ELSEWHERE])
        assert [each.mapping for each in book.counters.values()] == [moved, ELSEWHERE]
        assert book.of(moved).scanned == 1

    def test_what_has_gone_leaves_its_turns(self, book: Book) -> None:
        gone = WHOLE.of_container("gone")
        book.pulse(gone).begin()
        book.pulse(gone).end(idle=True, troubled=False)
        book.of(WHOLE).held |= {"gone", "stays"}
        book.forget(gone)
        assert (book.of(WHOLE).turns, [*book.of(WHOLE).pulses], book.of(WHOLE).held) == (1, ["/*"], {"stays"})

    def test_a_mapping_that_was_changed_is_another_one(self, book: Book) -> None:
        pulse = book.pulse(ONE)
        changed = replace(ONE, profile=Profile(copy_after=60))
        book.declare([changed])
        assert book.pulse(changed) is pulse
        assert pulse.mapping is changed


class TestSigns:
    def test_of_a_turn(self, book: Book, clock: Clock) -> None:
        counters, pulse = book.of(ONE), book.pulse(ONE)
        tally = Tally(ONE, Stats(None), book)
        clock.time = 1010.0
        pulse.begin()
        assert (counters.beat, counters.progress, counters.turning) == (1010.0, 1000.0, 1)
        clock.time = 1020.0
        tally.read(1)
        assert (counters.beat, counters.progress) == (1020.0, 1000.0)
        clock.time = 1030.0
        tally.add(Outcome(Kind.PENDING, "remote_unavailable"))
        tally.handled()
        assert (counters.beat, counters.progress) == (1030.0, 1000.0)
        clock.time = 1040.0
        tally.add(Outcome(Kind.PRESENT))
        assert (counters.beat, counters.progress) == (1040.0, 1040.0)
        clock.time = 1050.0
        pulse.end(idle=False, troubled=False)
        assert (counters.beat, counters.progress, counters.turns) == (1050.0, 1040.0, 1)

    @pytest.mark.parametrize(
        ("idle", "troubled", "progress"),
        [(True, False, 1100.0), (True, True, 1000.0), (False, False, 1000.0)],
    )
    def test_nothing_to_do_is_progress(
        self, book: Book, clock: Clock, idle: bool, troubled: bool, progress: float
    ) -> None:
        pulse = book.pulse(ONE)
        clock.time = 1100.0
        pulse.end(idle=idle, troubled=troubled)
        assert book.of(ONE).progress == progress
        assert book.of(ONE).troubled == troubled

    def test_of_an_account_whose_containers_wait_for_their_turns(self, book: Book, clock: Clock) -> None:
        """It gets on as long as one of them does, unless turns of another one bring nothing."""
        works, waits = book.pulse(WHOLE.of_container("a")), book.pulse(WHOLE.of_container("b"))
        clock.time = 5000.0
        works.begin()
        works.progressed()
        works.end(idle=False, troubled=False)
        assert book.of(WHOLE).progress == 5000.0
        for clock.time in (5100.0, 5200.0):
            waits.begin()
            waits.end(idle=False, troubled=True)
            assert book.of(WHOLE).progress == 5000.0
        clock.time = 5300.0
        works.progressed()
        assert book.of(WHOLE).progress == 5100.0
        waits.begin()
        waits.progressed()
        waits.end(idle=False, troubled=False)
        assert book.of(WHOLE).progress == 5300.0

    def test_the_slowest_turn_counts(self, book: Book, clock: Clock) -> None:
        hangs, works = book.pulse(WHOLE.of_container("a")), book.pulse(WHOLE.of_container("b"))
        hangs.begin()
        clock.time = 1100.0
        works.begin()
        works.end(idle=True, troubled=False)
        assert book.of(WHOLE).beat == 1000.0
        hangs.end(idle=True, troubled=False)
        assert book.of(WHOLE).beat == 1100.0


class Lane:
    """Stands for one of the daemon's."""

    store = "aws"
    threads = running = 2
    workers = parts = SerialPool()


class TestAlive:
    def test_without_mappings(self, clock: Clock) -> None:
        book = Book([], clock)
        clock.time += 10 * WEDGED
        assert book.is_alive()

    def test_as_long_as_turns_are_taken(self, clock: Clock) -> None:
        book = Book([ONE], clock)
        pulse = book.pulse(ONE)
        clock.time += WEDGED
        assert book.is_alive()
        clock.time += 1.0
        assert not book.is_alive()
        book.poll_interval = 3600.0
        assert book.is_alive(), "it may be long until the next turn"
        clock.time += 3600.0
        assert not book.is_alive()
        pulse.alive()
        assert book.is_alive()

    def test_a_turn_that_hangs_is_not_made_up_for_by_others(self, book: Book, clock: Clock) -> None:
        hangs, works = book.pulse(ONE), book.pulse(WHOLE.of_container("a"))
        hangs.begin()
        clock.time += WEDGED + 1.0
        works.alive()
        book.pulse(ELSEWHERE).alive()
        assert not book.is_alive()
        hangs.alive()
        assert book.is_alive()

    def test_every_store_counts_for_itself(self, book: Book, clock: Clock) -> None:
        clock.time += WEDGED + 1.0
        book.pulse(ONE).alive()
        assert not book.is_alive()
        book.pulse(ELSEWHERE).alive()
        assert book.is_alive()

    def test_a_thread_that_has_ended_is_missed(self, book: Book) -> None:
        lane: Any = Lane()
        book.lanes.append(lane)
        assert book.is_alive()
        lane.running = 1
        assert not book.is_alive()
