"""The stores that the suite runs against, and what each of them does differently.

Every row of QUIRKS is something that the store does not do as S3 does. The tests assert the difference,
so that a store that mends its ways fails a test here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from servers.swift_spec import TESTER

from s3_sync.config.schema import Credentials
from s3_sync.config.secret import Secret
from s3_sync.providers.base import Provider
from s3_sync.providers.memory import MemoryProvider
from s3_sync.providers.s3.dialect import CLONE
from s3_sync.providers.s3.provider import S3Provider
from s3_sync.providers.wrappers.retry import RetryPolicy, RetryProvider

#: patience for a store that is busy; tests inject no faults here
RETRIES = RetryPolicy(attempts=3, base=0.1)


@dataclass(frozen=True)
class Quirks:
    """``refused_names``: ids of names (see names.py) that the store does not take. ``renamed``: id -> what is
    there after it said that it took the name, None for nothing at all."""

    refused_names: frozenset[str] = frozenset()
    renamed: Mapping[str, str | None] = field(default_factory=dict)
    #: takes any secret, and any Content-MD5: what it got is compared with the answer's ETag only
    checks_nothing: bool = False
    #: a copy of an object onto itself adds metadata instead of replacing it
    merges_metadata: bool = False
    #: If-Match of a copy is not looked at
    ignores_copy_condition: bool = False


QUIRKS: dict[str, Quirks] = {
    "memory": Quirks(),
    "swift": Quirks(),
    "moto": Quirks(refused_names=frozenset({"newline"}), checks_nothing=True),
    "rclone": Quirks(
        # an object is a file, a slash separates directories
        refused_names=frozenset(
            {"double slash", "leading slash", "dot", "dots", "dot segments", "leading dot segment"}
        ),
        renamed={"trailing slash": "folder", "only slashes": None},
    ),
}


@dataclass(frozen=True)
class Target:
    """``build`` gives a provider for these credentials."""

    id: str
    store: str
    credentials: Credentials
    build: Callable[[Credentials], Provider] = field(repr=False)

    @property
    def quirks(self) -> Quirks:
        return QUIRKS[self.store]

    def provider(self, **changes: Any) -> Provider:
        return self.build(replace(self.credentials, **changes))


def _memory(wrapped: bool) -> Callable[[Credentials], Provider]:
    provider = MemoryProvider()
    return lambda _: RetryProvider(provider, RETRIES) if wrapped else provider


def _s3(store: str, direct: bool) -> Callable[[Credentials], Provider]:
    # swift's s3api and moto hold to conditions of writes; rclone takes them and does as it likes
    dialect = replace(CLONE, name=store, conditional_put=store != "rclone", encrypts=store == "moto")
    return lambda credentials: S3Provider(credentials, connections=8, dialect=dialect, direct=direct)


NOBODY = Credentials(identity="nobody", secret=Secret("nothing"))
STORES = ("memory", "memory-retried", "swift", "swift-sdk", "moto", "moto-sdk", "moto-v2", "rclone", "rclone-sdk")


def target_of(target_id: str, server: Any) -> Target:
    """``server``: the running server of that store, None for memory."""
    store, _, variant = target_id.partition("-")
    if store == "memory":
        return Target(target_id, store, NOBODY, _memory(wrapped=bool(variant)))
    credentials = Credentials(
        endpoint=server.s3_endpoint if store == "swift" else server.endpoint,
        identity=TESTER.name if store == "swift" else server.access_key,
        secret=Secret(TESTER.key if store == "swift" else server.secret_key),
        signature_version="s3" if variant == "v2" else "s3v4",
    )
    return Target(target_id, store, credentials, _s3(store, direct=not variant))
