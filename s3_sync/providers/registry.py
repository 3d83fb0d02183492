"""Builds providers and buckets from the configuration, and stacks the wrappers around them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from importlib import import_module

from s3_sync.config.credentials.base import Credentials
from s3_sync.config.credentials.kinds import KINDS
from s3_sync.config.settings import Mapping
from s3_sync.errors import ConfigError, Problem
from s3_sync.http.pool import Timeouts
from s3_sync.providers.base import Bucket, Provider, WriteOptions
from s3_sync.providers.wrappers.adaptive_throttle import AdaptiveThrottle, ThrottledProvider
from s3_sync.providers.wrappers.bulkhead import Bulkhead, BulkheadProvider
from s3_sync.providers.wrappers.instrument import InstrumentedProvider, Observers
from s3_sync.providers.wrappers.rate_limited import RateLimitedBucket
from s3_sync.providers.wrappers.rate_limits import LimiterRegistry, MappingLimiter
from s3_sync.providers.wrappers.retry import RetryingBucket, RetryingProvider, RetryPolicy

#: builds the provider of an account, with a maximum number of connections
Builder = Callable[[Credentials, int], Provider]


def provider_class(credentials: Credentials) -> Callable[..., Provider]:
    """Import the provider's class. Raises ConfigError if this version has none."""
    kind = KINDS.get(credentials.provider)
    if kind is None or not kind.provider:
        raise ConfigError([Problem("provider", f"{credentials.provider!r} is not supported")])
    module, _, name = kind.provider.partition(":")
    found: Callable[..., Provider] = getattr(import_module(module), name)
    return found


def build_provider(credentials: Credentials, connections: int, timeouts: Timeouts | None = None) -> Provider:
    """Build the provider of an account. ``timeouts`` None: the defaults. Raises ConfigError, AccessDenied."""
    return provider_class(credentials)(credentials, connections=connections, timeouts=timeouts)


#: lanes of one store to allow connections for: each mapping with a budget has its own, whose workers are the
#: actual limit; connections are opened on demand
_MAX_LANES = 32
_DEFAULT_RETRIES = RetryPolicy()


class Registry:
    """One provider per set of credentials, built on first use and shared from then on. Thread-safe.

    ``connections``: maximum per account; pass the number of workers, with ``budgets`` that of one lane.
    ``retries``: None: never retry, for callers whose own clients wait. Throttling by a store applies to all
    requests to the same account. ``guard``: makes the bulkhead of an account, which replaces the adaptive
    throttle: then a throttled request fails at once. ``observers``: record latencies and errors per store.
    ``budgets``: rate limits of the mappings; None: unlimited.
    """

    def __init__(
        self,
        *,
        connections: int = 32,
        retries: RetryPolicy | None = _DEFAULT_RETRIES,
        build: Builder = build_provider,
        guard: Callable[[Credentials], Bulkhead] | None = None,
        observers: Observers | None = None,
        budgets: LimiterRegistry | None = None,
    ) -> None:
        self._connections = connections
        self._retries = retries
        self._build_provider = build
        self._guard = guard
        self._observers = observers
        self._budgets = budgets
        self._lock = threading.Lock()
        #: without and with retries
        self._providers: dict[Credentials, tuple[Provider, Provider]] = {}
        self._throttles: dict[tuple[str, str | None], AdaptiveThrottle] = {}

    def provider(self, credentials: Credentials) -> Provider:
        """The provider of an account. Raises ConfigError for an unsupported one, AccessDenied without
        credentials."""
        return self._both(credentials)[1]

    def open_bucket(self, mapping: Mapping) -> Bucket:
        """The bucket of a mapping, with all wrappers."""
        profile = mapping.profile
        write = WriteOptions(
            storage_class=profile.storage_class or "",
            encrypt=profile.encryption,
            kms_key=profile.kms_key or "",
            acl=profile.acl or "",
            tags=profile.tags,
            storage_policy=profile.storage_policy or "",
            lifetime=mapping.lifetime,
            writer=mapping.writer,
            segments=mapping.segments,
        )
        once, _ = self._both(mapping.credentials)
        bucket = once.bucket(mapping.bucket, mapping.namer, write)
        if self._budgets is not None:
            is_source = mapping.migration is not None
            bucket = RateLimitedBucket(bucket, self._budgets.limiter(mapping), is_source)
        return bucket if self._retries is None else RetryingBucket(bucket, self._retries.call)

    def limiter(self, mapping: Mapping) -> MappingLimiter:
        """The rate limiter of a mapping's requests and bytes."""
        return (
            MappingLimiter(mapping.control_key) if self._budgets is None else self._budgets.limiter(mapping)
        )

    def rates(self) -> dict[str, float]:
        """Current requests per second of each store that is throttling us."""
        rates: dict[str, float] = {}
        for (store, _), throttle in list(self._throttles.items()):
            if (rate := throttle.limit()) is not None:
                rates[store] = min(rate, rates.get(store, rate))
        return rates

    def update_mappings(self, mappings: Collection[Mapping]) -> None:
        """Replace the mappings: apply their budgets, and drop the providers of other accounts."""
        if self._budgets is not None:
            self._budgets.update_mappings(tuple(mappings))
        self.keep({mapping.credentials for mapping in mappings})

    def keep(self, used: Collection[Credentials]) -> None:
        """Drop the providers of accounts that are not in ``used``. Open reads continue; the connections close
        when the last reference is gone."""
        with self._lock:
            for credentials in self._providers.keys() - set(used):
                del self._providers[credentials]

    def close_all(self) -> None:
        """Close every connection. The registry can be used again, buckets opened before cannot."""
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
        provider = self._build_provider(
            credentials, self._connections * (1 if self._budgets is None else _MAX_LANES)
        )
        if self._observers is not None:
            provider = InstrumentedProvider(provider, self._observers.of(credentials.store_id))
        if self._guard is not None:
            provider = BulkheadProvider(provider, self._guard(credentials))
        else:
            provider = ThrottledProvider(provider, self._throttle(credentials))
        return provider, provider if self._retries is None else RetryingProvider(provider, self._retries)

    def _throttle(self, credentials: Credentials) -> AdaptiveThrottle:
        account = credentials.throttle_key
        if account not in self._throttles:
            max_wait = self._retries.max_retry_after if self._retries is not None else 0.0
            self._throttles[account] = AdaptiveThrottle(
                credentials.store_id, workers=self._connections, max_wait=max_wait
            )
        return self._throttles[account]
