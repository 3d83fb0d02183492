"""What the tests of the daemon share: stores to copy to, mappings, and daemons that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import swiftclient

from faults.proxy import FaultProxy
from s3_sync.cluster.objects import LocalObject
from servers.azure_pair import AzurePair
from servers.daemon import NewDaemon, SyncDaemon
from servers.descriptors import NOTE, left_open
from servers.file_pair import FilePair
from servers.gcs_pair import GcsPair
from servers.local import Local, Open, left_open_here
from servers.migrator import Migration, Migrator, NewMigrator, WholeAccount
from servers.pair import Pair, Store, new_pair
from servers.shared_directory import SharedDirectory
from servers.shunted import Archive, Shunted
from servers.swift import SwiftCluster


@pytest.fixture(autouse=True)
def no_descriptor_is_left(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """What a daemon has opened is closed when it ends, what this process has at the end of the test.

    Marked ``ends_in_the_middle``: a daemon that has to end while a request, a lock or an old account still
    keeps one of its threads.
    """
    notes = tmp_path.with_name(f"{tmp_path.name}.descriptors")  # not in it: a test may look at what is there
    monkeypatch.setenv(NOTE, str(notes))
    yield
    in_the_middle = request.node.get_closest_marker("ends_in_the_middle")
    left = ([] if in_the_middle else left_open(notes)) + left_open_here()
    notes.unlink(missing_ok=True)
    assert left == []


@pytest.fixture(scope="session")
def other_store(request: pytest.FixtureRequest) -> Store | None:
    """The store that `--store` names instead of those that tests ask for; it takes parts of any size."""
    name = request.config.getoption("store")
    return Store.server(request.getfixturevalue(f"{name}_with_small_parts")) if name else None


@pytest.fixture(scope="session")
def s3api(swift: SwiftCluster, other_store: Store | None) -> Store:
    """The strictest of the stores: Swift's own S3 API, over another account."""
    return other_store or Store.s3api(swift)


@pytest.fixture(scope="session")
def moto_store(request: pytest.FixtureRequest, other_store: Store | None) -> Store:
    return other_store or Store.server(request.getfixturevalue("moto"))


@pytest.fixture(scope="session")
def rclone_store(request: pytest.FixtureRequest, other_store: Store | None) -> Store:
    return other_store or Store.server(request.getfixturevalue("rclone"))


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Store:
    """For tests parametrized with the name of one of the three above."""
    found: Store = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def local(swift3: SwiftCluster) -> Iterator[Local]:
    with Local(swift3) as local:
        yield local


@pytest.fixture
def client(local: Local, container_name: str) -> swiftclient.Connection:
    connection = local.cluster.client()
    connection.put_container(container_name)
    return connection


@pytest.fixture
def down(local: Local) -> Iterator[Callable[[int], None]]:
    """``down(node)`` stops a node; all run again after the test."""
    stopped: list[int] = []

    def stop(node: int) -> None:
        local.cluster.stop_node(node)
        stopped.append(node)

    yield stop
    for node in stopped:
        local.cluster.start_node(node)


@pytest.fixture
def opened(local: Local, container_name: str) -> Iterator[Open]:
    """``opened(name, policy, expect, byte_range)`` opens an object and closes it after the test."""
    objects: list[LocalObject] = []

    def open_object(name: str, policy: int = 0, *more: object) -> LocalObject:
        objects.append(local.reader.open(local.account, container_name, name, policy, *more))  # type: ignore[arg-type]
        return objects[-1]

    yield open_object
    for each in objects:
        each.close()


@pytest.fixture
def pair(swift: SwiftCluster, s3api: Store) -> Pair:
    """A container of the shared cluster and a bucket of its S3 API."""
    return new_pair(swift, s3api)


@pytest.fixture
def daemon(swift: SwiftCluster, pair: Pair, tmp_path: Path) -> Iterator[SyncDaemon]:
    """The daemon for `pair` alone."""
    daemon = SyncDaemon(swift, tmp_path / "daemon", [pair.mapping])
    yield daemon
    daemon.stop()


@pytest.fixture
def new_daemon(swift: SwiftCluster, tmp_path: Path) -> Iterator[NewDaemon]:
    """`new_daemon(pair, ..., workers=1)`: another daemon, with its own files; the rest are settings."""
    with ExitStack() as stack:
        number = iter(range(100))

        def new(*pairs: Pair, cluster: SwiftCluster = swift, **settings: Any) -> SyncDaemon:
            mappings = [pair.mapping for pair in pairs]
            daemon = SyncDaemon(cluster, tmp_path / f"daemon{next(number)}", mappings, **settings)
            stack.callback(daemon.stop)
            return daemon

        yield new


@pytest.fixture
def new_migrator(swift: SwiftCluster, tmp_path: Path) -> Iterator[NewMigrator]:
    """``new_migrator(*migrations, **settings)``: a migrator of a node that ends with the test."""
    with ExitStack() as stack:
        number = iter(range(100))

        def new(*migrations: Migration | WholeAccount, **settings: Any) -> Migrator:
            entries = [each.entry for each in migrations]
            migrator = Migrator(swift, tmp_path / f"migrator{next(number)}", entries, **settings)
            stack.callback(migrator.stop)
            return migrator

        yield new


@pytest.fixture
def new_archive(shunted: Shunted, s3api: Store) -> Callable[..., Archive]:
    """`new_archive(restore_object=True)`: a container of its own, mapped to a bucket of its own."""

    def new(store: Store = s3api, **options: Any) -> Archive:
        return Archive(shunted, store, **options)

    return new


@pytest.fixture
def proxy(store: Store) -> Iterator[FaultProxy]:
    """In front of `store`, which `store.behind(proxy.endpoint)` tells the daemon."""
    with FaultProxy.before(store.endpoint) as proxy:
        yield proxy


@pytest.fixture
def remote(s3api: Store) -> Iterator[FaultProxy]:
    """In front of the S3 API, for the bucket of `behind`. The remote account is a new one for the middleware
    each time, since its address is."""
    with FaultProxy.before(s3api.endpoint) as proxy:
        yield proxy


@pytest.fixture
def behind(new_archive: Callable[..., Archive], s3api: Store, remote: FaultProxy) -> Archive:
    """An archive whose bucket is behind `remote`."""
    return new_archive(store=s3api.behind(remote.endpoint), restore_object=True)


@pytest.fixture
def share() -> Iterator[SharedDirectory]:
    share = SharedDirectory()
    yield share
    share.remove()


@pytest.fixture
def provider_pair(
    request: pytest.FixtureRequest, swift: SwiftCluster, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Pair]:
    """`provider_pair("azure", through="http://...", **options)`: a container and where its copies are, in
    "azure", "gcs", "google" or a "file" system."""

    def make(store: str, *, through: str = "", **options: Any) -> Pair:
        if store == "file":
            return FilePair(swift, request.getfixturevalue("share"), **options)
        if store == "azure":
            return AzurePair(swift, request.getfixturevalue("azure"), through=through, **options)
        if store == "google":
            google = Store.server(request.getfixturevalue("google")).behind(through)
            return new_pair(swift, google, store="google", **options)
        gcs = request.getfixturevalue("gcs")
        monkeypatch.setattr(gcs, "step", 1024)  # so that small objects are sessions of several requests
        return GcsPair(swift, gcs, through=through, **options)

    return make
