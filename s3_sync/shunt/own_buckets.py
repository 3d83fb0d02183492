"""Which buckets belong to the account that is migrated.

Names of buckets are those of the whole store, at S3 and Google, and anybody may have a public bucket of the
name that a client gives to a container here. Nothing of such a bucket must be read as if it was in the
container: where all buckets of an account are migrated, only those count that the account lists.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from s3_sync.config.credentials.base import Credentials
from s3_sync.config.settings import Mapping
from s3_sync.errors import NotFound
from s3_sync.providers.base import Bucket
from s3_sync.providers.registry import Registry
from s3_sync.providers.wrappers.delegate import DelegatingBucket
from s3_sync.streams.reader import Body

_Result = TypeVar("_Result")
#: seconds for which a listing tells that there is a bucket, and that there is none
KNOWN_FOR, MISSING_FOR = 300.0, 5.0


@dataclass(frozen=True, slots=True)
class _Listed:
    names: frozenset[str]
    at: float


class OwnBuckets:
    """One listing of the buckets of each account is kept. Each method raises RemoteError."""

    def __init__(self, registry: Registry, now: Callable[[], float] = time.monotonic) -> None:
        self._registry = registry
        self._now = now
        self._listed: dict[Credentials, _Listed] = {}

    def require(self, mapping: Mapping) -> None:
        """Raise NotFound if the bucket of this container does not belong to the account."""
        credentials = mapping.credentials
        if not mapping.is_account or credentials.account:  # a bucket that is named, or of the account's own
            return
        found, now = self._listed.get(credentials), self._now()
        if found is None or now >= found.at + (KNOWN_FOR if mapping.bucket in found.names else MISSING_FOR):
            names = frozenset(entry.name for entry in self._registry.provider(credentials).list_buckets())
            found = self._listed[credentials] = _Listed(names, now)
        if mapping.bucket not in found.names:
            raise NotFound(f"the account has no bucket {mapping.bucket}", status=404, code="NoSuchBucket")

    def guarded(self, bucket: Bucket, mapping: Mapping) -> Bucket:
        """Return the bucket with ``require`` before each request."""

        def call(function: Callable[[], _Result], body: Body | None = None) -> _Result:
            self.require(mapping)
            return function()

        return DelegatingBucket(bucket, call)
