"""The contract between a daemon and the work that it schedules.

A daemon of this project gives each mapping its turns. It does not know what a turn does: that is a ``Job``,
which the daemon asks a ``JobFactory`` for. ``sync`` copies rows, ``migrate`` pulls listings.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Dict
from dataclasses import dataclass
from typing import Protocol

from s3_sync.config.coverage import Coverage
from s3_sync.config.settings import Mapping
from s3_sync.daemon.task_pool import TaskPool
from s3_sync.runtime.concurrency import Pool


@dataclass(frozen=True, slots=True)
class StepResult:
    """``has_more``: there is work left that can be done now. ``delay``: seconds to leave the job alone."""

    has_more: bool
    delay: float = 0.0


class Job(Protocol):
    """The work of one mapping. One thread at a time calls it, except for ``retire``.

    ``children``: what the mapping of an account has expanded to, by container; None before that is known, and
    for every other mapping. A changed set is another object.
    """

    @property
    def mapping(self) -> Mapping: ...

    @property
    def children(self) -> Dict[str, Mapping] | None: ...

    @property
    def is_failing(self) -> bool:
        """Whether the last attempt at something failed."""
        ...

    @property
    def has_leftovers(self) -> bool:
        """Whether something has not converged that only another run can finish: the exit code of --once."""
        ...

    def step(self) -> StepResult:
        """One batch of each kind of work. Never raises."""
        ...

    def retire(self) -> None:
        """Begin nothing more in the current step: the job gets no other one. Any thread may call this."""
        ...

    def update_coverage(self, coverage: Coverage) -> None:
        """Other mappings have come or gone."""
        ...

    def children_of(self, mapping: Mapping) -> list[Mapping]:
        """What ``mapping``, a newer version of the job's own, expands to before the account is listed again;
        nothing where that has to come first."""
        ...

    def summary(self, everything: bool) -> str | None:
        """One line for the log at the end of a run. None: there is nothing to say, or the children say it.
        ``everything``: say also that nothing was done."""
        ...


@dataclass(frozen=True, slots=True)
class Pools:
    """The threads of one lane. ``workers`` handle objects, ``parts`` send the parts of large ones. ``large``
    is for objects that would keep others waiting for too long.

    An object waits for its parts: in one pool, waiting objects could take all places.
    """

    workers: Pool
    parts: Pool
    large: TaskPool


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What a job is made from. ``previous``: the job of an older version of the same mapping. ``parent``: the
    job of the account's mapping that this one is a child of."""

    mapping: Mapping
    pools: Pools
    coverage: Coverage
    previous: Job | None = None
    parent: Job | None = None


#: Raises SyncError where a job cannot be made; the lane asks again later.
JobFactory = Callable[[JobRequest], Job]
