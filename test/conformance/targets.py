"""The stores that the suite runs against, and what each of them does differently.

Every row of QUIRKS is something that the store does not do as S3 does. The tests assert the difference,
so that a store that mends its ways fails a test here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

from s3_sync.config.credentials.base import Credentials
from s3_sync.config.credentials.kinds import KINDS, Kind
from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.credentials.s3_dialects import Dialect
from s3_sync.config.credentials.swift import SwiftCredentials
from s3_sync.config.load import load_written
from s3_sync.config.secret import Secret
from s3_sync.providers.base import Provider
from s3_sync.providers.checks.base import Finding
from s3_sync.providers.memory import MemoryProvider
from s3_sync.providers.registry import Registry
from s3_sync.providers.s3.provider import S3Provider
from s3_sync.providers.swift.provider import SwiftProvider
from s3_sync.providers.wrappers.adaptive_throttle import AdaptiveThrottle
from s3_sync.providers.wrappers.bulkhead import Bulkhead, BulkheadPolicy, BulkheadProvider
from s3_sync.providers.wrappers.delegate import DelegatingProvider
from s3_sync.providers.wrappers.instrument import InstrumentedProvider, Observer
from s3_sync.providers.wrappers.retry import RetryPolicy
from servers.ceph_packages import missing
from servers.keystone import Keystone
from servers.keystone_child import DOMAIN, PASSWORD, PROJECT
from servers.swift_spec import TESTER, TESTER2
from toy_provider.credentials import ToyCredentials

#: patience for a store that is busy; tests inject no faults here
RETRIES = RetryPolicy(attempts=3, base=0.1)


@dataclass(frozen=True)
class Quirks:
    """``refused_names``: ids of names (see names.py) that the store does not take. ``renamed``: id -> what is
    there after it said that it took the name, None for nothing at all."""

    refused_names: frozenset[str] = frozenset()
    renamed: Mapping[str, str | None] = field(default_factory=dict)
    #: ids of names under which uploads cannot be begun, or that a listing of uploads gets wrong
    unlisted_uploads: frozenset[str] = frozenset()
    #: takes any secret, and any Content-MD5: what it got is compared with the answer's ETag only
    checks_nothing: bool = False
    #: operations whose If-Match is not looked at: get, copy, copy_part, complete
    ignores_if_match: frozenset[str] = frozenset()
    #: headers that are not kept with an object
    lost_headers: frozenset[str] = frozenset()
    #: underscores in metadata names become hyphens in multipart uploads
    underscores_lost_in_parts: bool = False
    #: bytes of user metadata
    metadata_limit: int = 2048
    #: an underscore in the name of metadata becomes a hyphen, also where a signature of version 2 is checked
    hyphenates_metadata: bool = False
    #: an object's name can go on, behind a slash, as another object's name
    names_below_names: bool = True
    #: only / delimits
    only_slashes_delimit: bool = False
    #: a start in the middle of what is rolled up leaves all of that out
    forgets_group_of_start: bool = False
    #: the ETag of a multipart upload becomes the MD5 of the whole object
    forgets_parts: bool = False
    #: the ETag of a multipart upload is no digest of anything
    opaque_parts: bool = False
    #: parts that are not the last one can be of any size
    small_parts: bool = False
    #: a part cannot be replaced
    parts_once: bool = False
    #: a part of an upload that is not there brings an internal error
    breaks_without_upload: bool = False
    #: a part cannot be copied from an object
    copies_no_parts: bool = False
    #: nor from one in whose name something looks encoded
    copies_no_encoded_parts: bool = False
    #: all uploads seem to have begun at the same moment, years ago
    constant_begin: bool = False
    #: all buckets seem to be created at the same moment, years ago
    constant_creation: bool = False
    #: takes STANDARD_IA, and tells it
    storage_classes: bool = True
    #: has none, and is not asked for one
    ignores_storage_classes: bool = False
    #: what turns out when conditions of writes are tried: If-None-Match, If-Match
    conditions: tuple[bool, bool] = (True, True)
    #: takes a checksum that comes behind the body
    takes_trailers: bool = True
    #: has rules that make objects expire
    expires: bool = True
    #: does not give the bytes of what is in GLACIER
    archives: bool = True
    #: has multipart uploads
    parts: bool = True
    #: manifests are objects beside the others
    stores_manifests: bool = True
    #: a bucket that is missing is made with its first object, and an empty one until then
    creates_buckets: bool = False
    #: values of metadata that come back as others: ids of VALUES in test_metadata.py
    changed_values: Mapping[str, str] = field(default_factory=dict)
    #: check of ``swift-s3-verify`` -> what it finds beside what the credentials say of the store
    found: Mapping[str, Finding] = field(default_factory=dict)


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

_GOOGLE = Quirks(
    refused_names=frozenset({"newline", "carriage return"}),
    lost_headers=frozenset({"expires"}),
    metadata_limit=8192,
    opaque_parts=True,
    copies_no_parts=True,
    copies_no_encoded_parts=True,
    storage_classes=False,
    conditions=(False, False),
    takes_trailers=False,
    archives=False,
    found={
        "checksums": Finding("md5"),
        "kinds of names": Finding("line break: refused (400 InvalidObjectName)", noted=True),
    },
)
_UNCONDITIONAL = Finding(
    "not enforced: a newer version could get older metadata, for as long as both are sent", noted=True
)
_MORE_METADATA = Finding("4,096 bytes and more", advised={"max_metadata": 4096})
_MORE_PARTS = Finding("10,000", advised={"max_parts": 10_000})

_CEPH = Quirks(
    ignores_if_match=frozenset({"copy_part"}),
    # it would copy them from another object, or crash
    copies_no_encoded_parts=True,
    # If-Match of a PUT holds without quotes only, and a completion looks at neither
    conditions=(False, False),
    takes_trailers=False,
    # GLACIER is a pool like any other
    archives=False,
    forgets_group_of_start=True,
    found={
        "conditional metadata": Finding("enforced (x-amz-copy-if-match)"),
        "size of metadata": _MORE_METADATA,
    },
)

#: neither the header for conditions of copies is known, nor what becomes of underscores
_UNKNOWN_CEPH = replace(_CEPH, ignores_if_match=frozenset({"copy", "copy_part"}), hyphenates_metadata=True)

#: Swift's own API
_NATIVE = Quirks(
    parts=False,
    stores_manifests=False,
    creates_buckets=True,
    conditions=(True, False),
    ignores_storage_classes=True,
    archives=False,
    expires=False,
    metadata_limit=4096,
    changed_values={"outer blanks": "outer"},
    found={"kinds of metadata": Finding("value, outer blanks: changed by a PUT", noted=True)},
)

QUIRKS: dict[str, Quirks] = {
    "memory": Quirks(),
    "toy": Quirks(),
    "swift": Quirks(
        underscores_lost_in_parts=True,
        constant_creation=True,
        storage_classes=False,
        archives=False,
        expires=False,
        conditions=(True, False),
        found={"size of metadata": _MORE_METADATA},
    ),
    "swift-native": _NATIVE,
    "keystone-native": _NATIVE,
    "nodes-native": _NATIVE,
    "moto": Quirks(
        refused_names=frozenset({"newline"}),
        checks_nothing=True,
        breaks_without_upload=True,
        ignores_if_match=frozenset({"copy", "copy_part", "complete"}),
        conditions=(True, False),
        constant_begin=True,
        forgets_group_of_start=True,
        found={
            "digests": Finding(
                "Content-MD5 is not checked: only ETags show that bytes arrived damaged", noted=True
            ),
            "conditional writes": Finding(
                "If-None-Match: enforced; If-Match: not enforced", needed={"put_if_match": False}
            ),
            "conditional metadata": _UNCONDITIONAL,
            "number of parts": _MORE_PARTS,
            "kinds of names": Finding("line break: refused (404)", noted=True),
            "size of metadata": _MORE_METADATA,
        },
    ),
    "rclone": Quirks(
        # an object is a file, a slash separates directories
        refused_names=frozenset(
            {"double slash", "leading slash", "dot", "dots", "dot segments", "leading dot segment"}
        ),
        unlisted_uploads=frozenset({"noncharacter"}),
        renamed={"trailing slash": "folder", "only slashes": None},
        ignores_if_match=frozenset({"get", "copy"}),
        conditions=(False, False),
        lost_headers=frozenset({"expires"}),
        metadata_limit=2000,
        archives=False,
        expires=False,
        names_below_names=False,
        only_slashes_delimit=True,
        forgets_group_of_start=True,
        parts_once=True,
        forgets_parts=True,
        copies_no_parts=True,
        copies_no_encoded_parts=True,
        small_parts=True,
        found={
            "conditional metadata": _UNCONDITIONAL,
            "sizes of parts": Finding("parts of any size", advised={"min_part": 1}),
            "number of parts": _MORE_PARTS,
            "kinds of names": Finding(
                "leading slash: refused (400 InvalidArgument); double slash: refused (400 InvalidArgument);"
                " trailing slash: cannot be deleted; dot segment: refused (400 InvalidArgument);"
                " two dots: refused (400 InvalidArgument); name below a name: refused (500 InternalError)",
                noted=True,
            ),
            "size of metadata": Finding("1,665 bytes", advised={"max_metadata": 1665}),
        },
    ),
    "google": _GOOGLE,
    "ceph": _CEPH,
    "ceph-sdk": _UNKNOWN_CEPH,
    "ceph-v2": _UNKNOWN_CEPH,
}


def quirks_of(target_id: str) -> Quirks:
    return QUIRKS.get(target_id) or QUIRKS[target_id.partition("-")[0]]


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
#: every store, behind the wrapper, and by every way of sending
STORES = (
    "memory",
    "memory-retried",
    "memory-guarded",
    "toy",
    "swift",
    "swift-sdk",
    *NATIVE,
    "moto",
    "moto-sdk",
    "moto-v2",
    "rclone",
    "rclone-sdk",
    "google",
    *_ways_to_ceph(),
)
#: one way each, for what is the same however bytes are sent
ONE_WAY = tuple(store for store in STORES if not store.endswith(("-sdk", "-v2")))
#: those that are reached over the network
REMOTE = tuple(store for store in STORES if not store.startswith(("memory", "toy")))
#: those with the S3 API
S3 = tuple(store for store in REMOTE if store not in NATIVE)
#: those with multipart uploads, and stored manifests
IN_PARTS = tuple(store for store in STORES if store not in NATIVE)


def _login_at(server: Any) -> SwiftCredentials:
    if isinstance(server, Keystone):
        project = {"project_name": PROJECT, "project_domain_name": DOMAIN, "user_domain_name": DOMAIN}
        login = {"auth_type": "keystone_v3", "region": "north", "identity": "mover", **project}
        return SwiftCredentials(provider="swift", endpoint=server.url, secret=Secret(PASSWORD), **login)
    return SwiftCredentials(
        provider="swift", endpoint=server.auth_url, identity=TESTER2.name, secret=Secret(TESTER2.key)
    )


def target_of(target_id: str, server: Any) -> Target:
    """``server``: the running server of that store, None for memory."""
    store, _, variant = target_id.partition("-")
    if store == "toy":
        return _toy()
    if store == "memory":
        return Target(target_id, store, NOBODY, _memory(variant))
    if variant == "native":
        return Target(target_id, store, _login_at(server), lambda given: SwiftProvider(given, connections=8))
    credentials = S3Credentials(
        endpoint=server.s3_endpoint if store == "swift" else server.endpoint,
        identity=TESTER.name if store == "swift" else server.access_key,
        secret=Secret(TESTER.key if store == "swift" else server.secret_key),
        signature_version="s3" if variant == "v2" else "s3v4",
        **KNOWN.get(target_id, KNOWN[store]),
    )
    build = _s3(direct=not variant)
    return Target(target_id, store, credentials, _retried(build) if variant == "v2" else build)
