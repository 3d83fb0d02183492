"""The stores that the suite runs against. What each of them does differently is in ``known_quirks``."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from conformance.known_quirks import quirks_of
from conformance.quirks import Quirks
from s3_sync.config.credentials.azure import AzureCredentials
from s3_sync.config.credentials.base import Credentials
from s3_sync.config.credentials.file import FileCredentials
from s3_sync.config.credentials.gcs import GcsCredentials
from s3_sync.config.credentials.kinds import KINDS, Kind
from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.credentials.s3_dialects import Dialect
from s3_sync.config.credentials.swift import SwiftCredentials
from s3_sync.config.load import load_written
from s3_sync.config.secret import Secret
from s3_sync.providers.azure.provider import AzureProvider
from s3_sync.providers.base import Provider
from s3_sync.providers.file.provider import FileProvider
from s3_sync.providers.gcs.provider import GcsProvider
from s3_sync.providers.memory import MemoryProvider
from s3_sync.providers.registry import Registry
from s3_sync.providers.s3.provider import S3Provider
from s3_sync.providers.swift.provider import SwiftProvider
from s3_sync.providers.wrappers.adaptive_throttle import AdaptiveThrottle
from s3_sync.providers.wrappers.bulkhead import Bulkhead, BulkheadPolicy, BulkheadProvider
from s3_sync.providers.wrappers.delegate import DelegatingProvider
from s3_sync.providers.wrappers.instrument import InstrumentedProvider, Observer
from s3_sync.providers.wrappers.retry import RetryPolicy
from servers import azurite_package
from servers.ceph_packages import missing
from servers.fake_azure import ACCOUNT, KEY
from servers.keystone import Keystone
from servers.keystone_child import DOMAIN, PASSWORD, PROJECT
from servers.swift_spec import TESTER, TESTER2
from toy_provider.credentials import ToyCredentials

#: patience for a store that is busy; tests inject no faults here
RETRIES = RetryPolicy(attempts=3, base=0.1)


#: what the credentials say about each store, or about one target
KNOWN: dict[str, dict[str, Any]] = {
    "swift": {"store": "swift"},
    "rclone": {"store": "rclone"},
    "google": {"store": "google"},
    "ceph": {"store": "ceph"},
    "ceph-sdk": {},
    "ceph-v2": {},
    "moto": {
        "dialect": Dialect(put_if_absent=True, put_if_match=True, encrypts=True, copies_parts_of_any_key=True)
    },
}


@dataclass(frozen=True)
class Target:
    """``build`` gives a provider for these credentials."""

    id: str
    store: str
    credentials: Credentials
    build: Callable[[Any], Provider] = field(repr=False)

    @property
    def quirks(self) -> Quirks:
        return quirks_of(self.id)

    def provider(self, **changes: Any) -> Provider:
        return self.build(self.credentials.model_copy(update=changes))


def _memory(variant: str) -> Callable[[S3Credentials], Provider]:
    provider = MemoryProvider()
    pace = AdaptiveThrottle("memory", workers=8, max_wait=0.0)
    wrapped: dict[str, Provider] = {
        "": provider,
        "retried": DelegatingProvider(
            DelegatingProvider(InstrumentedProvider(provider, Observer("memory")), pace.call), RETRIES.call
        ),
        "guarded": BulkheadProvider(provider, Bulkhead("memory", BulkheadPolicy())),
    }
    return lambda _: wrapped[variant]


def _toy() -> Target:
    """A provider that the program does not know: built from a file, as any other is."""
    with patch.dict(KINDS, toy=Kind(ToyCredentials, "toy_provider.provider:ToyProvider")):
        entry = {"account": "AUTH_a", "container": "c", "aws_bucket": "b", "protocol": "toy", "owner": "me"}
        top = {"devices": "/srv/node", "items_chunk": 1, "status_dir": "/tmp/s"}
        settings = load_written({**top, "containers": [entry]}).settings
        assert settings
        provider = Registry(retries=RETRIES).provider(settings.mappings[0].credentials)
    return Target("toy", "memory", NOBODY, lambda _: provider)


def _s3(direct: bool) -> Callable[[S3Credentials], Provider]:
    return lambda credentials: S3Provider(credentials, connections=8, direct=direct)


def _retried(build: Callable[[S3Credentials], Provider]) -> Callable[[S3Credentials], Provider]:
    """moto takes one signature of version 2 in a thousand (four slashes in it) for one of version 4, and
    answers 500. The next second's signature is another one."""
    policy = RetryPolicy(attempts=2, base=1.1, random=lambda: 1.0)
    return lambda credentials: DelegatingProvider(build(credentials), policy.call)


def _ways_to_ceph() -> tuple[str, ...]:
    """All of them only for ``bin/test ceph``, because each costs half a minute."""
    if missing():
        return ()
    return ("ceph", "ceph-sdk", "ceph-v2") if os.environ.get("TEST_CEPH") == "all" else ("ceph",)


def native_stores() -> tuple[str, ...]:
    """Swifts by their own API. One with Keystone, and one of three nodes, only for ``bin/test swifts``."""
    others = ("keystone-native", "nodes-native") if os.environ.get("TEST_SWIFTS") == "all" else ()
    return ("swift-native", *others)


NOBODY = S3Credentials(identity="nobody", secret=Secret("nothing"))
NATIVE = native_stores()
#: Google Cloud Storage by its own API
JSON_API = ("gcs", "emulator")
#: every store, behind the wrapper, and by every way of sending
STORES = (
    "memory",
    "memory-retried",
    "memory-guarded",
    "toy",
    "swift",
    "swift-sdk",
    *NATIVE,
    "file",
    "file-sidecar",
    "moto",
    "moto-sdk",
    "moto-v2",
    "rclone",
    "rclone-sdk",
    *JSON_API,
    "azure",
    *(() if azurite_package.missing() else ("azurite",)),
    "google",
    *_ways_to_ceph(),
)
#: one way each, for what is the same however bytes are sent
ONE_WAY = tuple(store for store in STORES if not store.endswith(("-sdk", "-v2", "-sidecar")))
#: those that are reached over the network
REMOTE = tuple(store for store in STORES if not store.startswith(("memory", "toy", "file")))
#: those with the S3 API
S3 = tuple(store for store in REMOTE if store not in (*NATIVE, *JSON_API, "azure", "azurite"))
#: those with stored manifests
WITH_MANIFESTS = tuple(store for store in STORES if store not in NATIVE)
#: those with multipart uploads, too
IN_PARTS = tuple(store for store in STORES if store not in (*NATIVE, *JSON_API))


def _login_at(server: Any) -> SwiftCredentials:
    if isinstance(server, Keystone):
        project = {"project_name": PROJECT, "project_domain_name": DOMAIN, "user_domain_name": DOMAIN}
        login = {"auth_type": "keystone_v3", "region": "north", "identity": "mover", **project}
        return SwiftCredentials(provider="swift", endpoint=server.url, secret=Secret(PASSWORD), **login)
    return SwiftCredentials(
        provider="swift", endpoint=server.auth_url, identity=TESTER2.name, secret=Secret(TESTER2.key)
    )


def target_of(target_id: str, server: Any, key_json: str = "") -> Target:
    """``server``: the running server of that store, or the share; None for memory. ``key_json``: a key for
    Google's."""
    store, _, variant = target_id.partition("-")
    if store == "toy":
        return _toy()
    if store == "memory":
        return Target(target_id, store, NOBODY, _memory(variant))
    if store == "file":
        share = FileCredentials(provider="file", path=str(server.path), share_id=server.share_id)
        return Target(target_id, store, share, lambda given: FileProvider(given, connections=8))
    if variant == "native":
        return Target(target_id, store, _login_at(server), lambda given: SwiftProvider(given, connections=8))
    if store in JSON_API:
        google = GcsCredentials(provider="gcs", endpoint=server.endpoint, secret=Secret(key_json))
        return Target(target_id, store, google, lambda given: GcsProvider(given, connections=8))
    if store.startswith("azur"):
        azure = AzureCredentials(
            provider="azure",
            endpoint=server.endpoint,
            identity=ACCOUNT if store == "azure" else server.account,
            secret=Secret(KEY if store == "azure" else server.key),
            azure_checksum="crc64" if store == "azure" else "md5",
        )
        return Target(target_id, store, azure, lambda given: AzureProvider(given, connections=8))
    credentials = S3Credentials(
        endpoint=server.s3_endpoint if store == "swift" else server.endpoint,
        identity=TESTER.name if store == "swift" else server.access_key,
        secret=Secret(TESTER.key if store == "swift" else server.secret_key),
        signature_version="s3" if variant == "v2" else "s3v4",
        **KNOWN.get(target_id, KNOWN[store]),
    )
    build = _s3(direct=not variant)
    return Target(target_id, store, credentials, _retried(build) if variant == "v2" else build)
