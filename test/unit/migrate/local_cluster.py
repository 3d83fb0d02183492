"""A local cluster in memory, as the migrator's writer sees it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from s3_sync.cluster.client_writer import ClientWriter
from s3_sync.model.timestamps import Timestamp

ACCOUNT = "AUTH_local"


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


@dataclass(frozen=True)
class Object:
    data: bytes
    headers: Mapping[str, str]
    timestamp: Timestamp


class Answer:
    def __init__(self, status: int, headers: Mapping[str, str] | None = None, data: bytes = b"") -> None:
        self.status = status
        self.headers = tuple((headers or {}).items())
        self.body: Iterator[bytes] = iter([data] if data else [])

    def close(self) -> None: ...


class LocalCluster:
    """What Swift does with a migrator's requests. ``before``: called with method and path of each."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.containers: set[str] = set()
        self.objects: dict[str, Object] = {}
        self.log: list[str] = []
        self.before: Callable[[str, str], None] = lambda method, path: None
        self._now = now

    @property
    def writer(self) -> ClientWriter:
        return ClientWriter(self, ACCOUNT)  # type: ignore[arg-type]

    def names(self, container: str) -> list[str]:
        return sorted(path.partition("/")[2] for path in self.objects if path.partition("/")[0] == container)

    def request(
        self, method: str, path: str, headers: Mapping[str, str], query: str = "", body: object = None
    ) -> Answer:
        account, _, path = path.partition("/")
        assert account == ACCOUNT
        container, _, name = path.partition("/")
        self.before(method, path)
        self.log.append(f"{method} {path}")
        if method == "PUT" and not name:
            self.containers.add(container)
            return Answer(201)
        if method == "PUT":
            return self._put(container, path, headers, body)
        found = self.objects.get(path)
        if found is None:
            return Answer(404)
        if method == "DELETE":
            if found.timestamp >= Timestamp.parse(headers["x-timestamp"]):
                return Answer(409)
            del self.objects[path]
            return Answer(204)
        own = {
            **found.headers,
            "etag": md5(found.data),
            "content-length": str(len(found.data)),
            "x-backend-timestamp": found.timestamp.internal,
        }
        return Answer(200, own, found.data if method == "GET" else b"")

    def _put(self, container: str, path: str, headers: Mapping[str, str], body: object) -> Answer:
        stamp = Timestamp.parse(headers.get("x-timestamp") or Timestamp.from_seconds(self._now()).internal)
        if container not in self.containers:
            return Answer(404)
        existing = self.objects.get(path)
        if existing is not None and existing.timestamp >= stamp:
            return Answer(202)
        data = b""
        try:
            while len(data) < (body.length or 0):  # type: ignore[attr-defined]
                piece = body.read(7)  # type: ignore[attr-defined]
                if not piece:
                    return Answer(499)
                data += piece
        except OSError:
            return Answer(499)
        if headers.get("etag", md5(data)) != md5(data):
            return Answer(422)
        self.objects[path] = Object(data, headers, stamp)
        return Answer(201, {"Etag": md5(data)})
