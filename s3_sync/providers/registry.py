"""From configuration to buckets: the one place where providers are built and wrapped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

from s3_sync.config.settings import Credentials
from s3_sync.config.settings import Mapping as ContainerMapping
from s3_sync.errors import ConfigError, Problem
from s3_sync.http.pool import Timeouts
from s3_sync.providers.base import Bucket, Provider, WriteOptions
from s3_sync.providers.s3.provider import S3Provider
from s3_sync.providers.wrappers.adaptive_throttle import AdaptiveThrottle, PacedProvider
from s3_sync.providers.wrappers.bulkhead import Bulkhead, GuardedProvider
from s3_sync.providers.wrappers.instrument import ObservedProvider, Observers
from s3_sync.providers.wrappers.rate_limited import BudgetedBucket
from s3_sync.providers.wrappers.rate_limits import LimiterRegistry, MappingLimiter
from s3_sync.providers.wrappers.retry import RetriedBucket, RetriedProvider, RetryPolicy

#: builds the provider of an account, with at most so many connections
Builder = Callable[[Credentials, int], Provider]


def builders_with(timeouts: Timeouts | None) -> Mapping[str, Builder]:
    """By the name of the protocol; None = the usual time-outs."""

    def s3(credentials: Credentials, connections: int) -> Provider:
        return S3Provider(credentials, connections=connections, timeouts=timeouts)

    return MappingProxyType({"s3": s3})


BUILDERS = builders_with(None)


#: of one store, more than anybody has: mappings with budgets have lanes of their own, whose workers are the
#: limit; connections are made when they are needed
_MOST_LANES = 32
_USUAL_RETRIES = RetryPolicy()


class Registry:
    """One provider for each set of credentials, built when it is first needed and shared from then on.

    ``connections``: to each account, at most; give it the number of workers, with ``budgets`` that of a lane.
    ``retries``: None = errors are never retried here, which suits a caller whose own client waits. What a
    store says about the rate of requests counts for all that use the same account of it. ``guard``: gives an
    account the guard that its requests go through; nobody sleeps then because a store asked for patience.
    ``observers``: who watches the requests to each store. ``budgets``: how fast mappings may go; None = as
    fast as they can. Safe to share between threads.
    """

    def __init__(
        self,
        *,
        connections: int = 32,
        retries: RetryPolicy | None = _USUAL_RETRIES,
        builders: Mapping[str, Builder] = BUILDERS,
        guard: Callable[[Credentials], Bulkhead] | None = None,
        observers: Observers | None = None,
        budgets: LimiterRegistry | None = None,
    ) -> None:
        self._connections = connections
        self._retries = retries
        self._builders = builders
        self._guard = guard
        self._observers = observers
        self._budgets = budgets
        self._lock = threading.Lock()
        #: one attempt each; and repeated
        self._providers: dict[Credentials, tuple[Provider, Provider]] = {}
        self._paces: dict[tuple[str, str | None], AdaptiveThrottle] = {}

    def provider(self, credentials: Credentials) -> Provider:
        """Raises ConfigError for a protocol that nothing here speaks, AccessDenied without credentials."""
        return self._both(credentials)[1]

    def open_bucket(self, mapping: ContainerMapping) -> Bucket:
        """The remote side of a mapping."""
        profile = mapping.profile
        write = WriteOptions(storage_class=profile.storage_class or "", encrypt=profile.encryption)
        once, _ = self._both(mapping.credentials)
        bucket = once.bucket(mapping.bucket, mapping.namer, write)
        if self._budgets is not None:
            bucket = BudgetedBucket(bucket, self._budgets.gate(mapping))
        return bucket if self._retries is None else RetriedBucket(bucket, self._retries.call)

    def gate(self, mapping: ContainerMapping) -> MappingLimiter:
        """Where requests and bytes of a mapping pass."""
        return MappingLimiter(mapping.control_key) if self._budgets is None else self._budgets.gate(mapping)

    def rates(self) -> dict[str, float]:
        """Requests a second that may begin now, for each store that has asked for patience lately."""
        rates: dict[str, float] = {}
        for (store, _), pace in list(self._paces.items()):
            if (rate := pace.limit()) is not None:
                rates[store] = min(rate, rates.get(store, rate))
        return rates

    def use(self, mappings: Collection[ContainerMapping]) -> None:
        """From now on these are the mappings: their budgets count, and other accounts are forgotten."""
        if self._budgets is not None:
            self._budgets.use(tuple(mappings))
        self.keep({mapping.credentials for mapping in mappings})

    def keep(self, wanted: Collection[Credentials]) -> None:
        """Forget the accounts that are not ``wanted`` any more. What still reads from one of them goes on;
        its connections close when nobody refers to them."""
        with self._lock:
            for credentials in self._providers.keys() - set(wanted):
                del self._providers[credentials]

    def close_all(self) -> None:
        """Close every connection. The registry can be used again; buckets that it gave out cannot."""
        with self._lock:
            providers, self._providers = list(self._providers.values()), {}
        for _, provider in providers:
            provider.close()

    def _both(self, credentials: Credentials) -> tuple[Provider, Provider]:
        with self._lock:
            if credentials not in self._providers:
                self._providers[credentials] = self._build(credentials)
            return self._providers[credentials]

    def _build(self, credentials: Credentials) -> tuple[Provider, Provider]:
        builder = self._builders.get(credentials.provider)
        if builder is None:
            raise ConfigError([Problem("protocol", f"{credentials.provider!r} is not supported")])
        provider = builder(credentials, self._connections * (1 if self._budgets is None else _MOST_LANES))
        if self._observers is not None:
            provider = ObservedProvider(provider, self._observers.of(credentials.store))
        if self._guard is not None:
            provider = GuardedProvider(provider, self._guard(credentials))
        else:
            provider = PacedProvider(provider, self._pace(credentials))
        return provider, provider if self._retries is None else RetriedProvider(provider, self._retries)

    def _pace(self, credentials: Credentials) -> AdaptiveThrottle:
        account = (credentials.store, credentials.identity)
        if account not in self._paces:
            patience = self._retries.patience if self._retries is not None else 0.0
            self._paces[account] = AdaptiveThrottle(
                credentials.store, workers=self._connections, patience=patience
            )
        return self._paces[account]
