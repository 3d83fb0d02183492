"""A source in memory, a local Swift in memory, and one migration between them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any, cast

from s3_sync.cluster.guarded_delete import GuardedDelete
from s3_sync.config.credentials.swift import SwiftCredentials
from s3_sync.config.secret import Secret
from s3_sync.config.settings import Mapping, MigrationOptions, Profile
from s3_sync.daemon.activity import Activity
from s3_sync.migrate.deletes import Deletes, DeleteServices
from s3_sync.migrate.division import Share
from s3_sync.migrate.ownership import ClientObjects
from s3_sync.migrate.services import Context
from s3_sync.migrate.source_proof import BucketProof
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import PutOptions
from s3_sync.providers.memory import MemoryProvider
from s3_sync.providers.memory_swift import MemorySwift
from s3_sync.runtime.concurrency import SerialPool
from s3_sync.state import held_deletes, segment_cleanups
from s3_sync.state.controls import Controls
from s3_sync.state.held_deletes import HeldDeletesLedger
from s3_sync.state.journal_file import JournalFile
from s3_sync.state.migration_failures import MigrationFailures
from s3_sync.state.migration_status import MigrationStatuses
from s3_sync.state.segment_cleanups import SegmentCleanups
from s3_sync.streams.reader import BytesBody
from unit.migrate.fake_local import FakeClock, FakeLocal

ACCOUNT = "AUTH_here"


class Source(MemorySwift):
    """A Swift that counts HEADs of its containers. ``broken``: raised instead of any answer."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock=clock.now)
        self.heads: list[str] = []
        self.broken: Exception | None = None

    def head_bucket(self, name: str) -> Any:
        self.heads.append(name)
        if self.broken:
            raise self.broken
        return super().head_bucket(name)

    def list_buckets(self) -> Any:
        if self.broken:
            raise self.broken
        return super().list_buckets()

    def set(self, name: str, **headers: str) -> None:
        """Create or change a container; names of headers have ``_`` for ``-``."""
        self.create_bucket(name)
        sent = {header.replace("_", "-"): value for header, value in headers.items()}
        self.bucket(name, KeyNamer.plain()).post_container(sent)

    def put(self, container: str, name: str) -> None:
        self.create_bucket(container)
        self.bucket(container, KeyNamer.plain()).put_object(name, BytesBody(b"x"), PutOptions(1))


class World:
    """``mapping``: bucket ``there`` to container ``here``."""

    def __init__(self, directory: Path, **options: Any) -> None:
        self.clock = FakeClock()
        self.local = FakeLocal(self.clock)
        self.source = Source(self.clock)
        self.stop = Event()
        self.controls = Controls(str(directory), self.clock.now, poll_interval=0.0)
        self.failures = MigrationFailures(str(directory / "failures"))
        self.statuses = MigrationStatuses(str(directory / "status.json"), self.clock.now)
        self.journal = JournalFile(str(directory / "deletes"), held_deletes.SCHEMA + segment_cleanups.SCHEMA)
        self.held = HeldDeletesLedger(self.journal)
        self.cleanups = SegmentCleanups(self.journal)
        self.clients = ClientObjects()
        self.removal = GuardedDelete(cast(Any, self.local), cast(Any, self.local))
        self.dry_run = False
        #: of this node, by bucket; every other is its own
        self.shares: dict[str, Share | None] = {}
        credentials = SwiftCredentials(
            provider="swift", endpoint="http://there/auth/v1.0", identity="mover", secret=Secret("key")
        )
        self.mapping = Mapping(
            account=ACCOUNT,
            container="here",
            bucket="there",
            credentials=credentials,
            profile=Profile(retain_local=False, propagate_delete=False),
            namer=KeyNamer.plain(),
            migration=MigrationOptions(**options),
        )

    @property
    def account_wide(self) -> Mapping:
        return replace(self.mapping, container="/*", bucket="")

    @property
    def context(self) -> Context:
        return cast(
            Context,
            SimpleNamespace(
                activity=Activity(),
                client=self.local,
                newest=self.local,
                division=SimpleNamespace(share=lambda account, bucket: self.shares.get(bucket, Share())),
                clock=self.clock,
                controls=self.controls,
                failures=self.failures,
                statuses=self.statuses,
                removal=self.removal,
                held=self.held,
                cleanups=self.cleanups,
                clients=self.clients,
                workers=SerialPool(),
                parts=SerialPool(),
                dry_run=self.dry_run,
                halted=lambda mapping: self.stop.is_set(),
                registry=SimpleNamespace(provider=lambda credentials: self.source),
            ),
        )

    def new_deletes(self, mapping: Mapping | None = None, source: MemoryProvider | None = None) -> Deletes:
        mapping, provider = mapping or self.mapping, source or self.source
        assert mapping.migration is not None
        bucket = provider.bucket(mapping.bucket, mapping.namer)
        proof = BucketProof(provider, bucket, mapping.migration.prefix)
        return Deletes(DeleteServices.of(self.context, mapping), mapping, proof)

    def close(self) -> None:
        self.journal.close()
        self.failures.close()
