"""A store in memory that ``swift-s3-verify`` checks, with other people's objects in it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.credentials.swift import SwiftCredentials
from s3_sync.config.secret import Secret
from s3_sync.config.settings import Mapping, Profile
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.base import Provider
from s3_sync.providers.checks.probes import put
from s3_sync.providers.memory import MemoryProvider
from s3_sync.providers.memory_swift import MemorySwift
from s3_sync.providers.registry import Registry
from s3_sync.providers.store_limits import Limits
from s3_sync.providers.wrappers.delegate import DelegatingProvider
from s3_sync.streams.reader import Body
from s3_sync.verify.destination import Destination, of_mapping
from s3_sync.verify.report import Report
from s3_sync.verify.session import Session

_Result = TypeVar("_Result")
CREDENTIALS = S3Credentials(endpoint="http://127.0.0.1:9", identity="AKID", secret=Secret("sesame"))
#: legal parts need few bytes
LIMITS = Limits(min_part=4)
SWIFT = SwiftCredentials(
    provider="swift", endpoint="http://127.0.0.1:9/auth", identity="a:b", secret=Secret("sesame")
)
#: of a user: one in the mapping's keys, one beside them, one that looks like a probe
OTHERS = ("p/user", "user", "p/.swift-s3-verify.notes")


class Killed(BaseException):
    """The process is gone: nothing more is sent."""


class Calls:
    """Counts the calls of a provider, and kills its user when the ``last`` of them has taken effect."""

    def __init__(self, last: int | None = None) -> None:
        self.count = 0
        self.last = last

    def __call__(self, function: Callable[[], _Result], body: Body | None = None) -> _Result:
        if self.last is not None and self.count >= self.last:
            raise Killed
        self.count += 1
        result = function()
        if self.count == self.last:
            raise Killed
        return result


class Interrupted:
    """Ctrl-C, once: when the call of this number has taken effect."""

    def __init__(self, last: int) -> None:
        self.left = last

    def __call__(self, function: Callable[[], _Result], body: Body | None = None) -> _Result:
        self.left -= 1
        is_now = self.left == 0
        try:
            return function()
        finally:
            if is_now:
                raise KeyboardInterrupt


def new_store() -> MemoryProvider:
    memory = MemoryProvider(limits=LIMITS)
    memory.create_bucket("bucket")
    for name in OTHERS:
        put(memory.bucket("bucket", KeyNamer.literal("")), name, b"theirs")
    return memory


def new_swift(*empty: str) -> MemorySwift:
    """Another Swift, with other people's objects, and ``empty`` containers."""
    memory = MemorySwift(limits=LIMITS)
    for name in empty:
        memory.create_bucket(name)
    put(memory.bucket("theirs", KeyNamer.plain()), "theirs", b"theirs")
    return memory


def swift_mapping(**changes: Any) -> Mapping:
    return mapping(credentials=SWIFT, namer=KeyNamer.plain(), **changes)


def containers(memory: MemoryProvider) -> dict[str, list[str]]:
    """The names in each container."""
    return {entry.name: sorted(memory.store(entry.name).objects) for entry in memory.list_buckets()}


def mapping(**changes: Any) -> Mapping:
    fields: dict[str, Any] = {
        "account": "AUTH_a",
        "container": "c",
        "bucket": "bucket",
        "credentials": CREDENTIALS,
        "profile": Profile(),
        "namer": KeyNamer.literal("p/"),
        "place": "mappings[0]",
    }
    return Mapping(**(fields | changes))


def verify(provider: Provider, destination: Destination | None = None, **options: Any) -> Report:
    registry = Registry(build=lambda *_: provider, retries=None)
    return Session(registry, destination or of_mapping(mapping()), lambda check: None, **options).run()


def verify_killed(memory: MemoryProvider, last: int, destination: Destination | None = None) -> bool:
    """Whether the process lived long enough to be killed at that call."""
    calls = Calls(last)
    with suppress(Killed):
        verify(DelegatingProvider(memory, calls), destination)
        return False
    return calls.count == last


def content(memory: MemoryProvider) -> dict[str, bytes]:
    """What is stored; there must be no open upload."""
    store = memory.store("bucket")
    assert store.uploads == {}
    return {key: found.data for key, found in store.objects.items()}
