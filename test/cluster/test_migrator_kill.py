"""The migrator is killed in the middle of its work, or told to end, or works while clients write."""

from __future__ import annotations

import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.proxy import FaultProxy, waits_for
from servers.migrator import Migrator, S3Migration
from servers.pair import Store
from servers.process import wait_until
from servers.swift import SwiftCluster

NAMES = [f"o{number:02}" for number in range(30)]
CHUNK = 10
WORKERS = 4

PREPARE = "s3_sync.migrate.containers:Containers.prepare"
LIST = "s3_sync.providers.s3.bucket:S3Bucket.list_objects"
GET = "s3_sync.providers.s3.bucket:S3Bucket.get_object"
PUT = "s3_sync.cluster.object_writer:ObjectWriter.put_object"
SAVE = "s3_sync.state.migration_status:MigrationStatuses.save_pass"
WRITE = "s3_sync.state.atomic:sync_directory"
#: each process is killed later in its work than the one before
STEPS = [
    {"at": PREPARE},
    {"at": PREPARE, "moment": "after"},
    {"at": LIST, "moment": "after"},
    {"at": GET, "call": 2, "moment": "after"},
    {"at": PUT, "call": 3},
    {"at": PUT, "call": 3, "moment": "after"},
    {"at": SAVE},
    {"at": WRITE},
    {"at": SAVE, "moment": "after"},
]


@pytest.fixture
def migration(swift: SwiftCluster, moto_store: Store, proxy: FaultProxy) -> S3Migration:
    migration = S3Migration(swift, moto_store.behind(proxy.endpoint))
    for name in NAMES:
        migration.put(name, name.encode())
    return migration


@pytest.fixture
def store(moto_store: Store) -> Store:
    return moto_store


@pytest.fixture
def migrator(swift: SwiftCluster, migration: S3Migration, tmp_path: Path) -> Iterator[Migrator]:
    migrator = Migrator(swift, tmp_path / "migrator", [migration.entry], items_chunk=CHUNK, workers=WORKERS)
    yield migrator
    migrator.stop()


def content(migration: S3Migration) -> dict[str, bytes]:
    swift, container = migration.swift, migration.container
    return {name: swift.request("GET", container, name).body for name in swift.names(container)}


def repeated(proxy: FaultProxy, migration: S3Migration) -> int:
    """Downloads beyond the first of each object."""
    start = f"/{migration.bucket}/o"
    read = Counter(call.path for call in proxy.calls("GET") if call.path.startswith(start))
    return sum(times - 1 for times in read.values())


def test_kill_at_each_step_of_a_pass_loses_nothing_and_repeats_what_was_in_flight(
    migration: S3Migration, migrator: Migrator, proxy: FaultProxy
) -> None:
    for step in STEPS:
        before = repeated(proxy, migration)
        migrator.alter(kill=step)
        assert migrator.once().returncode == -signal.SIGKILL, step
        assert repeated(proxy, migration) - before <= WORKERS, step
        assert len(migrator.statuses()) <= 1, step  # it can be read
    migrator.alter()
    done = migrator.once()
    assert done.returncode == 0, migrator.log_text()
    assert content(migration) == {name: name.encode() for name in NAMES}
    assert [path.name for path in migrator.status_file.parent.iterdir() if "tmp" in path.name] == []


def test_sigterm_lets_objects_in_flight_end(
    migration: S3Migration, migrator: Migrator, proxy: FaultProxy
) -> None:
    told = threading.Event()
    rule = proxy.when(waits_for(told), method="GET", key="/o")
    process = migrator.start()
    wait_until(lambda: rule.hits == WORKERS, 30, "downloads")
    process.signal(signal.SIGTERM)
    threading.Timer(0.5, told.set).start()
    assert process.wait(30) == 0
    read = {call.path.rpartition("/")[2] for call in proxy.calls("GET", key="/o")}
    assert content(migration) == {name: name.encode() for name in read}
    assert len(read) < len(NAMES), "nothing begins any more"


def test_writes_of_clients_while_objects_are_copied_are_neither_lost_nor_undone(
    migration: S3Migration, migrator: Migrator
) -> None:
    """Clients write where the source does not, and after it."""
    theirs, swift, container = NAMES[::2], migration.swift, migration.container
    truth: dict[str, bytes | None] = {name: name.encode() for name in NAMES}
    colours: dict[str, str] = {}
    swift.put_container(container)
    migrator.start()
    chosen = random.Random(1)
    for number in range(150):
        name = chosen.choice(theirs)
        what = chosen.choice(["put", "put", "post", "delete"])
        headers = {"X-Object-Meta-Colour": f"{number}"}
        if what == "put":
            truth[name] = b"%d" % number
            swift.put(container, name, b"%d" % number, headers)
            colours[name] = f"{number}"
        elif what == "delete":
            if swift.ask("DELETE", container, name).status // 100 == 2:
                truth[name] = None
                colours.pop(name, None)
        elif swift.ask("POST", container, name, headers=headers).status // 100 == 2:
            colours[name] = f"{number}"
        if number % 10 == 0:
            other = chosen.choice(NAMES[1::2])
            truth[other] = b"%d there" % number
            migration.put(other, b"%d there" % number)
    there = {name: body for name, body in truth.items() if body is not None}
    wait_until(lambda: content(migration) == there, 30, "the last changes")
    for name, colour in colours.items():
        assert swift.request("HEAD", container, name).headers["x-object-meta-colour"] == colour
