"""Which buckets belong to the account that is migrated.

Names of buckets are those of the whole store, at S3 and Google, and anybody may have a public bucket of the
name that a client gives to a container here. Nothing of such a bucket must be read as if it was in the
container: where all buckets of an account are migrated, only those count that the account lists.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from s3_sync.config.credentials.base import Credentials
from s3_sync.config.settings import Mapping
from s3_sync.errors import AccessDenied, NotFound
from s3_sync.providers.base import Bucket
from s3_sync.providers.http_errors import NO_SUCH_BUCKET
from s3_sync.providers.registry import Registry
from s3_sync.providers.wrappers.delegate import DelegatingBucket
from s3_sync.streams.reader import Body

_Result = TypeVar("_Result")
#: seconds for which it is known whose a bucket is
KNOWN_FOR = 300.0
#: buckets of strangers that are remembered; clients choose the names
_MAX_STRANGERS = 10_000


@dataclass(slots=True)
class _Account:
    """``names``: the buckets that it has listed at ``listed_at``. ``strangers``: others that are there, and
    when that was found."""

    names: frozenset[str] = frozenset()
    listed_at: float = float("-inf")
    strangers: dict[str, float] = field(default_factory=dict)


class OwnBuckets:
    """One listing of the buckets of each account is kept. It is requested for a name that is not in it only
    if the store has a bucket of that name. Each method raises RemoteError."""

    def __init__(self, registry: Registry, now: Callable[[], float] = time.monotonic) -> None:
        self._registry = registry
        self._now = now
        self._accounts: dict[Credentials, _Account] = {}

    def require(self, mapping: Mapping) -> None:
        """Raise NotFound if the bucket of this container does not belong to the account."""
        credentials, name = mapping.credentials, mapping.bucket
        if not mapping.is_account or credentials.account:  # a bucket that is named, or of the account's own
            return
        account = self._accounts.setdefault(credentials, _Account())
        if name in account.names and self._now() < account.listed_at + KNOWN_FOR:
            return
        if self._now() >= account.strangers.get(name, float("-inf")) + KNOWN_FOR:
            self._ask(account, credentials, name)
        if name not in account.names:
            raise NotFound(f"the account has no bucket {name}", status=404, code=NO_SUCH_BUCKET)

    def _ask(self, account: _Account, credentials: Credentials, name: str) -> None:
        provider = self._registry.provider(credentials)
        with suppress(AccessDenied):  # a stranger's, most likely
            provider.head_bucket(name)
        account.names = frozenset(entry.name for entry in provider.list_buckets())
        account.listed_at = self._now()
        if name not in account.names:
            if len(account.strangers) >= _MAX_STRANGERS:
                account.strangers.clear()
            account.strangers[name] = self._now()

    def guarded(self, bucket: Bucket, mapping: Mapping) -> Bucket:
        """Return the bucket with ``require`` before each request."""

        def call(function: Callable[[], _Result], body: Body | None = None) -> _Result:
            self.require(mapping)
            return function()

        return DelegatingBucket(bucket, call)
