"""Any daemon can run on this layer: the jobs of these tests know of no rows and no databases."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from s3_sync.config.coverage import Coverage
from s3_sync.config.settings import Mapping
from s3_sync.daemon import lane
from s3_sync.daemon.daemon import Daemon
from s3_sync.daemon.process_shard import ProcessShard
from servers.process import wait_until
from unit.daemon.thread_pool import ThreadPool
from unit.daemon.tiny_job import TinyJob, Workshop, mapping, services


class Run:
    """A daemon whose main loop runs in a thread of its own."""

    def __init__(self, daemon: Daemon) -> None:
        self._pending: list[tuple[Mapping, ...]] = []
        self._daemon = daemon
        self._thread = threading.Thread(target=daemon.run_forever, args=(self._poll,))
        self._thread.start()

    def use(self, *mappings: Mapping) -> None:
        self._pending.append(mappings)
        wait_until(lambda: not self._pending, 10, "the main loop has applied them")

    def stop(self) -> None:
        self._daemon.request_stop()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _poll(self) -> None:
        if self._pending:
            self._daemon.update_mappings(self._pending[0])
            self._pending.pop(0)


def daemon(workshop: Workshop, seen: list[Coverage] | None = None) -> Daemon:
    return Daemon(workshop.services, workshop.make, (seen if seen is not None else []).append)


def done(workshop: Workshop) -> dict[str, int]:
    return {job.mapping.container: job.done for job in workshop.jobs if not job.mapping.is_account_wide}


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "GreenPool", ThreadPool)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "s3-sync")
    return caplog


def test_run_once_gives_every_mapping_turns_until_nothing_is_left(
    tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    workshop = Workshop(services(tmp_path, [mapping("a"), mapping("b")]))
    assert not daemon(workshop).run_once()
    assert done(workshop) == {"a": TinyJob.work, "b": TinyJob.work}
    assert "AUTH_a/a: 3 done" in log.text


@pytest.mark.parametrize("what", ["is_failing", "has_leftovers"])
def test_run_once_fails_when_a_job_is_failing_or_has_leftovers(tmp_path: Path, what: str) -> None:
    workshop = Workshop(services(tmp_path, [mapping("a")]))

    def make(request: object) -> TinyJob:
        job = TinyJob(request, workshop.services)  # type: ignore[arg-type]
        setattr(job, what, True)
        return job

    assert Daemon(workshop.services, make, lambda coverage: None).run_once()


def test_run_once_expands_an_account_to_its_children(tmp_path: Path) -> None:
    workshop = Workshop(services(tmp_path, [mapping("/*"), mapping("own")]), "a", "b", "own")
    assert not daemon(workshop).run_once()
    assert done(workshop) == {"a": 3, "b": 3, "own": 3}
    parents = {job.mapping.container: job.parent is not None for job in workshop.jobs}
    assert parents == {"/*": False, "own": False, "a": True, "b": True}


def test_process_shard_gives_each_container_to_one_of_the_processes(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(20)]
    owned: list[str] = []
    for number in range(3):
        shard = ProcessShard(number, 3)
        workshop = Workshop(services(tmp_path, map(mapping, names), share=shard))
        assert not daemon(workshop).run_once()
        owned += done(workshop)
    assert sorted(owned) == sorted(names)


class TestRunForever:
    @pytest.fixture
    def workshop(self, tmp_path: Path) -> Workshop:
        return Workshop(services(tmp_path, [mapping("a")]), "a", "b")

    @pytest.fixture
    def seen(self) -> list[Coverage]:
        return []

    @pytest.fixture
    def run(self, workshop: Workshop, seen: list[Coverage]) -> Iterator[Run]:
        run = Run(daemon(workshop, seen))
        yield run
        run.stop()

    def wait(self, workshop: Workshop, expected: dict[str, int]) -> None:
        wait_until(lambda: done(workshop) == expected, 10, f"{expected} are done")

    def test_added_mapping_gets_turns_and_a_removed_one_none(
        self, workshop: Workshop, run: Run, seen: list[Coverage]
    ) -> None:
        self.wait(workshop, {"a": 3})
        run.use(mapping("b"))
        self.wait(workshop, {"a": 3, "b": 3})
        assert workshop.jobs[0].retired.is_set()
        assert list(workshop.services.activity.by_mapping) == [mapping("b").journal_key]
        assert len(seen) == 2

    def test_changed_mapping_gets_a_new_job_that_knows_the_previous_one(
        self, workshop: Workshop, run: Run
    ) -> None:
        self.wait(workshop, {"a": 3})
        run.use(mapping("a", copy_after=60))
        wait_until(lambda: len(workshop.jobs) == 2, 10, "a second job")
        assert workshop.jobs[0].retired.is_set()
        assert workshop.jobs[1].previous is workshop.jobs[0]
        assert workshop.jobs[1].mapping.profile.copy_after == 60

    def test_changed_account_changes_its_children(self, workshop: Workshop, run: Run) -> None:
        run.use(mapping("/*"))
        wait_until(lambda: done(workshop) == {"a": 3, "b": 3}, 10, "both containers")
        run.use(mapping("/*", copy_after=60))

        def changed() -> bool:
            return {
                job.mapping.container
                for job in workshop.jobs
                if job.mapping.profile.copy_after == 60 and not job.mapping.is_account_wide
            } == {"a", "b"}

        wait_until(changed, 10, "both have changed")
