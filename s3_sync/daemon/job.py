"""The contract between a daemon and the work that it schedules.

A daemon schedules turns for each mapping. The work of a turn is a ``Job``, which a ``JobFactory`` makes:
``sync`` copies rows, ``migrate`` pulls listings.
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
    """``has_more``: there is more work that can be done now. ``delay``: seconds until the next step."""

    has_more: bool
    delay: float = 0.0


class Job(Protocol):
    """The work of one mapping. One thread at a time calls it, except for ``retire``.

    ``children``: the mappings that an account's mapping has expanded to, by container; None before that is
    known, and for every other mapping. A changed set is a new object.
    """

    @property
    def mapping(self) -> Mapping: ...

    @property
    def children(self) -> Dict[str, Mapping] | None: ...

    @property
    def is_failing(self) -> bool:
        """Whether the last attempt at any part of the work failed."""
        ...

    @property
    def has_leftovers(self) -> bool:
        """Whether rows have not converged that only another run can finish: the exit code of --once."""
        ...

    def step(self) -> StepResult:
        """Do one batch of each kind of work. Never raises."""
        ...

    def retire(self) -> None:
        """Start nothing more in the current step, which is the last one. Any thread may call this."""
        ...

    def update_coverage(self, coverage: Coverage) -> None:
        """Called when the set of all mappings has changed."""
        ...

    def children_of(self, mapping: Mapping) -> list[Mapping]:
        """The mappings that ``mapping``, a newer version of the job's own, expands to before the account is
        listed again; empty where the listing has to come first."""
        ...

    def summary(self, everything: bool) -> str | None:
        """One log line for the end of a run. None: there is nothing to report, or the children report it.
        ``everything``: report also that nothing was done."""
        ...


@dataclass(frozen=True, slots=True)
class Pools:
    """The threads of one lane. ``workers`` handle objects, ``parts`` send the parts of large ones, ``large``
    handles very large objects, which would block the others for too long.

    An object waits for its parts: in one shared pool, waiting objects could occupy all places.
    """

    workers: Pool
    parts: Pool
    large: TaskPool


@dataclass(frozen=True, slots=True)
class JobRequest:
    """The input of a ``JobFactory``. ``previous``: the job of an older version of the same mapping.
    ``parent``: the job of the account's mapping that this one is a child of."""

    mapping: Mapping
    pools: Pools
    coverage: Coverage
    previous: Job | None = None
    parent: Job | None = None


#: Raises SyncError where a job cannot be made; the lane retries later.
JobFactory = Callable[[JobRequest], Job]
