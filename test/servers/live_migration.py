"""A migration that cloud-shunt serves while it runs, as a test sees both of its sides."""

from __future__ import annotations

from typing import Any

from servers.migrator import Migration, S3Migration, SwiftMigration
from servers.pair import Store
from servers.process import wait_until
from servers.raw_swift import Answer, RawSwift
from servers.shunted import SOON, Shunted
from servers.swift import SwiftCluster
from servers.swift_spec import TESTER2

BYPASS = {"X-Cloud-Sync-Shunt-Bypass": "yes"}


class Live:
    """`migration` is in force with the next request. `user`: whose account it leads to."""

    def __init__(self, cluster: Shunted, migration: Migration, user: str | None = None) -> None:
        self.cluster = cluster
        self.migration = migration
        self.swift = RawSwift(cluster, user)
        self.container = migration.container
        self.entry = {**migration.entry, "account": self.swift.account}
        cluster.migrate(self.entry)

    @classmethod
    def from_swift(cls, cluster: Shunted, source: SwiftCluster, **options: Any) -> Live:
        """The container has the name that it has at the source."""
        migration = SwiftMigration(cluster, RawSwift(source, TESTER2.name))
        return cls(cluster, _renamed(migration, options))

    @classmethod
    def from_s3(cls, cluster: Shunted, store: Store, **options: Any) -> Live:
        return cls(cluster, _renamed(S3Migration(cluster, store), options))

    @property
    def is_swift(self) -> bool:
        return isinstance(self.migration, SwiftMigration)

    def store(self, name: str, body: bytes = b"x", **meta: str) -> None:
        """An object at the source."""
        if isinstance(self.migration, SwiftMigration):
            headers = {f"X-Object-Meta-{key}": value for key, value in meta.items()}
            self.migration.source.put(self.migration.bucket, name, body, headers)
        elif isinstance(self.migration, S3Migration):
            self.migration.put(name, body, Metadata=meta)

    def at_source(self) -> list[str]:
        """Names of objects."""
        if isinstance(self.migration, SwiftMigration):
            return self.migration.source.names(self.migration.bucket)
        assert isinstance(self.migration, S3Migration)
        found = self.migration.s3.list_objects_v2(Bucket=self.migration.bucket).get("Contents", [])
        return [entry["Key"] for entry in found]

    def ask(self, method: str, name: str | None = None, query: str = "", **options: Any) -> Answer:
        return self.swift.ask(method, self.container, name, query=query, **options)

    def here(self, name: str | None = None, method: str = "HEAD") -> Answer:
        """What the cluster itself has."""
        return self.ask(method, name, headers=BYPASS)

    def arrives(self, name: str) -> Answer:
        """What the cluster has of an object, once it has it."""
        wait_until(lambda: self.here(name).status == 200, SOON, f"{name} migrated")
        return self.here(name, "GET")

    def as_user(self, user: str) -> RawSwift:
        """Another user's view of the same account; anonymous without a name."""
        other = RawSwift(self.cluster, user or TESTER2.name, self.swift.account)
        if not user:
            other.token = ""
        return other


def _renamed(migration: Any, options: dict[str, Any]) -> Any:
    container = options.pop("container", migration.bucket)
    migration.container = container
    migration.entry |= {"container": container, **options}
    return migration
