"""What budgets leave of the way to a store at this moment: for one mapping, and for all of an account."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Sequence

from s3_sync.config.budgets import Budget, Rates, minute_of
from s3_sync.config.settings import Mapping
from s3_sync.providers.wrappers.token_bucket import FairTokenBucket
from s3_sync.streams.reader import CHUNK

#: pieces of bodies are so small that this many of them pass in a second: with as many transfers side by side
#: each one moves every second, so that neither end takes the other for dead
PIECES_A_SECOND = 64
SMALLEST_PIECE = 1024

_UNLIMITED = Budget()


class RateLimit:
    """One budget, looked at once a minute. ``share``: the part of it that belongs to this process.

    While nothing may be begun (``closed``) what is under way goes on as fast as it could before.
    """

    def __init__(
        self,
        budget: Budget,
        share: float = 1.0,
        *,
        wall: Callable[[], float] = time.time,
        valves: Callable[[], FairTokenBucket] = FairTokenBucket,
    ) -> None:
        self.bytes = valves()
        self.requests = valves()
        self.rates = Rates()
        self._wall = wall
        self._minute: int | None = None
        self.use(budget, share)

    def use(self, budget: Budget, share: float = 1.0) -> None:
        """From now on, for everybody who waits as well."""
        self._budget, self._share = budget, share
        self._minute = None
        self.look()

    def look(self) -> None:
        """See what time it is."""
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
        self.look()
        return self.rates.closed


class MappingLimiter:
    """Where requests and bytes of one mapping pass; without allowances it costs nothing."""

    def __init__(self, owner: Hashable) -> None:
        self._claimant = owner
        self.allowances: Sequence[RateLimit] = ()

    @property
    def is_closed(self) -> bool:
        """Whether nothing may be begun now."""
        return any(allowance.is_closed for allowance in self.allowances)

    def fit(self, limit: int, seconds: float) -> int:
        """``limit`` rows, or as many as there are requests for in so many seconds."""
        rates = [rate for each in self.allowances if (rate := each.requests.rate) is not None]
        return max(1, min([limit, *(int(rate * seconds) for rate in rates)]))

    def request(self) -> None:
        """Returns when one may be made."""
        for allowance in self.allowances:
            allowance.look()
            allowance.requests.take(1.0, self._claimant)

    def sent(self, size: int) -> None:
        """Returns when so many bytes (more than 0) may go."""
        for allowance in self.allowances:
            allowance.look()
            allowance.bytes.take(size, self._claimant)

    def piece(self, size: int) -> int:
        """How much of a body to read at a time, where ``size`` (negative: all of it) are asked for."""
        rates = [rate for each in self.allowances if (rate := each.bytes.rate) is not None]
        if not rates:
            return size
        piece = max(SMALLEST_PIECE, int(min(rates) / PIECES_A_SECOND))
        return min(piece, CHUNK if size < 0 else size)


class LimiterRegistry:
    """The gates of all mappings of a process. ``processes``: how many share what is not one's alone."""

    def __init__(
        self, processes: int = 1, allowances: Callable[[Budget, float], RateLimit] = RateLimit
    ) -> None:
        self._processes = processes
        self._new = allowances
        self._lock = threading.Lock()
        self._gates: dict[str, MappingLimiter] = {}
        self._own: dict[str, RateLimit] = {}
        self._shared: dict[str, RateLimit] = {}

    def use(self, mappings: Sequence[Mapping]) -> None:
        """From now on these count, for transfers that are under way as well.

        A budget of an account, and of a mapping of all containers, is divided among the processes, as
        nobody knows which of them has how much to do. A container is one process's alone.
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
            known = {mapping.control_key: mapping for mapping in mappings}
            for scope, gate in self._gates.items():
                gate.allowances = self._allowances(known[scope]) if scope in known else gate.allowances

    def gate(self, mapping: Mapping) -> MappingLimiter:
        """The mapping's gate, the same one for as long as the process lives."""
        with self._lock:
            gate = self._gates.get(mapping.control_key)
            if gate is None:
                gate = self._gates[mapping.control_key] = MappingLimiter(mapping.control_key)
                gate.allowances = self._allowances(mapping)
            return gate

    def _renewed(
        self, known: dict[str, RateLimit], wanted: dict[str, tuple[Budget, float]]
    ) -> dict[str, RateLimit]:
        for key, allowance in known.items():
            allowance.use(*wanted.get(key, (_UNLIMITED, 1.0)))
        return {key: known.get(key) or self._new(budget, share) for key, (budget, share) in wanted.items()}

    def _allowances(self, mapping: Mapping) -> Sequence[RateLimit]:
        account = mapping.account_budget
        found = (
            self._own.get(mapping.control_key),
            None if account is None else self._shared.get(account.name),
        )
        return tuple(allowance for allowance in found if allowance is not None)


def _part(rate: float | None, share: float) -> float | None:
    return None if rate is None else rate * share
