"""The main loop of a daemon: every mapping gets its turns until a signal ends it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator

from s3_sync.config.coverage import Coverage
from s3_sync.config.settings import Mapping
from s3_sync.daemon.job import Job, JobFactory
from s3_sync.daemon.lane import TICK, Lane, LaneRegistry
from s3_sync.daemon.services import Services

log = logging.getLogger("s3-sync")

#: seconds that rows in flight get to finish after SIGTERM
GRACE = 7.5
#: seconds that broken-off transfers get to clean up behind them, such as to abort an upload in parts
CLEAN_UP = 1.5


class Daemon:
    """All lanes of a process. ``on_coverage`` is called with every new set of mappings, before any job."""

    def __init__(
        self, services: Services, make_job: JobFactory, on_coverage: Callable[[Coverage], None]
    ) -> None:
        self._services = services
        self._on_coverage = on_coverage
        self._registry = LaneRegistry(services, make_job, owners={}, claims={})
        self._lanes: dict[str, Lane] = {}
        self._running_forever = False
        self._stopping = False
        self.update_mappings(services.settings.mappings)

    def update_mappings(self, mappings: Iterable[Mapping]) -> None:
        """Replace the mappings of all processes: a new one begins, a removed one ends with its current turn,
        and a changed one changes with its next turn."""
        configured = tuple(mappings)
        coverage = Coverage(configured)
        self._on_coverage(coverage)
        shard = self._services.share
        own = [each for each in configured if each.is_whole or shard.owns(each.account, each.container)]
        self._services.activity.set_mappings(own)
        by_lane: dict[str, list[Mapping]] = {name: [] for name in self._lanes}
        for mapping in own:
            by_lane.setdefault(mapping.lane, []).append(mapping)
        for name, here in by_lane.items():
            if name not in self._lanes:
                self._lanes[name] = Lane(self._registry, name)
                if self._running_forever:
                    self._lanes[name].run_forever()
            self._lanes[name].update_mappings(here, coverage)

    def jobs(self) -> Iterator[Job]:
        """The jobs of this process, those of expanded accounts included."""
        for lane in self._lanes.values():
            yield from lane.jobs()

    def request_stop(self) -> None:
        """For a signal handler: sets a flag. The main loop, which never sleeps for long, does the rest."""
        self._stopping = True

    def run_once(self) -> bool:
        """True when something failed, or was not finished."""
        for lane in self._lanes.values():
            lane.run_once()
        self._wait(lambda: bool(self._running()))
        failed = self._stopping or any(lane.is_failing for lane in self._lanes.values())
        failed = failed or any(job.has_leftovers for job in self.jobs())
        self._log_summaries(everything=True)
        return failed

    def run_forever(self, poll: Callable[[], None] = lambda: None) -> None:
        """``poll`` is called often, by the only thread that may call ``update_mappings``."""
        if not self._services.settings.mappings:
            log.warning("No mappings: nothing to do until the configuration names some")
        self._running_forever = True
        for lane in self._lanes.values():
            lane.run_forever()
        self._wait(lambda: True, poll)
        self._log_summaries(everything=False)

    def _log_summaries(self, everything: bool) -> None:
        """One line per configured mapping; the containers of an account count together."""
        lines: dict[str, tuple[str, str]] = {}
        for job in self.jobs():
            mapping = self._services.activity.counters_for(job.mapping).mapping
            summary = job.summary(everything and mapping.journal_key not in lines)
            if summary is not None:
                lines[mapping.journal_key] = mapping.label, summary
        for label, summary in lines.values():
            log.info("%s: %s", label, summary)

    def _wait(self, is_running: Callable[[], bool], poll: Callable[[], None] = lambda: None) -> None:
        """Until nothing runs any more, or a stop was requested and the grace is over."""
        while is_running() and not self._stopping:
            self._services.activity.tick()
            poll()
            self._services.clock.sleep(TICK)
        self._services.stop.set()
        for lane in self._lanes.values():
            lane.close()
        if not self._ended_within(GRACE):
            log.warning("Stopping with transfers in flight; they are taken up again at the next start")
            for lane in self._lanes.values():
                lane.kill()
            self._ended_within(CLEAN_UP)

    def _ended_within(self, seconds: float) -> bool:
        deadline = self._services.clock.now() + seconds
        while self._running() and self._services.clock.now() < deadline:
            self._services.clock.sleep(TICK)
        return not self._running()

    def _running(self) -> int:
        return sum(lane.unfinished for lane in self._lanes.values())
