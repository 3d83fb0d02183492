"""A container of Swift and its bucket: what a test does to one, and asserts about the other."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

from servers.daemon import SyncDaemon, Target
from servers.google import FakeGoogle
from servers.landed import Stored, in_bucket, in_swift, key_prefix, keys
from servers.process import wait_until
from servers.raw_swift import RawSwift
from servers.s3 import S3Server, s3_client
from servers.swift import SwiftCluster
from servers.swift_spec import TESTER2


@dataclass(frozen=True)
class Store:
    """An S3 store and the keys to it. `through`: another endpoint, which the daemon is given instead."""

    name: str
    endpoint: str
    identity: str
    secret: str
    through: str = ""

    @classmethod
    def s3api(cls, cluster: SwiftCluster) -> Store:
        """The S3 API of a cluster, over another account than the tests' own containers are in."""
        return cls("s3api", cluster.s3_endpoint, TESTER2.name, TESTER2.key)

    @classmethod
    def server(cls, server: S3Server | FakeGoogle) -> Store:
        return cls(server.name, server.endpoint, server.access_key, server.secret_key)

    def behind(self, endpoint: str) -> Store:
        return replace(self, through=endpoint)

    def client(self) -> Any:
        return _client(self.endpoint, self.identity, self.secret)

    def through_client(self) -> Any:
        """A client that goes the daemon's way."""
        return _client(self.through or self.endpoint, self.identity, self.secret)


@cache
def _client(endpoint: str, identity: str, secret: str) -> Any:
    """Building one takes longer than most requests."""
    return s3_client(endpoint, identity, secret)


class Pair:
    """One mapping, with a container and a bucket of its own. `options` are further keys of the mapping."""

    def __init__(
        self, swift: RawSwift, store: Store, container: str, /, bucket: str = "", **options: Any
    ) -> None:
        self.swift = swift
        self.store = store
        self.container = container
        self.bucket = bucket or f"bucket-{uuid4().hex[:16]}"
        self.s3 = store.client()
        target = Target(store.through or store.endpoint, store.identity, store.secret, self.bucket)
        self.mapping = target.mapping(swift.account, container, **options)

    def create(self) -> Pair:
        """Make both, empty."""
        self.swift.put_container(self.container)
        self.s3.create_bucket(Bucket=self.bucket)
        return self

    @property
    def endpoint(self) -> str:
        """Where the store is, whatever the daemon is told."""
        return self.store.endpoint

    def mapping_through(self, endpoint: str) -> dict[str, Any]:
        """The mapping, with another way to the store."""
        return {**self.mapping, "aws_endpoint": endpoint}

    # In Swift

    def put(self, name: str, body: bytes = b"x", headers: Mapping[str, str] | None = None) -> None:
        self.swift.put(self.container, name, body, headers)

    def post(self, name: str, headers: Mapping[str, str]) -> None:
        self.swift.post(self.container, name, headers)

    def delete(self, name: str) -> None:
        self.swift.delete(self.container, name)

    def database(self) -> tuple[str, int]:
        """Id and last ROWID of the container's database; a listing before has written all rows to it."""
        self.swift.names(self.container)
        directory = self.swift.cluster.container_dir(1, self.container, self.swift.account)
        (path,) = directory.glob("*.db")
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            (identity,) = db.execute("SELECT id FROM container_info").fetchone()
            (last,) = db.execute("SELECT max(ROWID) FROM object").fetchone()
        finally:
            db.close()
        return identity, last or 0

    # What became of it

    @property
    def prefix(self) -> str:
        """What every key begins with, as long as `custom_prefix` is empty or absent."""
        if self.mapping.get("custom_prefix") == "":
            return ""
        return key_prefix(self.swift.account, self.container)

    def landed(self, name: str) -> Stored:
        return in_bucket(self.s3, self.bucket, self.prefix + name)

    def keys(self) -> list[str]:
        """Every key of the bucket, in the store's order."""
        return keys(self.s3, self.bucket)

    def document(self, key: str) -> bytes | None:
        """A JSON document without metadata, such as a stored manifest; None when there is none."""
        try:
            answer = self.s3.get_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise
        assert answer["ContentType"] == "application/json"
        assert answer["Metadata"] == {}
        return bytes(answer["Body"].read())

    def open_uploads(self) -> list[str]:
        """The key of each upload that was neither completed nor aborted."""
        answer = self.s3.list_multipart_uploads(Bucket=self.bucket)
        return [upload["Key"] for upload in answer.get("Uploads", ())]

    def arrived(self) -> list[str]:
        """The names in the bucket; it may hold nothing else, but for manifests of large objects."""
        manifests = self.prefix.replace("/", "/.manifests/", 1) or ".manifests/"
        found = [key for key in self.keys() if not key.startswith(manifests)]
        assert [key for key in found if not key.startswith(self.prefix)] == []
        return [key[len(self.prefix) :] for key in found]

    def check(self, missing: Collection[str] = ()) -> None:
        """The bucket holds what the container holds, but for the names in `missing`: bytes and metadata."""
        names = [name for name in self.swift.names(self.container) if name not in missing]
        assert sorted(self.arrived()) == sorted(names)
        for name in names:
            self.check_object(name)

    def check_object(self, name: str) -> None:
        here, there = in_swift(self.swift, self.container, name), self.landed(name)
        marks = dict(there.marks)
        assert marks.pop("swift-etag", here.md5) == here.md5
        assert replace(there, marks=marks) == here, name


def sync(daemon: SyncDaemon, *pairs: Pair) -> None:
    """Let the daemon, which is started if it does not run, read the containers to their ends, and succeed.

    This is much faster than one run with `--once` after the other.
    """
    ends = [(pair, *pair.database()) for pair in pairs]
    if not daemon.running:
        daemon.start()
    for pair, identity, last in ends:
        wait_until(lambda: _cursor(daemon, pair, identity) >= last, 30, "end")  # noqa: B023 - called at once
    assert daemon.unsettled() == {}, daemon.log_text()


def _cursor(daemon: SyncDaemon, pair: Pair, identity: str) -> int:
    entries = daemon.status(pair.swift.account, pair.container)
    cursors = [
        entry["last_row"]
        for key, entry in entries.items()
        if key.startswith(identity) and entry["aws_bucket"] == pair.bucket
    ]
    return max(cursors, default=-1)


#: headers of an object that no S3 store can hold: metadata names are headers' names there
IMPOSSIBLE = {"X-Object-Meta-Ünï": "x"}


def new_pair(cluster: SwiftCluster, store: Store, /, *, account: str | None = None, **options: Any) -> Pair:
    """A container and a bucket that nobody else uses. `account`: another one than `test:tester`'s own."""
    swift = RawSwift(cluster, "admin:admin" if account else None, account)
    return Pair(swift, store, f"container-{uuid4().hex[:16]}", **options).create()
