"""What swift-s3-ctl uses of this daemon: it reads the same files, compares as the daemon would, and changes
nothing. Nothing else below ``s3_sync.sync`` is meant for other programs.

``BacklogReader``: what is outstanding on this node, and where the rows of one object are.
``DryRun``: what the daemon would do with one object.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from s3_sync.cluster.newest import Deleted, Present
from s3_sync.cluster.services import LocalObjects
from s3_sync.config.settings import Mapping
from s3_sync.model.outcomes import Outcome
from s3_sync.model.rows import Row
from s3_sync.providers.base import Bucket
from s3_sync.providers.wrappers.dry_run import DryRunBucket
from s3_sync.providers.wrappers.retry import RetryPolicy
from s3_sync.sync.backlog.count import listed_size, reset_rows
from s3_sync.sync.backlog.position import HANDLED, HELD, WAITS, RowPosition
from s3_sync.sync.backlog.reader import BacklogReader, MappingBacklog
from s3_sync.sync.rows.handler import RowHandler
from s3_sync.sync.rows.remote_state import Presumption
from s3_sync.sync.rows.upload_ledger import is_abandoned
from s3_sync.transfer.upload_session import TransferContext

__all__ = [
    "HANDLED",
    "HELD",
    "WAITS",
    "BacklogReader",
    "DryRun",
    "MappingBacklog",
    "RowPosition",
    "is_abandoned",
    "listed_size",
    "reset_rows",
]


class DryRun:
    """Handles objects of one mapping as the daemon would, and writes nothing.

    Objects that the mapping moves are only compared: a dry run neither makes a move nor waits for one.
    """

    def __init__(
        self, mapping: Mapping, bucket: Bucket, local: LocalObjects, now: Callable[[], float]
    ) -> None:
        copying = replace(mapping, profile=replace(mapping.profile, retain_local=True))
        dry_run = DryRunBucket(bucket, RetryPolicy(attempts=1).call)
        sending = TransferContext(dry_run, lambda size: None)
        self._handler = RowHandler(copying, sending, local, now)
        self._handler.check_all_policies()

    def handle(self, name: str, state: Present | Deleted) -> Outcome:
        """The outcome of a row for this state of the object. Never raises. Where the daemon would write, the
        reason is one of ``providers.wrappers.dry_run``."""
        if isinstance(state, Deleted):
            row = Row.of_version(name, state.timestamp, state.timestamp, policy=0, deleted=True)
        else:
            row = Row.of_version(name, state.data_timestamp, state.timestamp, policy=state.policy)
        return self._handler.handle(row, Presumption.UNKNOWN)
