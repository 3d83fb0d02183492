"""A Swift in memory as the migrator sees it: internal client and object servers, and clients that write."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from s3_sync.cluster.client import Container
from s3_sync.cluster.newest import Deleted, LocalState, Present, Unknown
from s3_sync.cluster.rings import Node
from s3_sync.model.timestamps import Timestamp

START = 1_700_000_000.0
CONTAINER = "c"
NODE = Node("127.0.0.1", 1, "d")
USER = "x-object-meta-"


class FakeClock:
    """No two calls of ``tick`` return the same time. ``sleep`` only moves the hands."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def tick(self) -> Timestamp:
        self.time += 0.5
        return Timestamp.from_seconds(self.time)


@dataclass(frozen=True)
class Version:
    """What all replicas have under one name; ``data`` None: a tombstone."""

    data: bytes | None
    written: Timestamp
    changed: Timestamp
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        return hashlib.md5(self.data or b"").hexdigest()

    @property
    def user(self) -> dict[str, str]:
        return {k.removeprefix(USER): v for k, v in self.headers.items() if k.startswith(USER)}


@dataclass
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...] = ()

    def close(self) -> None:
        pass


class LocalCluster:
    """``point`` is called before each request of the migrator, with its method and name.

    ``freeze`` makes listings those of now until ``thaw``, as of a container replica that misses updates.
    ``writes`` and ``deletes``: the names of the PUTs and DELETEs that were taken from the migrator.
    ``check`` is called with each change by it, its method and name, and the state before.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.has_container = False
        self.objects: dict[str, Version] = {}
        self.writes: list[str] = []
        self.deletes: list[str] = []
        self.requests: list[tuple[str, str]] = []
        self.point: Callable[[str, str], None] = lambda method, name: None
        self.check: Callable[[str, str, Version | None], None] = lambda method, name, before: None
        self._frozen: dict[str, Version] | None = None

    def content(self) -> dict[str, bytes]:
        return {name: each.data for name, each in self.objects.items() if each.data is not None}

    def freeze(self) -> None:
        self._frozen = dict(self.objects)

    def thaw(self) -> None:
        self._frozen = None

    # Clients

    def put(self, name: str, data: bytes, user: Mapping[str, str] | None = None) -> None:
        now = self.clock.tick()
        self.has_container = True
        headers = {USER + key: value for key, value in (user or {}).items()}
        self._store(name, Version(data, now, now, headers))

    def post(self, name: str, user: Mapping[str, str]) -> bool:
        """Returns whether there was an object."""
        found, now = self.objects.get(name), self.clock.tick()
        if found is None or found.data is None:
            return False
        headers = {USER + key: value for key, value in user.items()}
        self.objects[name] = replace(found, changed=now, headers=headers)
        return True

    def delete(self, name: str) -> bool:
        """Returns whether there was an object. There is a tombstone either way."""
        found, now = self.objects.get(name), self.clock.tick()
        self.objects[name] = Version(None, now, now)
        return found is not None and found.data is not None

    def _store(self, name: str, version: Version) -> bool:
        """As an object server does: metadata that was posted later stays."""
        found = self.objects.get(name)
        if found is not None and found.written >= version.written:
            return False
        if found is not None and found.data is not None and found.changed > version.written:
            version = replace(version, changed=found.changed, headers=found.headers)
        self.objects[name] = version
        return True

    # The internal client

    def container(self, account: str, container: str) -> Container | None:
        self._asked("HEAD", "")
        return Container(0, False) if self.has_container else None

    def objects_of(self, prefix: str, after: str) -> Iterator[dict[str, Any]]:
        self._asked("GET", "")
        listed = self.objects if self._frozen is None else self._frozen
        for name, each in sorted(listed.items()):
            if each.data is not None and name > after and name.startswith(prefix):
                changed = datetime.fromtimestamp(each.changed.seconds, timezone.utc)
                yield {
                    "name": name,
                    "bytes": len(each.data),
                    "hash": each.etag,
                    "last_modified": changed.strftime("%Y-%m-%dT%H:%M:%S.%f"),
                }

    def request(
        self, method: str, path: str, headers: Mapping[str, str], query: str = "", body: Any = None
    ) -> Answer:
        _, _, below = path.partition("/")
        container, _, name = below.partition("/")
        if container.startswith("\0"):  # of nothing that is asked about here
            return Answer(404)
        headers = {header.lower(): value for header, value in headers.items()}
        self._asked(method, name)
        if not name:
            return self._answer_container(method)
        if not self.has_container:
            return Answer(404)
        found = self.objects.get(name)
        if method == "PUT":
            return self._put(name, headers, body)
        if found is None or found.data is None:
            return Answer(404)
        if method in ("HEAD", "GET"):
            return Answer(200, self._described(found))
        if method == "DELETE":
            return self._delete(name, found, Timestamp.parse(headers["x-timestamp"]))
        assert method == "POST", method
        posted = Timestamp.parse(headers["x-timestamp"])
        if posted <= found.changed:
            return Answer(202)
        self.objects[name] = replace(found, changed=posted, headers=dict(headers))
        self.check("POST", name, found)
        return Answer(202)

    def _answer_container(self, method: str) -> Answer:
        if method == "PUT":
            self.has_container = True
            return Answer(201)
        told = (
            ("X-Backend-Put-Timestamp", Timestamp.from_seconds(START).internal),
            ("X-Container-Object-Count", str(len(self.content()))),
        )
        return Answer(204, told) if self.has_container else Answer(404)

    def _put(self, name: str, headers: Mapping[str, str], body: Any) -> Answer:
        at = Timestamp.parse(headers["x-timestamp"])
        found = self.objects.get(name)
        if found is not None and found.written >= at:
            return Answer(202)
        try:
            data = b"".join(iter(lambda: body.read(65536), b""))
        except OSError:
            return Answer(499)
        self.point("after PUT", name)
        if body.length != len(data):
            return Answer(499)
        if headers.get("etag", hashlib.md5(data).hexdigest()) != hashlib.md5(data).hexdigest():
            return Answer(422)
        if not self._store(name, Version(data, at, at, dict(headers))):
            return Answer(202)
        self.writes.append(name)
        self.check("PUT", name, found)
        return Answer(201)

    def _delete(self, name: str, found: Version, at: Timestamp) -> Answer:
        if found.written >= at:
            return Answer(409)
        self.objects[name] = Version(None, at, at)
        self.deletes.append(name)
        self.check("DELETE", name, found)
        return Answer(204)

    def _described(self, found: Version) -> tuple[tuple[str, str], ...]:
        return (
            ("ETag", found.etag),
            ("Content-Length", str(len(found.data or b""))),
            ("X-Backend-Timestamp", found.changed.internal),
            ("X-Backend-Data-Timestamp", found.written.internal),
            *found.headers.items(),
        )

    # The object servers

    def of(self, account: str, container: str, name: str, policies: object = None) -> LocalState:
        self._asked("newest", name)
        found = self.objects.get(name)
        if found is None:
            return Unknown()
        if found.data is None:
            return Deleted(found.written)
        return Present(found.changed, found.written, 0, dict(found.headers), False, NODE)

    def _asked(self, method: str, name: str) -> None:
        self.requests.append((method, name))
        self.point(method, name)


class Client:
    """The part of ``LocalSwift`` that the migrator uses."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster
        self.request, self.container = cluster.request, cluster.container

    def objects(
        self, account: str, container: str, prefix: str, reserved: bool = False, after: str = ""
    ) -> Iterator[dict[str, Any]]:
        if not self._cluster.has_container:
            return iter(())
        return self._cluster.objects_of(prefix, after)
