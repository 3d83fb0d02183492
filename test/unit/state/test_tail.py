"""Whether a cursor is still that of its rows, whatever Swift and a backup do to a database."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3_sync.model.rows import Row
from s3_sync.model.timestamps import Timestamp
from s3_sync.state.tail import LENGTH, Tail


class Database:
    """One row for each name; an event gives it a new number and the next second."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.last, self.now = 0, 1000

    def write(self, name: str) -> None:
        self.last, self.now = self.last + 1, self.now + 1
        when = Timestamp.from_seconds(self.now)
        self.rows[name] = Row(self.last, name, when, when, 1, "", "", False, 0)

    def up_to(self, cursor: int) -> list[Row]:
        found = [row for row in self.rows.values() if row.rowid <= cursor]
        return sorted(found, key=lambda row: -row.rowid)[:LENGTH]

    def tail(self, cursor: int) -> Tail:
        return Tail.of(self.up_to(cursor), self.newest(cursor))

    def newest(self, cursor: int) -> Timestamp:
        found = [row.timestamp for row in self.rows.values() if row.rowid <= cursor]
        return max(found, default=Timestamp(0))


#: the name of a new version, or, where it begins with "-", of one that Swift forgets
CHANGES = st.lists(st.sampled_from([f"{kind}{n}" for kind in ("", "", "-") for n in range(20)]), max_size=60)


def change(database: Database, changes: list[str]) -> None:
    for each in changes:
        if each.startswith("-"):
            database.rows.pop(each[1:], None)
        else:
            database.write(each)


@given(CHANGES, CHANGES, st.floats(0, 1))
def test_rows_that_come_and_vanish_keep_the_tail_valid(
    before: list[str], after: list[str], share: float
) -> None:
    database = Database()
    change(database, before)
    cursor = round(database.last * share)
    tail = database.tail(cursor)
    change(database, after)
    assert tail.is_of(database.up_to(cursor))


@given(CHANGES, CHANGES, CHANGES, st.floats(0, 1))
def test_restored_database_that_has_grown_again_is_recognised(
    saved: list[str], lost: list[str], written: list[str], share: float
) -> None:
    """Wherever there is a row up to the cursor that the cursor has not passed."""
    database = Database()
    change(database, saved)
    rows, backup = dict(database.rows), database.last
    change(database, lost)
    cursor = backup + round((database.last - backup) * share)
    tail = database.tail(cursor)
    database.rows, database.last = rows, backup
    change(database, written)
    unseen = any(backup < row.rowid <= cursor for row in database.rows.values())
    assert not (unseen and tail.is_of(database.up_to(cursor)))


def test_database_without_remembered_rows_is_known_by_age_of_its_highest() -> None:
    database = Database()
    change(database, ["first"])
    rows, backup = dict(database.rows), database.last
    change(database, [f"lost{number}" for number in range(2 * LENGTH)])
    cursor = database.last
    tail = database.tail(cursor)
    change(database, [f"lost{number}" for number in range(2 * LENGTH)])  # written again, behind the cursor
    assert [row.name for row in database.up_to(cursor)] == ["first"]
    assert tail.is_of(database.up_to(cursor))
    database.rows, database.last = rows, backup
    change(database, ["other"])
    assert [row.name for row in database.up_to(cursor)] == ["other", "first"]
    assert not tail.is_of(database.up_to(cursor))


def test_rows_brought_back_by_another_replica_are_known_by_their_order() -> None:
    """They are as old as what was lost; only what stands where it stood before is known."""
    database = Database()
    for name in "abcdefgh":
        database.write(name)
    rows, backup = dict(database.rows), database.last
    for name in "uvw":
        database.write(name)
    cursor, lost = database.last, [database.rows[name] for name in "uvw"]
    tail = database.tail(cursor)

    def again(*order: int) -> bool:
        brought = {lost[n].name: _numbered(lost[n], backup + 1 + place) for place, n in enumerate(order)}
        database.rows = {**rows, **brought}
        return tail.is_of(database.up_to(cursor))

    assert again(0, 1, 2)
    assert not again(0, 2, 1)
    assert not again(2)


def _numbered(row: Row, rowid: int) -> Row:
    return Row(rowid, row.name, row.data_timestamp, row.timestamp, 1, "", "", False, 0)


def test_tail_written_as_json_is_read_back_equal() -> None:
    database = Database()
    change(database, [str(n) for n in range(12)])
    tail = database.tail(11)
    assert Tail.from_json(json.loads(json.dumps(tail.to_json()))) == tail
    assert len(tail.rows) == LENGTH


@pytest.mark.parametrize(
    "value",
    [
        None, 1, [], "x", {}, {"rows": [], "newest": 5}, {"rows": 5, "newest": "1"},
        {"rows": [[1]], "newest": "1"},
        {"rows": [["x", "y"]], "newest": "1"}, {"rows": [[float("inf"), "y"]], "newest": "1"},
        {"rows": [[float("nan"), "y"]], "newest": "1"}, {"rows": [], "newest": "never"},
    ],
)  # fmt: skip
def test_from_json_of_malformed_value_gives_none(value: Any) -> None:
    assert Tail.from_json(value) is None
