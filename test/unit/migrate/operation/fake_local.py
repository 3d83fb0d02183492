"""A local Swift in memory, as comparisons read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from s3_sync.cluster.newest import Deleted, LocalState, Unknown
from s3_sync.model.migration import OWNER
from s3_sync.model.timestamps import Timestamp
from s3_sync.streams.hashing import md5_hex


@dataclass
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: Iterator[bytes] = field(default_factory=lambda: iter(()))

    def close(self) -> None:
        """Nothing is open."""


class FakeLocal:
    """``requests``: methods and paths of requests about single objects. ``deleted``: tombstones by name.
    ``broken``: raised by every request about an object."""

    def __init__(self) -> None:
        self.stored: dict[str, dict[str, tuple[dict[str, str], bytes, str]]] = {}
        self.containers_headers: dict[str, dict[str, str]] = {}
        self.deleted: dict[str, float] = {}
        self.requests: list[tuple[str, str]] = []
        self.broken: Exception | None = None

    def put(
        self,
        container: str,
        name: str,
        body: bytes = b"x",
        at: float = 1000.0,
        owned: bool = True,
        **more: str,
    ) -> None:
        """``more``: headers, with ``_`` for ``-``; ``listed``: the hash in the listing."""
        timestamp = Timestamp.from_seconds(at).internal
        listed = more.pop("listed", md5_hex(body))
        headers = {
            "content-length": str(len(body)),
            "etag": md5_hex(body),
            "content-type": "application/octet-stream",
            "x-timestamp": timestamp,
            **({OWNER: timestamp} if owned else {}),
            **{key.replace("_", "-"): value for key, value in more.items()},
        }
        self.stored.setdefault(container, {})[name] = headers, body, listed

    def containers(self, account: str) -> Iterator[str]:
        return iter(sorted(self.stored))

    def objects(self, account: str, container: str, prefix: str, after: str = "") -> Iterator[dict[str, Any]]:
        for name, (headers, body, listed) in sorted(self.stored.get(container, {}).items()):
            if name.startswith(prefix) and name > after:
                modified = Timestamp.parse(headers["x-timestamp"]).seconds
                yield {"name": name, "bytes": len(body), "hash": listed, "last_modified": iso(modified)}

    def request(
        self, method: str, path: str, headers: Mapping[str, str], query: str = "", body: object = None
    ) -> Answer:
        _, container, *rest = path.split("/", 2)
        if not rest:
            return Answer(204, tuple(self.containers_headers.get(container, {}).items()))
        self.requests.append((method, rest[0]))
        if self.broken:
            raise self.broken
        found = self.stored.get(container, {}).get(rest[0])
        if found is None:
            return Answer(404)
        return Answer(200, tuple(found[0].items()), iter([found[1]] if method == "GET" else []))

    def newest(self, account: str, container: str, name: str) -> LocalState:
        return Deleted(Timestamp.from_seconds(self.deleted[name])) if name in self.deleted else Unknown()


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")
