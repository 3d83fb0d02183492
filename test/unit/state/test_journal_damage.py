"""A journal that is damaged, cannot be written, or is killed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from s3_sync.errors import StateError
from s3_sync.state.journal import (
    Journal,
    Settlement,
)
from unit.state.entries import M, failed, failure, minutes, names, settled, stamp


class TestDamage:
    @pytest.mark.parametrize("how", ["not a database", "torn page", "torn header"])
    def test_damaged_journal_is_set_aside_with_its_wal_file(self, path: str, how: str) -> None:
        journal = Journal(path, minutes)
        journal.settle(M, failed(*(failure(f"name{number}" * 20) for number in range(500))), 0.0)
        uuid = journal.uuid
        journal.close()
        journal = Journal(path, minutes)
        journal.settle(M, settled("name7" * 20), 0.0)
        wal = Path(f"{path}-wal").read_bytes()
        journal.close()
        content = bytearray(Path(path).read_bytes())
        if how == "torn page":
            content[8192:40960] = os.urandom(32768)
        elif how == "torn header":
            content[16:100] = os.urandom(84)
        else:
            content = bytearray(b"this is no database\n" * 1000)
        Path(path).write_bytes(content)
        Path(f"{path}-wal").write_bytes(wal)  # as after a crash: it belongs to the damaged file
        again = Journal(path, minutes)
        assert again.uuid != uuid
        assert names(again) == []
        assert Path(f"{path}.corrupted.1").read_bytes()[:8192] == bytes(content)[:8192]
        again.settle(M, failed(failure("a")), 0.0)
        again.close()
        assert names(Journal(path, minutes)) == ["a"]

    def test_journal_that_replaces_a_damaged_one_survives_a_crash(self, path: str) -> None:
        """Its commits are in a -wal file, which must not be set aside with the damaged journal."""
        Path(path).write_bytes(b"this is no database\n" * 1000)
        again = Journal(path, minutes)
        again.settle(M, failed(failure("a")), 0.0)
        copy = Path(f"{path}-copy")
        for each in ("", "-wal"):
            Path(f"{copy}{each}").write_bytes(Path(f"{path}{each}").read_bytes())
        assert names(Journal(str(copy), minutes)) == ["a"]
        again.close()

    def test_journal_that_cannot_be_opened_raises_state_error(self, tmp_path: Path) -> None:
        with pytest.raises(StateError, match="cannot open the journal"):
            Journal(str(tmp_path / "missing" / "journal"), minutes)
        (tmp_path / "directory").mkdir()
        with pytest.raises(StateError, match="cannot open the journal"):
            Journal(str(tmp_path / "directory"), minutes)
        assert sorted(os.listdir(tmp_path)) == ["directory"]

    @pytest.mark.parametrize("change", ["ADD COLUMN later TEXT", "RENAME COLUMN detail TO text"])
    def test_journal_of_another_version_is_refused_and_kept(
        self, path: str, journal: Journal, change: str
    ) -> None:
        journal.settle(M, failed(failure("a")), 0.0)
        journal._db.execute(f"ALTER TABLE unsettled {change}")
        journal._db.execute("CREATE TABLE later (anything)")
        journal.close()
        with pytest.raises(StateError, match="its table unsettled is that of another version"):
            Journal(path, minutes)
        assert os.path.exists(path)
        assert not os.path.exists(f"{path}.corrupted.1")

    def test_settle_on_a_full_disk_raises_and_changes_nothing(self, path: str, journal: Journal) -> None:
        journal.settle(M, failed(failure("before")), 0.0)
        pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
        journal._db.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(StateError, match="full"):
            journal.settle(
                M,
                Settlement([failure(f"name{number}" * 50) for number in range(500)], [("before", stamp(9))]),
                0.0,
            )
        assert names(journal) == ["before"]
        assert journal.has(M, "before")
        journal._db.execute("PRAGMA max_page_count = 100000")
        journal.settle(M, failed(failure("after")), 0.0)
        assert names(journal) == ["after", "before"]

    def test_every_call_on_a_closed_journal_raises_state_error(self, journal: Journal) -> None:
        journal.settle(M, failed(failure("a")), 0.0)
        journal.close()
        reads = [
            lambda: journal.window(M, "db"),
            lambda: journal.unsettled(M),
            lambda: journal.due_objects(M, 1e9, 1),
            lambda: journal.due_ranges(M, "db", 1e9),
            lambda: journal.next_range(M, "db"),
            lambda: journal.counts(M),
            lambda: journal.settle(M, settled("a"), 0.0),
            lambda: journal.open_window(M, "db", 1),
            lambda: journal.retry_now(M, ["x"], 1.0),
            lambda: journal.reset(M),
        ]
        for act in reads:
            with pytest.raises(StateError):
                act()

    def test_settle_in_a_locked_journal_raises_and_works_after_unlock(
        self, path: str, journal: Journal
    ) -> None:
        journal._db.execute("PRAGMA busy_timeout = 10")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateError, match="locked"):
            journal.settle(M, failed(failure("a")), 0.0)
        assert not journal.has(M, "a")
        other.execute("ROLLBACK")
        other.close()
        journal.settle(M, failed(failure("a")), 0.0)
        assert names(journal) == ["a"]


_WRITER = """
import sys
from s3_sync.state.journal import DueRange, Journal, PRIMARY, RETRY, Settlement, Unsettled
journal = Journal(sys.argv[1], lambda attempts: 1.0)
number = 0
while True:
    number += 1
    entries = [
        Unsettled(f"{number}-{each}", RETRY, 0, False, "1", "1", 1, "r", "d" * 200) for each in range(50)
    ]
    journal.open_window("m", "db", number)
    journal.settle("m", Settlement(entries, later=[DueRange("db", PRIMARY, number, number, 1.0)]), 1.0)
    print(number, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 7, 30])
def test_journal_of_a_killed_process_has_every_reported_batch(path: str, lines: int) -> None:
    """Whatever was reported as written is there; the batch in flight is there whole or not at all."""
    with subprocess.Popen([sys.executable, "-c", _WRITER, path], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for _ in range(lines):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        told = [lines, *(int(line) for line in child.stdout.read().split())][-1]
    journal = Journal(path, minutes)
    found = {entry.name for entry in journal.unsettled("m", limit=10**6)}
    done = len(found) // 50
    assert told <= done <= told + 1
    assert found == {f"{number}-{each}" for number in range(1, done + 1) for each in range(50)}
    assert len(journal.due_ranges("m", "db", 9.0)) == done
    assert done <= journal.window("m", "db") <= done + 1
    journal.close()
