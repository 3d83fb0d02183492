"""Containers with something in them for every operation, and a daemon that copies them through faults.

Each fault has a `Case`, a container of its own. `Matrix` knows when the daemon is done with all of them, and
what it says that it has done.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

from faults.proxy import Call, Fault, FaultProxy, Rule
from servers.daemon import SyncDaemon
from servers.large import Large
from servers.pair import Pair
from servers.process import wait_until

GONE = ["gone1", "gone2"]
#: what `fill` makes and `change` changes, and all names of both: each has one row, deleted or not
FILLED, CHANGED, ROWS = 5, 7, 7
STORED = ["meta", "new", "over", "slo", "slo meta"]

_SUMMARY = re.compile(r"(?P<label>\S+): scanned (?P<scanned>\d+): (?P<kinds>[^(\n]*)")


@dataclass
class Case:
    """One fault and its container. ``rules``: by operation."""

    fault: str
    large: Large
    rules: dict[str, Rule] = field(default_factory=dict)

    @property
    def pair(self) -> Pair:
        return self.large.pair

    @property
    def label(self) -> str:
        return f"{self.pair.swift.account}/{self.pair.container}"

    def possible_keys(self) -> set[str]:
        """All that may ever be in the bucket."""
        names = {*STORED, *GONE}
        return {self.pair.prefix + name for name in names} | {self.large.manifest_key(name) for name in names}

    def fill(self) -> None:
        self.segments = [self.large.segment(str(number), 1000 + number) for number in range(3)]
        for name in ("over", "meta", *GONE):
            self.pair.put(name, b"1")
        self.large.put_slo("slo meta", self.segments)

    def change(self) -> None:
        """Something for each operation."""
        self.pair.put("new", b"new")
        self.pair.put("over", b"2", {"X-Object-Meta-Colour": "blue"})
        self.pair.post("meta", {"X-Object-Meta-Colour": "red", "Content-Type": "text/red"})
        self.pair.post("slo meta", {"X-Object-Meta-Colour": "green"})
        self.large.put_slo("slo", self.segments)
        for name in GONE:
            self.pair.delete(name)

    def check(self) -> None:
        """Both sides agree."""
        assert sorted(self.pair.arrived()) == STORED
        for name in STORED:
            self.pair.check_object(name)
        for name in ("slo", "slo meta"):
            assert self.large.manifest(name) == self.large.raw_manifest(name)


@dataclass
class Matrix:
    """``runs``: what the daemon said at the end of each run, by mapping."""

    cases: Mapping[str, Case]
    daemon: SyncDaemon
    runs: list[dict[str, Counter[str]]] = field(default_factory=list)
    #: lines about failures of rows in each run, by mapping
    failures: list[Counter[str]] = field(default_factory=list)

    def start(self) -> int:
        """Returns its process id."""
        self._before = len(self.daemon.log_text())
        return self.daemon.start("--log-level", "debug").pid

    def settle(self) -> None:
        """Until every container has been read to its end, and nothing is left in the journal."""
        ends = [(case.pair, *case.pair.database()) for case in self.cases.values()]

        def is_read(pair: Pair, identity: str, last: int) -> bool:
            status = self.daemon.status(pair.swift.account, pair.container)
            return bool(status.get(identity, {}).get("last_row", -1) >= last)

        def settled() -> bool:
            # in this order: what a cursor has passed without success is in the journal by then
            return all(is_read(*end) for end in ends) and not self.daemon.unsettled()

        wait_until(settled, 240, "the end")

    def left_behind(self) -> int:
        """Uploads that the journal knows, or knows that there may be."""
        with closing(sqlite3.connect(self.daemon.status_dir / ".journal.sqlite")) as db:
            (count,) = db.execute(
                "SELECT (SELECT count(*) FROM uploads) + (SELECT count(*) FROM begins)"
            ).fetchone()
        return int(count)

    def let_a_day_pass(self) -> None:
        """Since uploads were listed, and since the store was asked to complete one."""
        with closing(sqlite3.connect(self.daemon.status_dir / ".journal.sqlite")) as db, db:
            db.execute("UPDATE meta SET value = '0.0' WHERE key LIKE 'uploads listed of %'")
            db.execute("UPDATE completions SET asked = asked - 86400")

    def stop(self) -> None:
        self.daemon.stop()
        log = self.daemon.log_text()[self._before :]
        self.runs.append({})
        for found in _SUMMARY.finditer(log):
            kinds = [word.rpartition(" ") for word in found["kinds"].strip().split(", ")]
            self.runs[-1][found["label"]] = Counter({name: int(count) for name, _, count in kinds})
            self.runs[-1][found["label"]]["scanned"] = int(found["scanned"])
        self.failures.append(Counter(re.findall(r"Failed to handle row \d+ \(.*?\) of (\S+?): ", log)))

    def check_counters(self, case: Case, *rows: int) -> None:
        """In each run every row was settled once, and every failure was counted and told."""
        for run, failures, expected in zip(self.runs, self.failures, rows, strict=True):
            counted = run[case.label]
            said = f"{dict(counted)}, {failures[case.label]} failures, {expected} rows"
            assert counted["scanned"] == expected + failures[case.label], said
            assert counted["pending"] == failures[case.label], said
            settled = [counted[kind] for kind in ("copied", "updated", "present", "deleted", "skipped")]
            assert sum(settled) == expected, said
            assert counted["failed"] == 0, said

    def check_connections(self) -> None:
        """Each one was given back, whatever happened to it; of both kinds of pools."""
        pools = Counter((self.daemon.directory / "in use").read_text().splitlines())
        assert pools.keys() == {"own 0", "SDK 0"}


def arm(
    proxy: FaultProxy,
    case: Case,
    fault: Fault,
    operations: Mapping[str, int | None],
    is_it: Callable[[Case, str, Call], bool],
) -> None:
    """From now on ``fault`` meets the first requests of these operations; None: all of them."""
    for name, times in operations.items():
        case.rules[name] = proxy.when(fault, times=times, where=partial(is_it, case, name))
