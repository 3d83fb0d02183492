"""What a Swift in memory keeps under a name, and how it gives it out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

from s3_sync.cluster.symlinks import link_target
from s3_sync.model.headers import from_swift
from s3_sync.model.objects import Link, LocalInfo
from s3_sync.model.timestamps import Timestamp
from s3_sync.streams.reader import Body


@dataclass(frozen=True)
class Version:
    """What all replicas hold under one name in one policy; ``data`` None is a tombstone."""

    data: bytes | None
    data_timestamp: Timestamp
    timestamp: Timestamp
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = "plain"

    def info(self, name: str, to_links: bool = False) -> LocalInfo:
        """``to_links``: symlinks are described themselves."""
        assert self.data is not None
        digest = hashlib.md5(self.data).hexdigest()
        is_kept = to_links and self.kind == "symlink"
        meta = from_swift(self.headers.items())
        if is_kept:
            target = link_target(self.headers.items(), account="AUTH_a")
            meta = replace(meta, link=Link(target.container, target.name, target.etag))
        return LocalInfo(
            name,
            len(self.data),
            digest,
            digest if self.kind == "plain" or is_kept else None,
            meta=meta,
            data_timestamp=self.data_timestamp,
            timestamp=self.timestamp,
        )

    @property
    def listed_date(self) -> str:
        written = datetime.fromtimestamp(self.timestamp.seconds, timezone.utc)
        return written.strftime("%Y-%m-%dT%H:%M:%S.%f")


@dataclass
class Opened:
    """One open read."""

    info: LocalInfo
    headers: Mapping[str, str]
    kind: str
    body: Body
    container: str = "c"

    def close(self) -> None:
        self.body.close()

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


@dataclass
class Answered:
    """What the internal client answers to a delete."""

    status: int

    def close(self) -> None:
        pass


def kind_of(headers: Mapping[str, str]) -> str:
    if "x-object-sysmeta-symlink-target" in headers:
        return "symlink"
    if "x-static-large-object" in headers:
        return "slo"
    return "dlo" if "x-object-manifest" in headers else "plain"
