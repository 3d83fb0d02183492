"""Local containers of an account-wide migration whose bucket is gone at the source."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from s3_sync.cluster.client_writer import ClientWriter
from s3_sync.config.settings import Mapping
from s3_sync.errors import LocalUnavailable
from s3_sync.migrate.containers import Containers
from s3_sync.migrate.deletes import Deletes, DeleteServices
from s3_sync.migrate.services import Context
from s3_sync.migrate.source_proof import MissingBucketProof, Verdict
from s3_sync.model.migration import ContainerState
from s3_sync.model.timestamps import iso_date_or_zero
from s3_sync.providers.base import Provider
from s3_sync.state.held_deletes import HeldDeletes

log = logging.getLogger("swift-s3-migrator")

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class _Entry:
    """See ``deletes.Listed``."""

    name: str
    last_modified: float


@dataclass(frozen=True, slots=True)
class Removal:
    """What became of a container. ``deleted``: objects; ``failed``: objects that could not be deleted."""

    deleted: int = 0
    failed: int = 0
    held: HeldDeletes | None = None


class GoneContainers:
    """Those of one account-wide migration."""

    def __init__(self, context: Context, mapping: Mapping, provider: Provider) -> None:
        self._context = context
        self._mapping = mapping
        self._provider = provider
        self._writer = ClientWriter(context.client, mapping.account)

    def remove(self, container: str) -> Removal:
        """Delete what a migration has written into a container and no client has touched, and the container
        itself if it was created by a migration, is empty then, and was changed by nobody else. Its state is
        SOURCE_DELETED otherwise; a container without a state belongs to clients.

        Does nothing unless the source says that the bucket is gone. Raises RemoteError, LocalUnavailable,
        StateError.
        """
        child = self._mapping.of_container(container)
        containers = Containers(self._context.client, self._provider, child, self._context.clock)
        state = containers.state(container)
        proof = MissingBucketProof(self._provider, container)
        if state in (None, ContainerState.SOURCE_DELETED):
            log.debug("%s is not at the source; it stays", child.label)
            return Removal()
        if proof.verdict() is not Verdict.PROVED:
            return Removal()
        removal = self._remove_objects(child, proof)
        is_done = not removal.held and not removal.failed and not self._context.halted(self._mapping)
        if is_done and not self._context.dry_run and proof.verdict() is Verdict.PROVED:
            self._conclude(containers, child)
        return removal

    def _remove_objects(self, child: Mapping, proof: MissingBucketProof) -> Removal:
        deletes = Deletes(DeleteServices.of(self._context, child), child, proof)
        share = self._context.division.share(child.account, child.bucket)
        deletes.nodes = share.nodes if share is not None else 1
        deletes.begin_pass()
        entries = self._entries(child)
        while not self._context.halted(self._mapping) and (page := list(islice(entries, _PAGE))):
            deletes.reconcile(child.container, page)
        return Removal(deletes.deleted, deletes.failed, deletes.end_pass())

    def _entries(self, child: Mapping) -> Iterator[_Entry]:
        prefix = "" if child.migration is None else child.migration.prefix
        for entry in self._context.client.objects(child.account, child.container, prefix):
            yield _Entry(entry["name"], iso_date_or_zero(entry["last_modified"]))

    def _conclude(self, containers: Containers, child: Mapping) -> None:
        if containers.state(child.container) is ContainerState.MIGRATING and self._delete(child.container):
            log.info("%s: deleted, as its bucket at the source", child.label)
            return
        containers.set_state(child.container, ContainerState.SOURCE_DELETED)
        log.info("%s: its bucket at the source is gone; clients' objects stay", child.label)

    def _delete(self, container: str) -> bool:
        """Returns False if it is not empty."""
        status, _ = self._writer.request("DELETE", container)
        if status // 100 == 2 or status == 404:
            return True
        if status == 409:
            return False
        raise LocalUnavailable(f"DELETE {self._mapping.account}/{container}: status {status}")
