"""The main loop of a daemon: it runs the jobs of all mappings until a signal ends it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator

from s3_sync.config.coverage import Coverage
from s3_sync.config.settings import Mapping
from s3_sync.daemon.job import Job, JobFactory
from s3_sync.daemon.lane import TICK, Lane, LaneRegistry
from s3_sync.daemon.services import Services

log = logging.getLogger("s3-sync")

#: seconds after SIGTERM until rows in flight are killed
GRACE = 7.5
#: seconds for killed transfers to clean up, such as to abort a multipart upload
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
        """Replace the mappings of all processes: new ones start, removed ones end with their current turn,
        changed ones are applied from their next turn."""
        configured = tuple(mappings)
        coverage = Coverage(configured)
        self._on_coverage(coverage)
        shard = self._services.share
        own = [
            each for each in configured if each.is_account_wide or shard.owns(each.account, each.container)
        ]
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
        """Set the stop flag; safe in a signal handler. The main loop sees it within a TICK."""
        self._stopping = True

    def run_once(self) -> bool:
        """Run all jobs until none has more work. Returns whether anything failed or was left unfinished."""
        for lane in self._lanes.values():
            lane.run_once()
        self._wait(lambda: bool(self._running()))
        failed = self._stopping or any(lane.is_failing for lane in self._lanes.values())
        failed = failed or any(job.has_leftovers for job in self.jobs())
        self._log_summaries(everything=True)
        return failed

    def run_forever(self, poll: Callable[[], None] = lambda: None) -> None:
        """Run all jobs until a stop is requested. The main thread calls ``poll`` every TICK; only there may
        ``update_mappings`` be called."""
        if not self._services.settings.mappings:
            log.warning("No mappings are configured: idle until the configuration names some")
        self._running_forever = True
        for lane in self._lanes.values():
            lane.run_forever()
        self._wait(lambda: True, poll)
        self._log_summaries(everything=False)

    def _log_summaries(self, everything: bool) -> None:
        """Log one line per configured mapping; the containers of an account share one."""
        lines: dict[str, tuple[str, str]] = {}
        for job in self.jobs():
            mapping = self._services.activity.counters_for(job.mapping).mapping
            summary = job.summary(everything and mapping.journal_key not in lines)
            if summary is not None:
                lines[mapping.journal_key] = mapping.label, summary
        for label, summary in lines.values():
            log.info("%s: %s", label, summary)

    def _wait(self, is_running: Callable[[], bool], poll: Callable[[], None] = lambda: None) -> None:
        """Wait until nothing runs any more, or until a stop was requested and GRACE has passed."""
        while is_running() and not self._stopping:
            self._services.activity.tick()
            poll()
            self._services.clock.sleep(TICK)
        self._services.stop.set()
        for lane in self._lanes.values():
            lane.close()
        if not self._ended_within(GRACE):
            log.warning("Stopping with transfers in flight; they are retried after the next start")
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
