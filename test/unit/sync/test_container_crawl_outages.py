"""What an outage of a store or of object servers does to a crawl, and how it ends."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from s3_sync.errors import (
    AccessDenied,
    ClockSkewed,
    CredentialsRefused,
    NotFound,
    RemoteError,
    RemoteUnavailable,
    StateError,
    Throttled,
)
from unit.sync.fake_node import MAX_PAUSE
from unit.sync.worlds import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


ERRORS = [
    RemoteUnavailable("down"),
    Throttled("slow down"),
    AccessDenied("not allowed"),
    CredentialsRefused("expired"),
    ClockSkewed("off"),
    NotFound("no bucket"),
]


class TestOutage:
    def test_outage_ends_the_batch_after_a_few_rows(self, tmp_path: Path) -> None:
        world = World(tmp_path, items_chunk=1000, workers=2)
        world.fill(1000)
        world.fail(RemoteUnavailable("down"), "put")
        assert world.node.step().delay > 0
        assert len(world.node.unsettled()) <= 2 * 2 + 2
        world.fail(None)
        world.node.later(5.0)
        assert (world.converged(), world.node.unsettled()) == (True, {})

    def test_outage_found_by_a_single_change_ends_soon_after_recovery(self, world: World) -> None:
        """When the store is back its next try is brought forward."""
        world.swift.put("before")
        world.node.settle()
        world.fail(RemoteUnavailable("down"))
        world.swift.put("bad")
        for _ in range(40):
            world.swift.clock.sleep(max(world.node.step().delay, 300.0))
        world.fail(None)
        world.node.later(61.0)
        assert (world.converged(), world.node.unsettled()) == (True, {})

    def test_restart_after_an_outage_retries_everything_at_once(self, world: World) -> None:
        world.fill(20)
        world.fail(RemoteUnavailable("down"), "put")
        for _ in range(40):
            world.swift.clock.sleep(max(world.node.step().delay, 300.0))
        world.fail(None)
        world.node.restart()
        world.node.settle()
        assert (world.converged(), world.node.unsettled()) == (True, {})

    @pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
    def test_outage_of_a_week_costs_few_requests_and_then_converges(
        self, tmp_path: Path, error: RemoteError
    ) -> None:
        world = World(tmp_path, items_chunk=50)
        names = world.fill(100)
        world.node.settle()
        world.bucket.counts()
        world.fail(error)
        started = world.swift.clock.now()
        number = 0
        while world.swift.clock.now() < started + 7 * 86400:
            if number < 300:
                world.swift.put(f"new{number}")
                world.swift.put(names[number % 50], b"v%d" % number)
                if number < 50 and not isinstance(error, NotFound):  # without a bucket all is deleted
                    world.swift.delete(names[50 + number])
            number += 1
            step = world.node.step()
            assert not step.has_more or not step.delay
            world.swift.clock.sleep(max(step.delay, 1800.0))
        tries = sum(world.bucket.counts().values())
        assert tries < 7 * 86400 / 1800 * 8  # two new ones and two old ones, with a HEAD and a PUT each
        assert world.node.crawl.is_failing
        world.fail(None)
        world.node.later(400.0)
        assert world.converged()
        assert world.node.unsettled() == {}
        assert not world.node.crawl.is_failing

    def test_outage_of_the_store_keeps_the_backlog_out_of_the_journal(self, tmp_path: Path) -> None:
        """It waits where it is, in the database: a row each for millions would fill the disk."""
        world = World(tmp_path, items_chunk=100, workers=2)
        world.fail(RemoteUnavailable("down"), "put head")
        world.fill(5000)
        for _ in range(100):
            step = world.node.step()
            world.swift.clock.sleep(max(step.delay, 5.0))
        assert len(world.node.unsettled()) <= 100 + 100 * 2
        world.fail(None)
        world.node.later(400.0)
        assert (world.converged(), world.node.unsettled()) == (True, {})

    def test_outage_of_object_servers_keeps_the_backlog_out_of_the_journal(self, tmp_path: Path) -> None:
        world = World(tmp_path, items_chunk=100, workers=2)
        names = world.fill(5000)
        world.swift.lost.update(names)
        for _ in range(100):
            step = world.node.step()
            world.swift.clock.sleep(max(step.delay, 5.0))
        assert len(world.node.unsettled()) <= 100 + 100 * 2
        world.swift.lost.clear()
        world.node.later(400.0)
        assert (world.converged(), world.node.unsettled()) == (True, {})

    def test_outage_from_the_start_is_logged_once(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.fail(RemoteUnavailable("down"))
        world.fill(20)
        with caplog.at_level(logging.INFO):
            for _ in range(20):
                assert world.node.step().delay > 0
        assert caplog.text.count("Failed to process") == 1  # one line for each change of state
        world.fail(None)
        world.node.later(300.0)
        assert world.converged()

    def test_recovery_is_logged_once_and_only_after_the_outage(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.fill(20)
        world.fail(RemoteUnavailable("down"), "put")
        with caplog.at_level(logging.INFO):
            for _ in range(30):
                step = world.node.step()
                world.swift.clock.sleep(max(step.delay, 5.0))
            assert "working again" not in caplog.text
            world.fail(None)
            world.node.later(300.0)
        assert caplog.text.count("working again") == 1
        assert world.converged()

    @pytest.mark.parametrize(
        "error", [CredentialsRefused("the token has expired"), ClockSkewed("the clock is off")]
    )
    def test_refused_credentials_and_listings_back_off_the_mapping_at_once(
        self, world: World, caplog: pytest.LogCaptureFixture, error: RemoteError
    ) -> None:
        """Nine of ten changes got through before: still nobody goes on asking."""
        world.node.settle()
        names = world.fill(10)
        refused = ("list", "head")
        world.bucket.before = lambda method, name: error if name == names[4] or method in refused else None
        with caplog.at_level(logging.INFO):
            pauses = [world.node.step().delay for _ in range(5)]
            assert min(pauses) > 0
            assert pauses == sorted(pauses)
            world.fail(None)
            world.node.later(400.0)
        (line,) = [record.message for record in caplog.records if "Failed to process" in record.message]
        assert f"{error.reason}: {error}" in line, "it says why"
        assert world.converged()

    @pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
    def test_error_of_one_key_is_a_failure_of_that_object_alone(
        self, tmp_path: Path, error: RemoteError
    ) -> None:
        world = World(tmp_path, items_chunk=1000, workers=10)
        names = world.fill(2000)
        world.fail_names(error, names[500])
        started = world.swift.clock.now()
        for _ in range(3):
            assert world.node.step().delay == 0
        assert world.swift.clock.now() - started <= 2.0
        assert world.bucket.content().keys() == set(names) - {names[500]}
        assert world.node.unsettled() == {names[500]: error.reason}
        world.bucket.counts()
        for _ in range(144):
            world.node.later(300.0)
            assert not world.node.crawl.is_failing
        assert world.bucket.counts()["put"] <= 25, "with back-off, in twelve hours"
        world.fail(None)
        world.node.later(MAX_PAUSE)
        assert (world.converged(), world.node.unsettled()) == (True, {})

    def test_outage_ends_though_one_key_is_still_refused(self, world: World) -> None:
        world.fail(CredentialsRefused("expired"))
        names = world.fill(5)
        for _ in range(5):
            world.swift.clock.sleep(world.node.step().delay)
        world.fail_names(CredentialsRefused("no"), names[2])
        world.node.later(61.0)
        assert world.node.unsettled() == {names[2]: "remote_credentials"}
        world.node.later(3 * MAX_PAUSE)
        assert not world.node.crawl.is_failing

    def test_few_denied_objects_do_not_delay_the_others(self, tmp_path: Path) -> None:
        world = World(tmp_path, items_chunk=100, workers=4)
        names = world.fill(400)
        world.fail_names(AccessDenied("not this one"), *names[::40])
        for _ in range(10):
            assert world.node.step().delay == 0
        assert len(world.bucket.content()) == 390
        assert not world.node.crawl.is_failing

    def test_many_denied_objects_in_a_row_do_not_stop_the_rest(self, tmp_path: Path) -> None:
        """It looks like a storm of refusals; nothing but trying tells that it is none."""
        world = World(tmp_path, items_chunk=100, workers=10)
        names = world.fill(300)
        world.fail_names(AccessDenied("not here"), *names[100:160])
        started = world.swift.clock.now()
        while len(world.bucket.content()) < 240:
            step = world.node.step()
            world.swift.clock.sleep(step.delay or 1.0)
        assert world.swift.clock.now() - started < 400.0
        assert set(world.node.unsettled()) == set(names[100:160])

    def test_status_file_that_cannot_be_saved_backs_off_until_a_restart(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nothing moves on that cannot be written down."""
        world.fill(25)

        def full(*_: Any, **__: Any) -> None:
            raise StateError("No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(world.node.context.statuses, "save", full)
            for _ in range(10):
                assert world.node.step().delay > 0
        world.node.restart()
        world.node.later(300.0)
        assert world.converged()
