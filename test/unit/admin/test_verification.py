"""What is said to be on its way, and what that costs."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from s3_sync.admin.verification import _Container, _KeptObjects
from s3_sync.cluster.newest import Deleted, LocalState, Present
from s3_sync.errors import LocalUnavailable
from s3_sync.model.timestamps import Timestamp
from s3_sync.sync.backlog.position import RowPosition
from unit.sync.fake_node import CONTAINER, mapping

NOW = Timestamp.from_seconds(1_700_000_000.0)
PRESENT = Present(NOW, NOW, 0, {}, False, cast(Any, None))


class Account:
    """The names of an account's segments, as far as they are asked for. ``fails``: a walk does not end."""

    def __init__(self, *segments: str) -> None:
        self.segments = segments
        self.versioned = {"versions"}
        self.seen_until = float("-inf")
        self.walks = 0
        self.fails = False

    def names(self, account: str, only: str = "") -> Account:
        return self

    def has(self, container: str, name: str) -> bool:
        return name in self.segments

    def walk(self, now: float) -> Iterator[None]:
        self.walks += 1
        yield
        if self.fails:
            raise LocalUnavailable("no answer")
        self.seen_until = now


def kept(account: Account, **profile: Any) -> _KeptObjects:
    return _KeptObjects(mapping(**profile), cast(Any, account), lambda: NOW.seconds)


class TestKeptObjects:
    def test_several_names_cost_one_walk_of_the_account(self) -> None:
        account = Account("segment")
        found = kept(account, retain_local=False)
        assert "a segment of" in found.reason(CONTAINER, "segment")
        assert "versioned" in found.reason("versions", "o")
        assert found.reason(CONTAINER, "o") == ""
        assert account.walks == 1

    def test_mapping_that_retains_local_objects_walks_no_account(self) -> None:
        account = Account("segment")
        assert kept(account).reason(CONTAINER, "segment") == ""
        assert account.walks == 0

    def test_failed_walk_raises_for_every_name_without_another_walk(self) -> None:
        account = Account()
        account.fails = True
        found = kept(account, retain_local=False)
        for _ in range(3):
            with pytest.raises(LocalUnavailable, match="no answer"):
                found.reason(CONTAINER, "o")
        assert account.walks == 1


class TestPending:
    @pytest.fixture
    def account(self) -> Account:
        return Account("o")

    @pytest.fixture
    def rows(self) -> list[RowPosition]:
        return []

    def pending(self, account: Account, state: LocalState, rows: list[RowPosition]) -> str:
        site: Any = SimpleNamespace(
            backlog=SimpleNamespace(positions=lambda *_: (rows, [])),
            journal=SimpleNamespace(entry=lambda *_: None),
            settings=SimpleNamespace(verification_slack_seconds=60.0),
            now=lambda: NOW.seconds + 3600.0,
        )
        found = kept(account, retain_local=False)
        one = _Container(site, mapping(retain_local=False), cast(Any, None), found)
        return one._pending("o", state)

    def test_segment_whose_row_was_handled_is_pending_as_kept(
        self, account: Account, rows: list[RowPosition]
    ) -> None:
        rows.append(row("handled"))
        assert "a segment of" in self.pending(account, PRESENT, rows)

    def test_deleted_segment_is_not_pending_and_walks_no_account(
        self, account: Account, rows: list[RowPosition]
    ) -> None:
        rows.append(row("handled"))
        assert self.pending(account, Deleted(NOW), rows) == ""
        assert account.walks == 0

    def test_segment_whose_row_is_behind_is_pending_as_kept(
        self, account: Account, rows: list[RowPosition]
    ) -> None:
        rows.append(row("behind"))
        assert "a segment of" in self.pending(account, PRESENT, rows)
        assert self.pending(Account(), PRESENT, rows) == "its row has not been handled"


def row(position: str) -> RowPosition:
    return RowPosition("/db", True, 5, 5, NOW.internal, False, 0, position)
