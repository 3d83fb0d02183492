"""Rate limits from budgets, per mapping and per account; they may vary over the day."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Sequence

from s3_sync.config.budgets import Budget, Rates, minute_of
from s3_sync.config.settings import Mapping
from s3_sync.providers.wrappers.token_bucket import FairTokenBucket
from s3_sync.streams.reader import CHUNK

#: bodies are read in chunks of 1/64 s: then each of up to that many concurrent transfers moves every second,
#: so that neither end times out
CHUNKS_PER_SECOND = 64
MIN_CHUNK = 1024

_UNLIMITED = Budget()


class RateLimit:
    """The rate limits of one budget, updated once a minute. ``share``: this process's part of it.

    While no new work may start (``closed``), transfers in flight continue at their previous rate.
    """

    def __init__(
        self,
        budget: Budget,
        share: float = 1.0,
        *,
        wall: Callable[[], float] = time.time,
        buckets: Callable[[], FairTokenBucket] = FairTokenBucket,
    ) -> None:
        self.bytes = buckets()
        self.requests = buckets()
        self.rates = Rates()
        self._wall = wall
        self._minute: int | None = None
        self.set_budget(budget, share)

    def set_budget(self, budget: Budget, share: float = 1.0) -> None:
        """Replace the budget; applies at once, to waiting threads as well."""
        self._budget, self._share = budget, share
        self._minute = None
        self.refresh()

    def refresh(self) -> None:
        """Apply the rates of the current minute."""
        now = self._wall()
        minute = minute_of(now)
        if minute == self._minute:
            return
        self._minute = minute
        self.rates = rates = self._budget.at(now)
        if not rates.closed:
            self.bytes.set_rate(_part(rates.bytes_per_second, self._share))
            self.requests.set_rate(_part(rates.requests_per_second, self._share))

    @property
    def is_closed(self) -> bool:
        self.refresh()
        return self.rates.closed


class MappingLimiter:
    """Limits the requests and bytes of one mapping; free of cost without ``limits``."""

    def __init__(self, key: Hashable) -> None:
        self._key = key
        self.limits: Sequence[RateLimit] = ()

    @property
    def is_closed(self) -> bool:
        """Whether no new work may start now."""
        return any(limit.is_closed for limit in self.limits)

    def fit_batch(self, size: int, seconds: float) -> int:
        """A batch size of at most ``size`` rows whose requests are admitted within ``seconds``."""
        rates = [rate for each in self.limits if (rate := each.requests.rate) is not None]
        return max(1, min([size, *(int(rate * seconds) for rate in rates)]))

    def wait_request(self) -> None:
        """Block until one request may be sent."""
        for limit in self.limits:
            limit.refresh()
            limit.requests.acquire(1.0, self._key)

    def wait_bytes(self, size: int) -> None:
        """Block until ``size`` (more than 0) bytes may be sent."""
        for limit in self.limits:
            limit.refresh()
            limit.bytes.acquire(size, self._key)

    def chunk_size(self, size: int) -> int:
        """How many bytes of a body to read at a time if ``size`` (negative: all) were requested."""
        rates = [rate for each in self.limits if (rate := each.bytes.rate) is not None]
        if not rates:
            return size
        chunk = max(MIN_CHUNK, int(min(rates) / CHUNKS_PER_SECOND))
        return min(chunk, CHUNK if size < 0 else size)


class LimiterRegistry:
    """The limiters of all mappings of a process. ``processes``: how many processes divide shared budgets."""

    def __init__(
        self, processes: int = 1, new_limit: Callable[[Budget, float], RateLimit] = RateLimit
    ) -> None:
        self._processes = processes
        self._new_limit = new_limit
        self._lock = threading.Lock()
        self._limiters: dict[str, MappingLimiter] = {}
        self._own: dict[str, RateLimit] = {}
        self._shared: dict[str, RateLimit] = {}

    def update_mappings(self, mappings: Sequence[Mapping]) -> None:
        """Apply the budgets of these mappings, to transfers in flight as well.

        The budget of an account, or of a mapping of all containers, is divided evenly among the processes, as
        their load is unknown. A container belongs to one process alone.
        """
        with self._lock:
            own: dict[str, tuple[Budget, float]] = {}
            shared: dict[str, tuple[Budget, float]] = {}
            part = 1.0 / self._processes
            for mapping in mappings:
                if mapping.profile.budget is not None:
                    own[mapping.control_key] = mapping.profile.budget, part if mapping.is_account else 1.0
                if mapping.account_budget is not None:
                    shared[mapping.account_budget.name] = mapping.account_budget.budget, part
            self._own = self._renewed(self._own, own)
            self._shared = self._renewed(self._shared, shared)
            by_key = {mapping.control_key: mapping for mapping in mappings}
            for key, limiter in self._limiters.items():
                if key in by_key:
                    limiter.limits = self._limits(by_key[key])

    def limiter(self, mapping: Mapping) -> MappingLimiter:
        """The mapping's limiter; the same object for the lifetime of the process."""
        with self._lock:
            limiter = self._limiters.get(mapping.control_key)
            if limiter is None:
                limiter = self._limiters[mapping.control_key] = MappingLimiter(mapping.control_key)
                limiter.limits = self._limits(mapping)
            return limiter

    def _renewed(
        self, current: dict[str, RateLimit], budgets: dict[str, tuple[Budget, float]]
    ) -> dict[str, RateLimit]:
        for key, limit in current.items():
            limit.set_budget(*budgets.get(key, (_UNLIMITED, 1.0)))
        return {
            key: current.get(key) or self._new_limit(budget, share)
            for key, (budget, share) in budgets.items()
        }

    def _limits(self, mapping: Mapping) -> Sequence[RateLimit]:
        account = mapping.account_budget
        limits = (
            self._own.get(mapping.control_key),
            None if account is None else self._shared.get(account.name),
        )
        return tuple(limit for limit in limits if limit is not None)


def _part(rate: float | None, share: float) -> float | None:
    return None if rate is None else rate * share
