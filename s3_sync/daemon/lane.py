"""A lane: runs the jobs of one store's mappings, a turn at a time."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Mapping as Dict
from dataclasses import dataclass

from s3_sync.config.coverage import Coverage
from s3_sync.config.settings import Mapping
from s3_sync.daemon.delay_queue import DelayQueue, backoff_delay
from s3_sync.daemon.job import Job, JobFactory, JobRequest, Pools, StepResult
from s3_sync.daemon.services import Services
from s3_sync.daemon.task_pool import green_task_pool
from s3_sync.errors import SyncError
from s3_sync.runtime.concurrency import GreenPool, Pool
from s3_sync.runtime.log_once import LogOnce

log = logging.getLogger("s3-sync")

#: how often a waiting thread polls, in seconds
TICK = 0.05
#: owner of the slots of configured mappings; other slots are owned by the key of an account's mapping
CONFIGURED = ""


@dataclass(slots=True, eq=False)
class Slot:
    """One mapping's entry in the queue; never processed by two threads at the same time.

    ``requested``: the mapping to apply from the next turn on; None: remove the slot. ``job``: created at the
    first turn, and again once the mapping has ``changed``. ``assigned``: the children of the job that have
    slots of their own. ``reported``: while there is no job, the mapping under which a failure was counted.
    """

    key: str
    owner: str
    requested: Mapping | None
    job: Job | None = None
    assigned: Dict[str, Mapping] | None = None
    changed: bool = False
    reported: Mapping | None = None

    def request(self, mapping: Mapping | None) -> bool:
        """Set the mapping to apply from the next turn on. Returns whether it changed; if so, a turn in
        progress starts nothing more."""
        if mapping is self.requested or (mapping and self.requested and mapping.same_config(self.requested)):
            self.requested = mapping
            return False
        self.requested, self.changed = mapping, True
        if self.job is not None:
            self.job.retire()
        return True


@dataclass(frozen=True, slots=True)
class LaneRegistry:
    """State shared by all lanes of a process. ``owners``: the lane that runs a mapping, by journal key: a
    mapping that moves to another lane waits there until its last turn here has ended. ``claims``: see
    ``TaskPool``."""

    services: Services
    make_job: JobFactory
    owners: dict[str, Lane]
    claims: dict[str, set[str]]


class Lane:
    """A scheduler with its own threads, so that a hanging store, or a budget, delays only its own mappings.

    At most ``enumerator_workers`` mappings have a turn at the same time, ``workers`` rows are in flight, and
    as many parts of large objects; very large objects have a small pool of their own.

    ``name``: as ``Mapping.lane``, which begins with the store.
    """

    def __init__(self, registry: LaneRegistry, name: str) -> None:
        services = registry.services
        settings = services.settings
        self.name = name
        self.store = name.partition(" ")[0]
        self._services = services
        self._make_job = registry.make_job
        self._owners = registry.owners
        self.workers: Pool = GreenPool(settings.workers)
        self.parts: Pool = GreenPool(settings.workers)
        self._large = green_task_pool(settings.workers, services.stop, registry.claims)
        self._pools = Pools(self.workers, self.parts, self._large)
        self._coverage = Coverage(())
        self._slots: dict[str, Slot] = {}
        self._queue: DelayQueue[Slot] = DelayQueue(services.clock)
        self._enumerators = GreenPool(settings.enumerator_workers)
        self._loop: Callable[[], None] | None = None
        self._log_once = LogOnce()
        #: with ``run_once``: slots still to run, and the number of accounts still being listed
        self._waiting: deque[Slot] = deque()
        self._expanding = 0
        self._runs_once = False
        self.running = self.threads = 0
        services.activity.lanes.append(self)

    def update_mappings(self, mappings: Iterable[Mapping], coverage: Coverage) -> None:
        """Replace the mappings of this lane; any thread may call this at any time.

        ``coverage``: of all mappings of the configuration. A turn in progress starts nothing more for a
        mapping that was changed or removed; a change applies from the next turn, a removed mapping has none.
        """
        self._coverage = coverage
        self._assign(CONFIGURED, mappings)
        for slot in list(self._slots.values()):
            job = slot.job
            if job is None:
                continue
            job.update_coverage(coverage)
            if job.mapping.is_account_wide:
                slot.assigned = None
                self._assign(slot.key, job.children_of(slot.requested) if slot.requested else ())

    def jobs(self) -> Iterator[Job]:
        """Every job that has had a turn and is not being removed."""
        for slot in list(self._slots.values()):
            if slot.job is not None and slot.requested is not None:
                yield slot.job

    @property
    def is_failing(self) -> bool:
        """Whether any job is failing, or any mapping has not had a turn."""
        return any(
            slot.requested is not None and (slot.job is None or slot.job.is_failing)
            for slot in self._slots.values()
        )

    @property
    def large_busy(self) -> int:
        """Number of very large objects in flight."""
        return self._large.running

    @property
    def unfinished(self) -> int:
        """Number of busy threads: those that take turns, and those that handle objects, which may go on when
        a turn has ended."""
        return self.running + self.workers.busy + self._large.running + self._large.slow

    def run_once(self) -> None:
        """Start running every mapping until no work is left that can be done now. Returns at once."""
        self._runs_once = True
        for slot in list(self._slots.values()):
            self._enqueue(slot)
        self._loop = self._take_all_turns
        self._start_workers()

    def run_forever(self) -> None:
        """Start running the mappings in turns of one batch each. Returns at once."""
        self._loop = self._take_turns
        self._start_workers()

    def close(self) -> None:
        """Start no further turn."""
        self._queue.close()

    def kill(self) -> None:
        self._large.kill()
        self.parts.kill()
        self.workers.kill()

    def _start_workers(self) -> None:
        """Start one thread per mapping, up to ``enumerator_workers``."""
        if self._loop is None:
            return
        self.threads = max(self.threads, min(self._enumerators.size, len(self._slots)))
        for _ in range(self.threads - self.running):
            self.running += 1
            self._enumerators.spawn(self._run)

    def _run(self) -> None:
        try:
            if self._loop:
                self._loop()
        except Exception:  # a defect; the watchdog and an alert detect the missing thread
            log.exception("A thread for %s died of an unexpected error", self.name)
        finally:
            self.running -= 1

    def _assign(self, owner: str, mappings: Iterable[Mapping]) -> None:
        requested = {mapping.journal_key: mapping for mapping in mappings}
        for key, slot in self._slots.items():
            if slot.owner == owner and key not in requested and slot.request(None):
                self._queue.run_now(slot)
        for key, mapping in requested.items():
            if key in self._slots:
                self._slots[key].owner = owner
                if self._slots[key].request(mapping):
                    self._queue.run_now(self._slots[key])
            else:
                self._slots[key] = Slot(key, owner, mapping)
                self._enqueue(self._slots[key])

    def _enqueue(self, slot: Slot) -> None:
        if self._runs_once:
            self._waiting.append(slot)
            self._expanding += _is_expanding(slot)
        else:
            self._queue.put(slot, 0.0)
        self._start_workers()

    def _take_turns(self) -> None:
        """Run turns as they become due. ``poll_interval`` counts from start to start of a mapping's turns; a
        delay counts from the end."""
        interval = self._services.settings.poll_interval
        while (slot := self._queue.get()) is not None:
            started = self._services.clock.now()
            if (result := self._turn(slot)) is None:
                continue
            delayed = self._services.clock.now() + result.delay
            at_once = result.has_more or slot.changed
            self._queue.put(slot, started if at_once else max(started + interval, delayed))

    def _take_all_turns(self) -> None:
        """Run each waiting slot until it has no more work. Listing an account may add slots meanwhile."""
        while (self._waiting or self._expanding) and not self._services.stop.is_set():
            if not self._waiting:
                self._services.clock.sleep(TICK)
                continue
            slot = self._waiting.popleft()
            while (result := self._turn(slot)) and result.has_more:
                pass
            self._expanding -= _is_expanding(slot)

    def _turn(self, slot: Slot) -> StepResult | None:
        """Run one turn of a slot; None: the slot was removed."""
        if slot.requested is None:
            self._remove(slot)
            return None
        if slot.job is None or slot.changed:
            if self._owners.setdefault(slot.key, self) is not self:
                self._services.clock.sleep(TICK)
                return StepResult(True)
            previous, slot.job, slot.changed = slot.job, None, False
            try:
                slot.job = self._new_job(slot, slot.requested, previous)
            except SyncError as error:
                level = self._log_once.level_for(slot.key, str(error), logging.ERROR)
                log.log(level, "Failed to process %s: %s", slot.requested.label, error)
                slot.reported = slot.requested
                self._services.activity.heartbeat_for(slot.reported).is_failing = True
                return StepResult(False, backoff_delay(1))
        job = slot.job
        result = job.step()
        if job.children is not None:
            self._expand(slot, job.children)
        return result

    def _expand(self, slot: Slot, children: Dict[str, Mapping]) -> None:
        """Create slots for the children of a job, unless its mapping was removed or changed during the
        step."""
        if slot.requested is not None and not slot.changed and children is not slot.assigned:
            slot.assigned = children
            self._assign(slot.key, children.values())

    def _remove(self, slot: Slot) -> None:
        del self._slots[slot.key]
        if self._owners.get(slot.key) is self:
            del self._owners[slot.key]
        self._assign(slot.key, ())  # its children
        known = slot.job.mapping if slot.job is not None else slot.reported
        if known is not None:
            self._services.activity.drop(known)

    def _new_job(self, slot: Slot, mapping: Mapping, previous: Job | None) -> Job:
        parent = self._slots[slot.owner].job if slot.owner in self._slots else None
        return self._make_job(JobRequest(mapping, self._pools, self._coverage, previous, parent))


def _is_expanding(slot: Slot) -> bool:
    return slot.requested is not None and slot.requested.is_account_wide
