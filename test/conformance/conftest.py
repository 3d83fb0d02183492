"""One bucket per store for the whole suite; each test sees it through a key prefix of its own."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from conformance.targets import STORES, Target, target_of
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.base import Bucket, Provider
from servers import azurite_package
from servers.ceph_packages import missing
from servers.shared_directory import SharedDirectory

BUCKET = "conformance"
collect_ignore = ["test_azure_clients.py"] if azurite_package.missing() else []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if reason := missing():
        terminalreporter.write_line(f"left out of the conformance suite: the store ceph. {reason}")
    if reason := azurite_package.missing():
        terminalreporter.write_line(f"left out of the conformance suite: the store azurite. {reason}")


@pytest.fixture(scope="session", params=STORES)
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    store = request.param.partition("-")[0]
    if store == "file":
        share = SharedDirectory(sidecars="sidecar" in request.param)
        yield target_of(request.param, share)
        share.remove()
        return
    server = None if store in ("memory", "toy") else request.getfixturevalue(store)
    key = request.getfixturevalue("gcs").key_json if store in ("gcs", "emulator") else ""
    yield target_of(request.param, server, key)


@pytest.fixture(scope="session")
def provider(target: Target) -> Iterator[Provider]:
    provider = target.provider()
    provider.create_bucket(BUCKET)
    yield provider
    provider.close()


@pytest.fixture
def namer() -> KeyNamer:
    return KeyNamer.literal(f"{uuid4().hex[:12]}/")


@pytest.fixture
def bucket(provider: Provider, namer: KeyNamer) -> Bucket:
    return provider.bucket(BUCKET, namer)


@pytest.fixture
def keys(provider: Provider) -> Bucket:
    """The bucket of ``bucket``, with names that are the keys themselves."""
    return provider.bucket(BUCKET, KeyNamer.literal(""))
