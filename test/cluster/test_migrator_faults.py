"""Every kind of request to a source, with every fault that it can meet.

Each has a migration of its own, all in one migrator: the first pass and one over changes meet the fault each
time, and the same again does not.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path

import pytest

from faults.listings import lists_nothing
from faults.proxy import (
    Call,
    Fault,
    FaultProxy,
    answers,
    cut_short,
    garbles,
    promises_less,
    promises_more,
    reset_before,
    stalls,
    stalls_within,
)
from s3_sync.state.paths import migration_failures_path
from servers.migrator import Migrator, S3Migration, SwiftMigration
from servers.pair import Store
from servers.raw_swift import RawSwift
from servers.swift import SwiftCluster

#: seconds that the migrator waits for an answer
PATIENCE = 1.0
LIST, GET, HEAD, HEAD_BUCKET = "LIST", "GET", "HEAD", "HEAD of the bucket"
EVERY, WITH_BODY = (LIST, GET, HEAD, HEAD_BUCKET), (LIST, GET)
FAULTS: Mapping[str, tuple[Fault, tuple[str, ...]]] = {
    "503": (answers(503, "SlowDown"), EVERY),
    "403": (answers(403, "AccessDenied"), EVERY),
    "reset": (reset_before, (LIST, GET, HEAD)),
    "hangs": (stalls(PATIENCE * 2), (LIST, GET, HEAD)),
    "hangs within": (stalls_within(PATIENCE * 2), WITH_BODY),
    "cut": (cut_short, WITH_BODY),
    "longer": (promises_more, WITH_BODY),
    "shorter": (promises_less, WITH_BODY),
    "garbled": (garbles, WITH_BODY),
    "empty": (lists_nothing, (LIST,)),
}
#: those that differ by the store, and those that matter most
OF_SWIFT = ("503", "403", "cut", "garbled", "empty")
#: why objects, or the container, could not be copied; remote_unavailable may be in all
REASONS = {
    "503": "remote_throttled",
    "403": "remote_denied",
    "garbled": "bad_digest",
    "shorter": "bad_digest",
}
NAMES = ("gone", "kept", "meta", "over")
BODIES = {name: f"the bytes of {name}".encode() for name in (*NAMES, "new")}
OTHER = b"other bytes"
FIRST = {name: md5(BODIES[name]).hexdigest() for name in NAMES}
THEN = {name: md5(BODIES[name]).hexdigest() for name in ("kept", "meta", "new")} | {
    "over": md5(OTHER).hexdigest()
}


@dataclass
class Case:
    """``meets``: the kind of requests that fail."""

    fault: str
    meets: str
    migration: S3Migration | SwiftMigration
    proxy: FaultProxy

    def __str__(self) -> str:
        return f"{type(self.migration).__name__} {self.fault} of {self.meets}"

    def put(self, name: str, body: bytes, colour: str) -> None:
        if isinstance(self.migration, S3Migration):
            self.migration.put(name, body, Metadata={"colour": colour})
        else:
            headers = {"X-Object-Meta-Colour": colour}
            self.migration.source.put(self.migration.bucket, name, body, headers)

    def change(self) -> None:
        self.put("over", OTHER, "2")
        self.put("new", BODIES["new"], "1")
        bucket = self.migration.bucket
        if isinstance(self.migration, S3Migration):
            self.put("meta", BODIES["meta"], "2")
            self.migration.s3.delete_object(Bucket=bucket, Key="gone")
        else:
            self.migration.source.post(bucket, "meta", {"X-Object-Meta-Colour": "2"})
            self.migration.source.delete(bucket, "gone")

    def arm(self) -> None:
        self.proxy.when(FAULTS[self.fault][0], where=self._is_mine)

    def _is_mine(self, call: Call) -> bool:
        _, found, below = call.path.partition(f"/{self.migration.bucket}")
        if not found:
            return False
        kinds = (HEAD, HEAD_BUCKET) if call.method == "HEAD" else (GET, LIST)
        return self.meets == kinds[not below.strip("/")]

    def content(self) -> dict[str, str]:
        """name -> MD5 of all objects of the container."""
        answer = self.migration.swift.ask("GET", self.migration.container, query="format=json")
        listed = json.loads(answer.body) if answer.status == 200 else []
        return {each["name"]: each["hash"] for each in listed}

    def colour(self, name: str) -> str:
        answer = self.migration.swift.request("HEAD", self.migration.container, name)
        return answer.headers["x-object-meta-colour"]


@pytest.fixture
def cases(swift: SwiftCluster, moto_store: Store) -> Iterator[list[Case]]:
    with ExitStack() as stack:
        s3 = stack.enter_context(FaultProxy.before(moto_store.endpoint))
        other = stack.enter_context(FaultProxy.before(swift.s3_endpoint))
        source = RawSwift(swift, "test2:tester2")
        made = []
        for fault, (_, kinds) in FAULTS.items():
            for kind in kinds:
                by_s3 = S3Migration(swift, moto_store.behind(s3.endpoint))
                made.append(Case(fault, kind, by_s3, s3))
                if fault in OF_SWIFT:
                    by_swift = SwiftMigration(swift, source, other.endpoint)
                    made.append(Case(fault, kind, by_swift, other))
        yield made


@pytest.fixture
def migrator(swift: SwiftCluster, cases: list[Case], tmp_path: Path) -> Iterator[Migrator]:
    entries = [case.migration.entry for case in cases]
    migrator = Migrator(swift, tmp_path / "migrator", entries, workers=16)
    migrator.alter(retries={"attempts": 2, "base": 0.05})
    yield migrator
    migrator.stop()


def failed(migrator: Migrator) -> dict[str, dict[str, str]]:
    """container -> name -> reason; no name is the container itself."""
    found: dict[str, dict[str, str]] = {}
    path = migration_failures_path(f"{migrator.status_file}.d")
    with closing(sqlite3.connect(path)) as db:
        for key, name, reason in db.execute("SELECT mapping, name, reason FROM failures"):
            found.setdefault(key.partition("#")[0].partition("/")[2], {})[name] = reason
    return found


def wait_for_answers(migrator: Migrator, seconds: float) -> None:
    for entry in migrator.settings["migrations"]:
        entry["read_timeout"] = seconds


def run(
    migrator: Migrator, cases: list[Case], wanted: Mapping[str, str], check: Callable[[Case], None]
) -> None:
    """A run with faults, which are on record or have done no harm, and one without."""
    for case in cases:
        case.arm()
    wait_for_answers(migrator, PATIENCE)
    done = migrator.once()
    assert done.returncode == 1, done.stderr
    on_record = failed(migrator)
    for case in cases:
        check(case)
        reasons = set(on_record.get(case.migration.container, {}).values())
        if not reasons and case.fault != "empty":  # which nobody can notice
            assert case.content() == wanted, str(case)
        expected = {REASONS.get(case.fault), "remote_unavailable", "remote_listing"}
        assert reasons <= expected, f"{case}: {reasons}"
    for case in cases:
        case.proxy.heal()
    wait_for_answers(migrator, 30.0)
    done = migrator.once()
    assert done.returncode == 0, f"{failed(migrator)} {migrator.log_text()[-3000:]}"
    assert failed(migrator) == {}
    for case in cases:
        assert case.content() == wanted, str(case)


def test_source_with_every_fault_leads_to_nothing_wrong_and_is_copied_when_it_is_well(
    cases: list[Case], migrator: Migrator
) -> None:
    for case in cases:
        for name in NAMES:
            case.put(name, BODIES[name], "1")

    def check_part(case: Case) -> None:
        assert case.content().items() <= FIRST.items(), str(case)

    def check_mixture(case: Case) -> None:
        found = case.content()
        assert found.items() <= THEN.items() | FIRST.items(), str(case)
        assert {"kept", "meta", "over"} <= found.keys(), str(case)

    run(migrator, cases, FIRST, check_part)
    for case in cases:
        case.change()
    run(migrator, cases, THEN, check_mixture)
    for case in cases:
        assert [case.colour(name) for name in ("kept", "meta", "over")] == ["1", "2", "2"], str(case)
    assert "Traceback" not in migrator.log_text()
