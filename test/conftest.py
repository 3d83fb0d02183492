"""Fixtures for every test: running servers, and an environment that leads to no other server.

`NO_TEARDOWN=1` leaves every server running and its data on disk. The logs of a server that was in use
when a test failed are copied to `test/logs`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from other_store import choose, summary
from servers.azurite import Azurite
from servers.ceph import CephGateway
from servers.ceph_packages import missing
from servers.fake_azure import FakeAzure
from servers.fake_gcs import FakeGcs
from servers.gcs_emulator import GcsEmulator
from servers.google import FakeGoogle
from servers.keystone import Keystone
from servers.moto import MotoServer
from servers.rclone import RcloneS3
from servers.scratch import scratch_base
from servers.server import AnyServer
from servers.shunted import Shunted
from servers.swift import SwiftCluster

LOGS = Path(__file__).parent / "logs"
A_DAY = 86400  # seconds that saved logs are kept
MESSAGES = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    about = "run the tests that can take another store with this one, and no others (test/other_store.py)"
    parser.addoption("--store", choices=["ceph"], help=about)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("store"):
        choose(config, items)
    if missing():  # the summary of the run says so
        without = [item for item in items if _needs_ceph(item)]
        items[:] = [item for item in items if item not in without]
        config.hook.pytest_deselected(items=without)


def _needs_ceph(item: pytest.Item) -> bool:
    marked = item.get_closest_marker("needs_ceph") is not None
    return marked or "ceph" in getattr(item, "fixturenames", ())


def pytest_configure(config: pytest.Config) -> None:
    config.stash[MESSAGES] = []
    for old in LOGS.glob("*"):
        if time.time() - old.stat().st_mtime > A_DAY:
            shutil.rmtree(old, ignore_errors=True)
    for name in list(os.environ):
        if name.startswith(("AWS_", "GOOGLE_", "CLOUDSDK_", "GCE_")) or name.lower().endswith("_proxy"):
            del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    os.environ["PYTHONWARNINGS"] = "ignore"  # for children
    # In memory if there is room: daemons and their parts write durably all the time.
    os.environ["TMPDIR"] = tempfile.tempdir = str(scratch_base())


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Where coverage is measured: children of this process run green threads, and this process does not.

    It must not be asked to look for them, either: coverage then remembers greenlets, and greenlet 3.5 never
    comes back from the end of a thread whose greenlet is remembered.
    """
    starts_workers = bool(session.config.getoption("numprocesses", None))
    packed = os.environ.get("COVERAGE_PROCESS_CONFIG")
    if packed and not starts_workers:
        from coverage.config import CoverageConfig

        settings = CoverageConfig.deserialize(packed)
        settings.concurrency = ["greenlet", "thread"]
        os.environ["COVERAGE_PROCESS_CONFIG"] = settings.serialize()


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):  # one of several workers: what it has to say is sent
        session.config.workeroutput["messages"] = session.config.stash[MESSAGES]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash[MESSAGES].extend(getattr(node, "workeroutput", {}).get("messages", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.getoption("store"):
        for line in summary():
            terminalreporter.write_line(line)
    for message in config.stash[MESSAGES]:
        terminalreporter.write_line(message)


def unhandled(logs: Path) -> list[str]:
    """The last exceptions that Swift's proxy answered with 500: the saved logs may be out of reach."""
    lines = [line for log in logs.glob("*.log") for line in log.read_text(errors="replace").splitlines()]
    return [line.replace("#012", "\n") for line in lines if "Unhandled exception" in line][-3:]


@contextmanager
def running(server: AnyServer, request: pytest.FixtureRequest) -> Iterator[AnyServer]:
    """Run a server; keep its logs if a test failed meanwhile, and all of it if NO_TEARDOWN is set."""
    messages = request.config.stash[MESSAGES]
    server.keep = bool(os.environ.get("NO_TEARDOWN"))
    failed_before = request.session.testsfailed
    started = False
    try:
        server.start()
        started = True
        yield server
    finally:
        if not started or request.session.testsfailed > failed_before:
            saved = LOGS / server.root.name
            shutil.copytree(server.log_dir, saved, dirs_exist_ok=True)
            messages.append(f"logs of {server.name}: {saved}")
            messages.extend(unhandled(saved))
        if server.keep and started:
            pids = " ".join(str(child.pid) for child in server.children.values() if child.running)
            messages.append(f"{server.name} keeps running: {server.root} (processes {pids})")
        else:
            server.stop()


@pytest.fixture(scope="module")
def start_server(request: pytest.FixtureRequest) -> Iterator[Callable[[AnyServer], AnyServer]]:
    """`start_server(SwiftCluster(encryption=True))` starts a server and stops it after the module."""
    with ExitStack() as stack:
        yield lambda server: stack.enter_context(running(server, request))


@pytest.fixture(scope="session")
def swift(request: pytest.FixtureRequest) -> Iterator[SwiftCluster]:
    """A Swift of one node for the whole run, with policies gold (the default) and silver."""
    with running(SwiftCluster(), request) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def shunted(request: pytest.FixtureRequest) -> Iterator[Shunted]:
    """A Swift of one node whose proxy has the middleware, with short time-outs and small objects."""
    server = Shunted(options={"remote_timeout": 2}, constraints={"max_file_size": 8 << 20})
    with running(server, request) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def swift3(request: pytest.FixtureRequest) -> Iterator[SwiftCluster]:
    """A Swift of three nodes and three replicas; a test that stops a node starts it again."""
    with running(SwiftCluster(nodes=3), request) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def nodes(request: pytest.FixtureRequest) -> Iterator[SwiftCluster]:
    """A Swift of three nodes for the whole run; no test stops one."""
    with running(SwiftCluster(nodes=3), request) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def keystone(request: pytest.FixtureRequest) -> Iterator[Keystone]:
    """With a Swift behind it, which takes its tokens."""
    with running(Keystone(), request) as service, running(service.swift(600), request) as cluster:
        service.tell_of(cluster)
        yield service


@pytest.fixture(scope="session")
def moto(request: pytest.FixtureRequest) -> Iterator[MotoServer]:
    with running(MotoServer(), request) as server:
        yield server


@pytest.fixture(scope="session")
def rclone(request: pytest.FixtureRequest) -> Iterator[RcloneS3]:
    with running(RcloneS3(), request) as server:
        yield server


@pytest.fixture(scope="session")
def gcs() -> Iterator[FakeGcs]:
    """A strict Google Cloud Storage in this process, and its tokens."""
    with FakeGcs() as server:
        yield server


@pytest.fixture(scope="session")
def emulator(request: pytest.FixtureRequest) -> Iterator[GcsEmulator]:
    with running(GcsEmulator(), request) as server:
        yield server


@pytest.fixture(scope="session")
def google() -> Iterator[FakeGoogle]:
    """A thread of this process: it has no logs."""
    with FakeGoogle() as server:
        yield server


@pytest.fixture(scope="session")
def azurite(request: pytest.FixtureRequest) -> Iterator[Azurite]:
    """Only where it could be installed: what asks for it must be left out elsewhere, as the summary says."""
    with running(Azurite(), request) as server:
        yield server


@pytest.fixture(scope="session")
def azure() -> Iterator[FakeAzure]:
    """The strict blob service in this process."""
    with FakeAzure() as server:
        yield server


@pytest.fixture(scope="session")
def ceph(request: pytest.FixtureRequest) -> Iterator[CephGateway]:
    """Only where its programs are: what asks for it must be left out elsewhere, as the summary says."""
    with running(CephGateway(), request) as server:
        yield server


@pytest.fixture(scope="session")
def ceph_with_small_parts(request: pytest.FixtureRequest) -> Iterator[CephGateway]:
    """Parts can be of any size, as with the S3 API of Swift."""
    with running(CephGateway(min_part=1), request) as server:
        yield server


@pytest.fixture
def container_name() -> str:
    """A name that no other test uses, good for a container and for a bucket."""
    return f"test-{uuid4().hex[:16]}"
