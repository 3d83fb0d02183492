"""What the deletes of all migrations of a process share."""

from __future__ import annotations

from dataclasses import dataclass

from s3_sync.cluster.client import LocalSwift
from s3_sync.cluster.guarded_delete import GuardedDelete
from s3_sync.cluster.newest import NewestState
from s3_sync.migrate.ownership import ClientObjects
from s3_sync.state import held_deletes, segment_cleanups
from s3_sync.state.held_deletes import HeldDeletesLedger
from s3_sync.state.journal_file import JournalFile
from s3_sync.state.segment_cleanups import SegmentCleanups


@dataclass(frozen=True, slots=True)
class DeleteState:
    """``file``: the journal of both ledgers."""

    removal: GuardedDelete
    file: JournalFile
    ledger: HeldDeletesLedger
    cleanups: SegmentCleanups
    clients: ClientObjects

    @classmethod
    def open(cls, path: str, newest: NewestState, client: LocalSwift) -> DeleteState:
        """``path``: of the journal. Raises StateError."""
        file = JournalFile(path, held_deletes.SCHEMA + segment_cleanups.SCHEMA)
        removal = GuardedDelete(newest, client)
        return cls(removal, file, HeldDeletesLedger(file), SegmentCleanups(file), ClientObjects())

    def close(self) -> None:
        self.file.close()
