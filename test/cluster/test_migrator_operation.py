"""How the migrator is operated: signals, changes of its file, pauses, budgets, and what it reports."""

from __future__ import annotations

import json
import re
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from faults.proxy import FaultProxy, waits_for
from s3_sync.config.load import load_migrator
from s3_sync.state.controls import Controls
from servers.metrics import MetricsOf
from servers.migrator import Migration, Migrator, NewMigrator, S3Migration, WholeAccount
from servers.pair import Store
from servers.process import wait_until
from servers.swift import SwiftCluster

PREFIX = "swift_s3_migrator_"


@pytest.fixture
def metrics() -> Iterator[MetricsOf]:
    metrics = MetricsOf()
    yield metrics
    metrics.close()


def arrived(migrator: Migrator, migration: Migration, *names: str) -> None:
    """Swift's proxy remembers a container that it did not find: it is asked when the container is there."""
    label = f"{migration.swift.account}/{migration.container}: created"
    wait_until(lambda: label in migrator.log_text(), 30, label)
    wait_until(lambda: migration.swift.names(migration.container) == list(names), 30, f"arrival of {names}")


def test_stopped_migrator_breaks_off_what_hangs_and_goes_on_where_it_was(
    swift: SwiftCluster, moto_store: Store, new_migrator: NewMigrator
) -> None:
    never = threading.Event()
    with FaultProxy.before(moto_store.endpoint) as proxy:
        migration = S3Migration(swift, moto_store.behind(proxy.endpoint))
        for name in ("a", "hangs", "z"):
            migration.put(name)
        migrator = new_migrator(migration)
        migrator.alter(values={"s3_sync.daemon.daemon:GRACE": 1.0})
        proxy.when(waits_for(never), method="GET", key="hangs")
        child = migrator.start()
        arrived(migrator, migration, "a", "z")
        began = time.monotonic()
        child.signal(signal.SIGTERM)
        assert child.wait(10) == 0
        assert time.monotonic() - began < 5
        assert "Traceback" not in child.log.read_text() + migrator.log_text()
        never.set()
        proxy.heal()
        migrator.alter()
        before = len(proxy.calls("GET"))
        assert migrator.once().returncode == 0, migrator.log_text()
        arrived(migrator, migration, "a", "hangs", "z")
        read = [call.path.rpartition("/")[2] for call in proxy.calls("GET")[before:]]
        assert [name for name in read if name in ("a", "hangs", "z")] == ["hangs"]


def test_reload_adds_changes_and_removes_migrations(
    swift: SwiftCluster, moto_store: Store, new_migrator: NewMigrator
) -> None:
    first, second = S3Migration(swift, moto_store), S3Migration(swift, moto_store)
    first.put("o1")
    second.put("o1")
    migrator = new_migrator()
    child = migrator.start()

    def says(what: str, times: int = 1) -> None:
        wait_until(lambda: migrator.log_text().count(what) >= times, 30, what)

    def use(*migrations: Migration) -> None:
        migrator.settings["migrations"] = [each.entry for each in migrations]
        migrator.write()
        child.signal(signal.SIGHUP)

    says("idle until the configuration names some")
    use(first)
    arrived(migrator, first, "o1")
    migrator.config.write_text('{"migrations": [')
    child.signal(signal.SIGHUP)
    says("the running configuration is unchanged")
    first.put("o2")
    arrived(migrator, first, "o1", "o2")
    first.entry["prefix"] = "p/"
    use(first, second)
    arrived(migrator, second, "o1")
    for name in ("o3", "p/o"):
        first.put(name)
    arrived(migrator, first, "o1", "o2", "p/o")
    use(second)
    says("1 mappings (0 new, 1 removed, 0 changed)")
    first.put("p/late")
    second.put("o2")
    arrived(migrator, second, "o1", "o2")
    arrived(migrator, first, "o1", "o2", "p/o")
    assert "Traceback" not in migrator.log_text()


def test_metrics_recon_file_and_status_agree_and_a_pause_stops_copies(
    swift: SwiftCluster, moto_store: Store, new_migrator: NewMigrator, metrics: MetricsOf
) -> None:
    migration = S3Migration(swift, moto_store)
    migration.put("a", b"12345")
    migration.put("b", b"123")
    migrator = new_migrator(migration, **metrics.settings)
    migrator.alter(values={"s3_sync.daemon.monitor:UPDATE_INTERVAL": 0.2})
    migrator.start()
    here = {"account": migration.swift.account, "container": migration.container}

    def value(name: str, **labels: str) -> float:
        return metrics.read().sum(PREFIX + name, **here, **labels)

    wait_until(lambda: value("phase", phase="ready to cut over") == 1, 30, "a clean pass")
    assert (value("copied_objects_total"), value("copied_bytes_total")) == (2, 8)
    assert value("objects_total", outcome="copied") == 2
    assert value("read_bytes_total") == 8
    assert 0 <= time.time() - value("last_clean_pass_timestamp_seconds") < 60
    status = json.loads(migrator.run("--status", "--json").stdout)
    assert status["migrations"][0]["copied_objects"] == 2
    recon = json.loads((migrator.status_dir / "swift-s3-migrator-0.recon").read_text())
    assert recon["mappings"][0]["progress"]["phase"] == "ready to cut over"

    settings = load_migrator(migrator.config).settings
    assert settings is not None
    controls = Controls(settings.status_dir)
    controls.pause(settings.mappings[0])
    wait_until(lambda: value("phase", phase="paused") == value("paused") == 1, 30, "the pause")
    turns = value("turns_total")
    migration.put("c")
    wait_until(lambda: value("turns_total") >= turns + 4, 30, "further turns")
    assert migration.swift.names(migration.container) == ["a", "b"]
    controls.resume(settings.mappings[0])
    arrived(migrator, migration, "a", "b", "c")


def test_deletes_that_wait_and_a_source_that_is_gone_show_in_metrics(
    swift: SwiftCluster, moto_store: Store, new_migrator: NewMigrator, metrics: MetricsOf
) -> None:
    empty, gone = S3Migration(swift, moto_store), S3Migration(swift, moto_store)
    for migration in (empty, gone):
        migration.put("a")
    migrator = new_migrator(empty, gone, **metrics.settings)
    migrator.alter(values={"s3_sync.daemon.monitor:UPDATE_INTERVAL": 0.2})
    assert migrator.once().returncode == 0
    for migration in (empty, gone):
        migration.s3.delete_object(Bucket=migration.bucket, Key="a")
    gone.s3.delete_bucket(Bucket=gone.bucket)
    migrator.start()

    def value(migration: Migration, name: str, **labels: str) -> float:
        return metrics.read().sum(PREFIX + name, container=migration.container, **labels)

    wait_until(lambda: value(empty, "deletes_held") == 1, 30, "deletes that wait")
    wait_until(lambda: value(gone, "phase", phase="blocked") == 1, 30, "a source that is gone")
    assert value(gone, "troubled") == 1
    assert value(gone, "objects_failing", reason="remote_not_found") == 1
    for migration in (empty, gone):
        assert migration.swift.names(migration.container) == ["a"]
    gone.s3.create_bucket(Bucket=gone.bucket)
    gone.put("a")


def test_budget_slows_a_migration_down_and_a_closed_one_stops_it(
    swift: SwiftCluster, moto_store: Store, new_migrator: NewMigrator
) -> None:
    """300 kB at 100 kB a second, the first 100 kB free."""
    slow = S3Migration(swift, moto_store, budget={"bytes_per_second": 100_000})
    never = [{"days": "mon-sun", "from": "00:00", "to": "24:00", "requests_per_second": 0}]
    closed = S3Migration(swift, moto_store, budget={"timezone": "UTC", "timetable": never})
    slow.put("large", b"x" * 300_000)
    closed.put("a")
    migrator = new_migrator(slow, closed)
    migrator.start()
    began = time.monotonic()
    arrived(migrator, slow, "large")
    assert time.monotonic() - began > 1.0
    wait_until(
        lambda: "nothing is started until the timetable allows it" in migrator.log_text(), 20, "a line"
    )
    assert f"{closed.container}: created" not in migrator.log_text()
    closed.entry["budget"] = {"requests_per_second": 1000}
    migrator.write()
    arrived(migrator, closed, "a")


def counters(listener: socket.socket) -> Counter[str]:
    counted: Counter[str] = Counter()
    while True:
        try:
            packet = listener.recv(65536).decode()
        except BlockingIOError:
            return counted
        for line in packet.splitlines():
            name, _, value = line.partition(":")
            counted[name] += int(value.removesuffix("|c"))


def test_counters_in_statsd_have_the_names_of_earlier_versions(
    swift: SwiftCluster, new_migrator: NewMigrator
) -> None:
    """Each container of an account has its own, as if it were migrated alone."""
    account = WholeAccount(swift)
    for container in ("one", "t.wo"):
        account.source.put_container(container)
    account.source.put("one", "a", b"12345")
    account.source.put("one", "b", b"")
    account.source.put("t.wo", "a", b"123")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.setblocking(False)
        migrator = new_migrator(account, statsd_prefix="1space.mig")
        migrator.settings |= {"statsd_host": "127.0.0.1", "statsd_port": listener.getsockname()[1]}
        done = migrator.once("--console")
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        found = counters(listener)
    endpoint = quote(account.entry["aws_endpoint"], safe="").replace(".", "%2E")
    prefix = f"1space.mig.{endpoint}.{account.swift.account}"
    expected: dict[str, Any] = {}
    for name, objects, size in (("one", 2, 5), ("t%2Ewo", 1, 3)):
        here = f"{prefix}.{name}.{name}"
        expected |= {f"{here}.scanned": objects, f"{here}.copied_objects": objects, f"{here}.bytes": size}
    assert found == expected
    logged_to_the_console_alone(migrator, done.stderr)


def logged_to_the_console_alone(migrator: Migrator, text: str) -> None:
    form = re.compile(
        r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\] (swift-s3-migrator|s3-sync[\w.]*) \[(INFO|WARNING)\]: .+"
    )
    lines = text.splitlines()
    assert lines
    assert [line for line in lines if not form.fullmatch(line)] == []
    assert " swift-s3-migrator [INFO]: swift-s3-migrator " in text
    assert not migrator.log.exists()
