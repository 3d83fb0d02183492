"""The mappings of one store, and their turns."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from s3_sync.config.coverage import Coverage
from s3_sync.config.settings import Mapping
from s3_sync.daemon.delay_queue import Schedule, setback_pause
from s3_sync.daemon.task_pool import green_lane
from s3_sync.errors import SyncError
from s3_sync.runtime.concurrency import GreenPool, Pool
from s3_sync.runtime.log_once import Told
from s3_sync.sync.account_crawl import AccountCrawl
from s3_sync.sync.container_crawl import MappingCrawl, Step
from s3_sync.sync.services import Context

log = logging.getLogger("s3-sync")

#: how often somebody who waits looks around, in seconds
TICK = 0.05
#: who has put a mapping here: the configuration, or else the mapping of an account, by its key
CONFIGURED = ""


@dataclass(slots=True, eq=False)
class Seat:
    """The place of one mapping among those that take turns; never with two threads at the same time.

    ``wanted``: the mapping as it is to be from the next turn on; None: there will be none. ``crawl``: made
    when the turn comes, and made anew when the mapping has ``changed`` since. ``given``: what the mapping
    of an account came to when its containers were given their own seats. ``pulse``: the mapping under which
    a failure was told, if there is no crawl.
    """

    key: str
    owner: str
    wanted: Mapping | None
    crawl: MappingCrawl | AccountCrawl | None = None
    given: dict[str, Mapping] | None = None
    changed: bool = False
    pulse: Mapping | None = None

    def want(self, mapping: Mapping | None) -> bool:
        """Whether that is something else. Then a turn that is being taken begins nothing more."""
        if mapping is self.wanted or (mapping and self.wanted and mapping.is_as(self.wanted)):
            self.wanted = mapping
            return False
        self.wanted, self.changed = mapping, True
        if isinstance(self.crawl, MappingCrawl):
            self.crawl.retire()
        return True


class Lane:
    """Has threads of its own: a store that hangs keeps only its own mappings waiting, and so does a budget.

    ``enumerator_workers`` mappings have a turn at the same time; ``workers`` rows are in flight, and as many
    parts of large objects; very large ones have a few places of their own.

    ``name``: such as ``Mapping.lane``, which begins with the store. ``holders``: shared by all lanes, which
    of them gives a mapping its turns. Where another one does, for it was moved from there, the end of its
    last turn is waited for.
    """

    def __init__(self, context: Context, name: str, holders: dict[str, Lane]) -> None:
        settings = context.settings
        self.name = name
        self.store = name.partition(" ")[0]
        self._holders = holders
        # a row waits for its parts: were they to share one pool, all places could be taken by waiting rows
        self.workers: Pool = GreenPool(settings.workers)
        self.parts: Pool = GreenPool(settings.workers)
        self._large = green_lane(settings.workers, context.stop, context.large)
        self._context = replace(context, workers=self.workers, parts=self.parts, large=self._large)
        self._coverage = Coverage(())
        self._seats: dict[str, Seat] = {}
        self._schedule: Schedule[Seat] = Schedule(context.clock)
        self._enumerators = GreenPool(settings.enumerator_workers)
        self._loop: Callable[[], None] | None = None
        self._told = Told()
        #: with ``drain``: what has not had its turn yet, and how many accounts are still being listed
        self._waiting: deque[Seat] = deque()
        self._expanding = 0
        self._draining = False
        self.running = self.threads = 0
        context.book.lanes.append(self)

    def use(self, mappings: Iterable[Mapping], coverage: Coverage) -> None:
        """From now on exactly these, which may be called at any time.

        ``coverage``: of all mappings there are. In a turn that somebody has just now nothing more is begun
        for what was changed or removed; a change counts from the next turn, and what was removed gets none.
        """
        self._coverage = coverage
        self._assign(CONFIGURED, mappings)
        for seat in list(self._seats.values()):
            if isinstance(seat.crawl, AccountCrawl):
                seat.crawl.use(coverage)
                seat.given = None
                self._assign(seat.key, self._still_covered(seat.wanted, seat.crawl))

    def crawls(self) -> Iterator[MappingCrawl]:
        """Of all containers that have had a turn and will have others."""
        for seat in list(self._seats.values()):
            if isinstance(seat.crawl, MappingCrawl) and seat.wanted is not None:
                yield seat.crawl

    @property
    def troubled(self) -> bool:
        """Whether the last try of something did not get through, or a mapping had no turn at all."""
        return any(
            seat.wanted is not None and (seat.crawl is None or seat.crawl.troubled)
            for seat in self._seats.values()
        )

    @property
    def large_busy(self) -> int:
        """How many very large objects are in flight."""
        return self._large.running

    @property
    def unfinished(self) -> int:
        """Threads that are at work, those of very large and slow objects included."""
        return self.running + self._large.running + self._large.slow

    def drain(self) -> None:
        """Every mapping, until nothing is left that can be done now."""
        self._draining = True
        for seat in list(self._seats.values()):
            self._enter(seat)
        self._loop = self._drain_some
        self._staff()

    def poll(self) -> None:
        """Turns of one batch each, for ever."""
        self._loop = self._take_turns
        self._staff()

    def close(self) -> None:
        """Begin no further turn."""
        self._schedule.close()

    def kill(self) -> None:
        self._large.kill()
        self.parts.kill()
        self.workers.kill()

    def _staff(self) -> None:
        """As many threads as there may be, or as have something to do."""
        if self._loop is None:
            return
        self.threads = max(self.threads, min(self._enumerators.size, len(self._seats)))
        while self.running < self.threads:
            self.running += 1
            self._enumerators.spawn(self._run)

    def _run(self) -> None:
        try:
            if self._loop:
                self._loop()
        except Exception:  # a defect; the watchdog and an alert miss the thread
            log.exception("A thread for %s has ended", self.name)
        finally:
            self.running -= 1

    def _assign(self, owner: str, mappings: Iterable[Mapping]) -> None:
        wanted = {mapping.journal_key: mapping for mapping in mappings}
        for key, seat in self._seats.items():
            if seat.owner == owner and key not in wanted and seat.want(None):
                self._schedule.hasten(seat)
        for key, mapping in wanted.items():
            if key in self._seats:
                self._seats[key].owner = owner
                if self._seats[key].want(mapping):
                    self._schedule.hasten(self._seats[key])
            else:
                self._seats[key] = Seat(key, owner, mapping)
                self._enter(self._seats[key])

    def _still_covered(self, whole: Mapping | None, crawl: AccountCrawl) -> list[Mapping]:
        """What the mapping of an account says of its containers now: they follow it at once, not when it has
        been listed again. Where nothing was moved before, a walk through the account has to come first."""
        if whole is None or (not whole.profile.retain_local and crawl.neighbours is None):
            return []
        shares = (self._coverage.share(whole, container) for container in crawl.covered or ())
        return [share for share in shares if share is not None]

    def _enter(self, seat: Seat) -> None:
        if self._draining:
            self._waiting.append(seat)
            self._expanding += _is_whole(seat)
        else:
            self._schedule.put(seat, 0.0)
        self._staff()

    def _take_turns(self) -> None:
        """The period between two polls of a mapping is from start to start; a pause begins at the end."""
        interval = self._context.settings.poll_interval
        while (seat := self._schedule.take()) is not None:
            started = self._context.clock.now()
            if (step := self._turn(seat)) is None:
                continue
            rest = self._context.clock.now() + step.pause
            at_once = step.more or seat.changed
            self._schedule.put(seat, started if at_once else max(started + interval, rest))

    def _drain_some(self) -> None:
        """While an account is listed, there may be more to come."""
        while (self._waiting or self._expanding) and not self._context.stop.is_set():
            if not self._waiting:
                self._context.clock.sleep(TICK)
                continue
            seat = self._waiting.popleft()
            while (step := self._turn(seat)) and step.more:
                pass
            self._expanding -= _is_whole(seat)

    def _turn(self, seat: Seat) -> Step | None:
        """None: it was the last one."""
        if seat.wanted is None:
            self._leave(seat)
            return None
        if seat.crawl is None or seat.changed:
            if self._holders.setdefault(seat.key, self) is not self:
                self._context.clock.sleep(TICK)
                return Step(True)
            before, seat.crawl, seat.changed = seat.crawl, None, False
            try:
                seat.crawl = self._crawl(seat, seat.wanted, before)
            except SyncError as error:
                level = self._told.level(seat.key, str(error), logging.ERROR)
                log.log(level, "Failed to process %s: %s", seat.wanted.label, error)
                seat.pulse = seat.wanted
                self._context.book.pulse(seat.pulse).troubled = True
                return Step(False, setback_pause(1))
        crawl = seat.crawl
        step = crawl.step()
        if isinstance(crawl, AccountCrawl):
            self._expand(seat, crawl)
        return step

    def _expand(self, seat: Seat, crawl: AccountCrawl) -> None:
        """Seats for what it has come to, unless it was removed or changed while it looked."""
        if seat.wanted is None or seat.changed or crawl.covered is None:
            return
        if crawl.covered is not seat.given:
            seat.given = crawl.covered
            self._assign(seat.key, crawl.covered.values())

    def _leave(self, seat: Seat) -> None:
        del self._seats[seat.key]
        if self._holders.get(seat.key) is self:
            del self._holders[seat.key]
        self._assign(seat.key, ())  # if it was an account: what it came to
        known = seat.crawl.mapping if seat.crawl is not None else seat.pulse
        if known is not None:
            self._context.book.forget(known)

    def _crawl(
        self, seat: Seat, mapping: Mapping, before: MappingCrawl | AccountCrawl | None
    ) -> MappingCrawl | AccountCrawl:
        if mapping.is_whole:
            known = before.neighbours if isinstance(before, AccountCrawl) else None
            return AccountCrawl(self._context, mapping, self._coverage, known)
        owner = self._seats[seat.owner].crawl if seat.owner in self._seats else None
        neighbours = owner.neighbours if isinstance(owner, AccountCrawl) else None
        return MappingCrawl(self._context, mapping, neighbours)


def _is_whole(seat: Seat) -> bool:
    return seat.wanted is not None and seat.wanted.is_whole
