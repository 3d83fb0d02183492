"""Counters and heartbeats of mappings, and what follows from them about the daemon's health."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.settings import Profile
from s3_sync.daemon.activity import Activity
from s3_sync.daemon.heartbeat import STALL_LIMIT
from s3_sync.model.outcomes import Kind, Outcome
from s3_sync.runtime.concurrency import SerialPool
from s3_sync.runtime.stats import Stats
from unit.sync.fake_node import mapping

ONE = replace(mapping(), place="mappings[0]")
WHOLE = replace(mapping(), container="/*", place="mappings[1]")
ELSEWHERE = replace(
    mapping(), container="d", place="mappings[2]", credentials=S3Credentials(endpoint="http://x")
)


class Clock:
    time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def activity(clock: Clock) -> Activity:
    return Activity([ONE, WHOLE, ELSEWHERE], clock)


class TestCountersByMapping:
    def test_configured_mappings_have_counters_at_once(self, activity: Activity) -> None:
        assert [each.mapping for each in activity.by_mapping.values()] == [ONE, WHOLE, ELSEWHERE]

    def test_containers_of_an_account_share_its_counters(self, activity: Activity) -> None:
        for container in ("a", "b"):
            tally = activity.mapping_counters(WHOLE.of_container(container), Stats(None))
            tally.add(Outcome(Kind.COPIED))
            tally.read(5)
        assert activity.counters_for(WHOLE).rows == {(Kind.COPIED, ""): 2}
        assert activity.counters_for(WHOLE).bytes_read == 10
        assert sorted(activity.counters_for(WHOLE).heartbeats) == ["/*", "a", "b"]
        assert len(activity.by_mapping) == 3
        assert activity.counters_for(ONE).scanned == 0

    def test_statsd_gets_the_counts_of_each_container_of_an_account(self, activity: Activity) -> None:
        """The container stands last in the name, so that those of an account can be added up."""
        counted: list[tuple[str, str, int]] = []

        class Listener(Stats):
            def counter(self, mapping_prefix: str, metric: str, n: int = 1) -> None:
                counted.append((mapping_prefix, metric, n))

        for container in ("a", "b.c"):
            tally = activity.mapping_counters(WHOLE.of_container(container), Listener(None))
            tally.add(Outcome(Kind.COPIED))
            tally.add(Outcome(Kind.UPDATED))
            tally.add(Outcome(Kind.DELETED))
            tally.read(5)
        assert counted == [
            (f"S3.AUTH_a.bucket.{container}", metric, n)
            for container in ("a", "b%2Ec")
            for metric, n in (("copied_objects", 1), ("deleted_objects", 1), ("bytes", 5))
        ]

    def test_set_mappings_keeps_the_counters_of_remaining_mappings(self, activity: Activity) -> None:
        activity.mapping_counters(ONE, Stats(None)).add(Outcome(Kind.COPIED))
        moved = replace(ONE, place="mappings[7]")
        activity.set_mappings([moved, ELSEWHERE])
        assert [each.mapping for each in activity.by_mapping.values()] == [moved, ELSEWHERE]
        assert activity.counters_for(moved).scanned == 1

    def test_drop_of_a_container_keeps_only_its_turns(self, activity: Activity) -> None:
        gone = WHOLE.of_container("gone")
        activity.heartbeat_for(gone).begin()
        activity.heartbeat_for(gone).end(idle=True, failing=False)
        activity.counters_for(WHOLE).held |= {"gone", "stays"}
        activity.drop(gone)
        assert (
            activity.counters_for(WHOLE).turns,
            [*activity.counters_for(WHOLE).heartbeats],
            activity.counters_for(WHOLE).held,
        ) == (1, ["/*"], {"stays"})

    def test_set_mappings_with_a_changed_profile_keeps_the_heartbeat(self, activity: Activity) -> None:
        heartbeat = activity.heartbeat_for(ONE)
        changed = replace(ONE, profile=Profile(copy_after=60))
        activity.set_mappings([changed])
        assert activity.heartbeat_for(changed) is heartbeat
        assert heartbeat.mapping is changed


class TestHeartbeat:
    def test_events_of_a_turn_update_last_seen_and_progress(self, activity: Activity, clock: Clock) -> None:
        counters, heartbeat = activity.counters_for(ONE), activity.heartbeat_for(ONE)
        tally = activity.mapping_counters(ONE, Stats(None))
        clock.time = 1010.0
        heartbeat.begin()
        assert (counters.last_seen, counters.progress, counters.running) == (1010.0, 1000.0, 1)
        clock.time = 1020.0
        tally.read(1)
        assert (counters.last_seen, counters.progress) == (1020.0, 1000.0)
        clock.time = 1030.0
        tally.add(Outcome(Kind.PENDING, "remote_unavailable"))
        tally.handled()
        assert (counters.last_seen, counters.progress) == (1030.0, 1000.0)
        clock.time = 1040.0
        tally.add(Outcome(Kind.PRESENT))
        assert (counters.last_seen, counters.progress) == (1040.0, 1040.0)
        clock.time = 1050.0
        heartbeat.end(idle=False, failing=False)
        assert (counters.last_seen, counters.progress, counters.turns) == (1050.0, 1040.0, 1)

    @pytest.mark.parametrize(
        ("idle", "troubled", "progress"),
        [(True, False, 1100.0), (True, True, 1000.0), (False, False, 1000.0)],
    )
    def test_idle_turn_is_progress_unless_it_is_failing(
        self, activity: Activity, clock: Clock, idle: bool, troubled: bool, progress: float
    ) -> None:
        heartbeat = activity.heartbeat_for(ONE)
        clock.time = 1100.0
        heartbeat.end(idle=idle, failing=troubled)
        assert activity.counters_for(ONE).progress == progress
        assert activity.counters_for(ONE).failing == troubled

    def test_account_progresses_with_any_container_unless_another_stalls(
        self, activity: Activity, clock: Clock
    ) -> None:
        """It makes progress as long as one of them does, unless the turns of another one achieve nothing."""
        works, waits = (
            activity.heartbeat_for(WHOLE.of_container("a")),
            activity.heartbeat_for(WHOLE.of_container("b")),
        )
        clock.time = 5000.0
        works.begin()
        works.made_progress()
        works.end(idle=False, failing=False)
        assert activity.counters_for(WHOLE).progress == 5000.0
        for clock.time in (5100.0, 5200.0):
            waits.begin()
            waits.end(idle=False, failing=True)
            assert activity.counters_for(WHOLE).progress == 5000.0
        clock.time = 5300.0
        works.made_progress()
        assert activity.counters_for(WHOLE).progress == 5100.0
        waits.begin()
        waits.made_progress()
        waits.end(idle=False, failing=False)
        assert activity.counters_for(WHOLE).progress == 5300.0

    def test_last_seen_of_an_account_is_that_of_its_slowest_turn(
        self, activity: Activity, clock: Clock
    ) -> None:
        hangs, works = (
            activity.heartbeat_for(WHOLE.of_container("a")),
            activity.heartbeat_for(WHOLE.of_container("b")),
        )
        hangs.begin()
        clock.time = 1100.0
        works.begin()
        works.end(idle=True, failing=False)
        assert activity.counters_for(WHOLE).last_seen == 1000.0
        hangs.end(idle=True, failing=False)
        assert activity.counters_for(WHOLE).last_seen == 1100.0


class Lane:
    """Stands for one of the daemon's."""

    store = "aws"
    threads = running = 2
    workers = parts = SerialPool()


class TestLiveness:
    def test_daemon_without_mappings_is_always_alive(self, clock: Clock) -> None:
        activity = Activity([], clock)
        clock.time += 10 * STALL_LIMIT
        assert activity.is_alive()

    def test_mapping_without_turns_for_too_long_is_not_alive(self, clock: Clock) -> None:
        activity = Activity([ONE], clock)
        heartbeat = activity.heartbeat_for(ONE)
        clock.time += STALL_LIMIT
        assert activity.is_alive()
        clock.time += 1.0
        assert not activity.is_alive()
        activity.poll_interval = 3600.0
        assert activity.is_alive(), "it may be long until the next turn"
        clock.time += 3600.0
        assert not activity.is_alive()
        heartbeat.touch()
        assert activity.is_alive()

    def test_hanging_turn_is_not_alive_although_other_turns_go_on(
        self, activity: Activity, clock: Clock
    ) -> None:
        hangs, works = (
            activity.heartbeat_for(ONE),
            activity.heartbeat_for(WHOLE.of_container("a")),
        )
        hangs.begin()
        clock.time += STALL_LIMIT + 1.0
        works.touch()
        activity.heartbeat_for(ELSEWHERE).touch()
        assert not activity.is_alive()
        hangs.touch()
        assert activity.is_alive()

    def test_stalled_store_is_not_alive_although_another_store_works(
        self, activity: Activity, clock: Clock
    ) -> None:
        clock.time += STALL_LIMIT + 1.0
        activity.heartbeat_for(ONE).touch()
        assert not activity.is_alive()
        activity.heartbeat_for(ELSEWHERE).touch()
        assert activity.is_alive()

    def test_lane_with_an_ended_thread_is_not_alive(self, activity: Activity) -> None:
        lane: Any = Lane()
        activity.lanes.append(lane)
        assert activity.is_alive()
        lane.running = 1
        assert not activity.is_alive()
