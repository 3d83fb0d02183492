"""An account as one node sees it, and its mapping."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from s3_sync.config.coverage import Coverage
from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.settings import Mapping, Profile
from s3_sync.model.keys import KeyNamer
from s3_sync.sync.account_crawl import LIST_INTERVAL, AccountCrawl
from unit.sync.cluster import FakeDb, FakeReplica, Swift
from unit.sync.fake_node import ACCOUNT, Node
from unit.sync.store import WatchedBucket


def mapping(container: str = "/*", bucket: str = "bucket", **profile: Any) -> Mapping:
    namer = KeyNamer.hashed(ACCOUNT, container)
    return Mapping(ACCOUNT, container, bucket, S3Credentials(), Profile(**profile), namer)


class Account:
    """What one node sees of an account: ``listed`` in Swift, ``here`` on its devices."""

    def __init__(self, tmp_path: Path, *others: Mapping, **profile: Any) -> None:
        self.swift = Swift()
        self.node = Node(self.swift, WatchedBucket(KeyNamer.literal(""), self.swift.clock.now), tmp_path)
        self.listed: list[str] = []
        self.here: dict[str, FakeReplica] = {}
        self.listings = 0
        self.error: Exception | None = None
        cast(Any, self.node).replicas = lambda account, container: (
            [self.here[container]] if container in self.here else []
        )
        cast(Any, self.node).is_here = lambda account, container: container in self.here
        accounts = cast(Any, self.node.local.accounts)
        self.client, accounts._client = accounts._client, self
        self.container, self.objects = self.client.container, self.client.objects
        self.shards: list[str] = []
        self.whole = mapping(**profile)
        self.mappings = [self.whole, *others]
        self.crawl = self.new()

    def new(self) -> AccountCrawl:
        return AccountCrawl(self.node.context, self.whole, Coverage(self.mappings))

    def add(self, *containers: str) -> None:
        self.listed = sorted({*self.listed, *containers})
        self.here |= {container: FakeReplica(FakeDb(container)) for container in containers}

    def covered(self, later: float = LIST_INTERVAL) -> list[str]:
        self.swift.clock.sleep(later)
        while self.crawl.step().has_more:
            pass
        return sorted(self.crawl.covered or ())

    def containers(self, account: str, after: str = "", reserved: bool = False) -> Iterator[str]:
        """As the internal client lists them; what is looked through for large objects is the fake's."""
        if reserved:
            yield from self.client.containers(account, reserved=True)
            return
        if account == f".shards_{ACCOUNT}":
            yield from self.shards
            return
        self.listings += 1
        if self.error:
            raise self.error
        yield from self.listed
