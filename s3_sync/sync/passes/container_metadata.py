"""``sync_container_metadata``: the metadata of the remote container follows that of the local one.

The database has the container's metadata, the journal what was last sent of it. Where both agree, no request
is sent. A change is sent only if all replicas of the container have it: the one here may be that of a node
that was down.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from math import inf

from s3_sync.cluster.brokers import ContainerDb
from s3_sync.cluster.container_servers import ContainerServers
from s3_sync.errors import LocalError, SyncError
from s3_sync.model.container_metadata import ContainerMetadata, is_copied
from s3_sync.providers.base import Bucket
from s3_sync.state.container_records import ContainerRecord
from s3_sync.sync.passes.cursors import DatabaseScope

log = logging.getLogger("s3-sync")

#: seconds until replicas that differ are asked again: usually the change has just been made
REPLICATION_PAUSE = 10.0
#: so many times in a row they may differ before that is reported
REPLICATION_PATIENCE = 6


class ContainerMetadataPass:
    """The pass over one database. ``wake``: when to run again, even if the database has not changed."""

    def __init__(self, scope: DatabaseScope, bucket: Bucket, servers: ContainerServers) -> None:
        self._scope = scope
        self._mapping = mapping = scope.mapping
        self._acl = mapping.profile.sync_container_acl
        self._bucket = bucket
        self._servers = servers
        self._records = scope.journal.containers
        #: a handoff, or a database that is being sharded, is not the one that clients change
        self._is_source = not scope.is_handoff and not scope.replica.retiring
        self._tried = False
        self.wake = inf

    def is_due(self) -> bool:
        """Whether a failed attempt is due, perhaps because the operator wants it now."""
        return self.wake < inf and self._records.load(self._scope.key).next_try <= self._scope.now()

    def run(self, db: ContainerDb) -> bool:
        """Send the metadata if it has changed. Returns whether rows may be handled.

        They may not while users who have lost the right to read this container still have it at the remote.
        Raises StateError, LocalError.
        """
        mapping = self._mapping
        if not mapping.profile.sync_container_metadata:
            self._drop_failure()
            return True
        if not self._is_source or (db.account, db.container) != (mapping.account, mapping.container):
            return True
        wanted = ContainerMetadata.of(db.known_metadata(), self._acl)
        record = self._records.load(self._scope.key)
        reset = self._last_reset()
        if (wanted.digest, reset) == (record.digest, record.reset):
            self.wake = inf
            return True
        if self._is_now(record):
            record = self._send(wanted, record, reset)
        self.wake = record.next_try if record.attempts else inf
        return not (record.attempts and record.read_acl and record.read_acl != wanted.read_acl)

    def _drop_failure(self) -> None:
        """Drop a failure from before the option was switched off."""
        if not self._tried:
            self._tried = True
            record = self._records.load(self._scope.key)
            if record.attempts:
                self._records.save(self._scope.key, replace(record, attempts=0))

    def _is_now(self, record: ContainerRecord) -> bool:
        now = self._scope.now()
        if self._scope.once and not self._tried:
            self._tried = True
            return True
        return record.next_try <= now or record.last_failure > now  # the clock was set back

    def _send(self, wanted: ContainerMetadata, record: ContainerRecord, reset: str) -> ContainerRecord:
        mapping, label = self._mapping, self._mapping.label
        headers = wanted.changes(record.names, self._acl)
        try:
            self._servers.check_metadata(
                mapping.account, mapping.container, wanted.present, lambda name: is_copied(name, self._acl)
            )
            if headers:
                self._bucket.post_container(headers)
        except SyncError as error:
            failed = self._failed(record, error)
        else:
            names = tuple(sorted({*record.names, *wanted.present}))
            failed = ContainerRecord(wanted.digest, wanted.read_acl, names, reset)
            if headers:
                log.info("%s: sent the container's metadata: %s", label, ", ".join(sorted(headers)))
        self._records.save(self._scope.key, failed)
        return failed

    def _failed(self, record: ContainerRecord, error: SyncError) -> ContainerRecord:
        now = self._scope.now()
        failed = self._records.failed(record, now, error.reason, str(error))
        patience = 1
        if isinstance(error, LocalError):
            failed, patience = replace(failed, next_try=now + REPLICATION_PAUSE), REPLICATION_PATIENCE
        log.log(
            logging.ERROR if failed.attempts == patience else logging.DEBUG,
            "%s: failed to send the container's metadata: %s: %s",
            self._mapping.label, error.reason, error,
        )  # fmt: skip
        return failed

    def _last_reset(self) -> str:
        """The id of the last reset of the whole mapping."""
        resets = [each.id for each in self._scope.controls.resets(self._mapping) if not each.prefix]
        return max(resets, default="")
