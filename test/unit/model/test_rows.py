"""Rows of a container database, and whose they are."""

from __future__ import annotations

import pytest

from s3_sync.model.rows import Row, owner_ordinal, owns_row
from s3_sync.model.timestamps import Timestamp


@pytest.mark.parametrize(
    ("name", "number"),
    [("obj0", 12921105), ("obj1", 6298335), ("obj2", 7460496), ("über", 12473477), ("a/b/c", 3737552)],
)
@pytest.mark.parametrize("replicas", [1, 2, 3, 5, 16**6])
def test_owner_ordinal_is_the_known_hash_modulo_replicas(name: str, number: int, replicas: int) -> None:
    assert owner_ordinal(name, replicas) == number % replicas


def test_owns_row_is_true_for_one_of_the_replicas() -> None:
    for replicas in (1, 2, 3, 5):
        owners = [ordinal for ordinal in range(replicas) if owns_row("obj0", ordinal, replicas)]
        assert owners == [owner_ordinal("obj0", replicas)]


def test_owns_row_of_a_handoff_is_false() -> None:
    assert not owns_row("obj0", None, 1)
    assert not owns_row("obj0", None, 3)


def row_of(created_at: str = "1402464677.04188", deleted: int = 0) -> Row:
    etag = "900150983cd24fb0d6963f7d28e17f72"
    return Row.from_columns((7, "über", created_at, 3, "text/plain", etag, deleted, 1))


def test_record_of_a_put_gives_row_without_metadata_change() -> None:
    row = row_of()
    stamp = Timestamp.parse("1402464677.04188")
    assert row == Row(7, "über", stamp, stamp, 3, "text/plain", "900150983cd24fb0d6963f7d28e17f72", False, 1)
    assert not row.metadata_changed


def test_record_of_a_post_gives_later_timestamp_of_older_data() -> None:
    row = row_of(created_at="1402464677.04188+0+186a0")
    assert row.data_timestamp.internal == "1402464677.04188"
    assert row.timestamp.internal == "1402464678.04188"
    assert row.metadata_changed


def test_record_with_newest_content_type_gives_its_timestamp() -> None:
    row = row_of(created_at="1402464677.04188+186a0-2")
    assert row.timestamp.internal == "1402464678.04188"


def test_record_of_a_tombstone_keeps_its_offset() -> None:
    row = row_of(created_at="1402464677.04188_2", deleted=1)
    assert (row.deleted, row.policy, row.timestamp.offset) == (True, 1, 2)
