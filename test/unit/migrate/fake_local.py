"""A local Swift in memory, as a migrator sees it through the internal client and from the object servers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from s3_sync.cluster.newest import Deleted, LocalState, Present, Unknown
from s3_sync.errors import LocalUnavailable
from s3_sync.model.migration import OWNER
from s3_sync.model.timestamps import Timestamp
from s3_sync.streams.hashing import md5_hex

NODE: Any = None


class FakeClock:
    """Seconds since the epoch, that only tests move."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: Iterator[bytes] = field(default_factory=lambda: iter(()))

    def close(self) -> None:
        pass


@dataclass
class Container:
    """``objects``: name -> state, tombstones included. ``bodies``: name -> bytes."""

    headers: dict[str, str]
    changed: Timestamp
    objects: dict[str, Present | Deleted] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return sorted(name for name, state in self.objects.items() if isinstance(state, Present))


class FakeLocal:
    """Stands for LocalSwift and for NewestState. ``sent``: method, path and headers of each request.
    ``before``: called with method and path before a request is handled. ``refused``: method -> status.
    ``asked``: names whose newest state was asked for. ``hidden``: no container can be found."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.account: dict[str, str] = {}
        self.stored: dict[str, Container] = {}
        self.sent: list[tuple[str, str, dict[str, str]]] = []
        self.refused: dict[str, int] = {}
        self.before: Callable[[str, str], object] = lambda method, path: None
        self.asked: list[str] = []
        self.unavailable: set[str] = set()
        self.hidden = False

    # What tests put there

    def put(self, container: str, name: str, at: str, owner: str | None = None, **more: Any) -> Present:
        """Write an object; ``owner``: its mark. ``posted``: when its metadata was changed."""
        written, posted = Timestamp.parse(at), Timestamp.parse(more.pop("posted", at))
        body = more.pop("body", b"x")
        headers = {"etag": md5_hex(body), **more.pop("headers", {})}
        if owner is not None:
            headers[OWNER] = owner
        state = Present(posted, written, 0, headers, more.pop("expired", False), NODE)
        place = self.stored.setdefault(container, Container({}, self._now()))
        place.objects[name], place.bodies[name] = state, body
        return state

    def writes(self) -> list[tuple[str, str]]:
        return [(method, path) for method, path, _ in self.sent if method not in ("HEAD", "GET")]

    # NewestState

    def of(self, account: str, container: str, name: str, policies: Any = None) -> LocalState:
        self.asked.append(name)
        if name in self.unavailable:
            raise LocalUnavailable(f"{name}: no majority of answers")
        found = self.stored.get(container)
        return Unknown() if found is None else found.objects.get(name, Unknown())

    # LocalSwift

    def containers(self, account: str, after: str = "", reserved: bool = False) -> Iterator[str]:
        return iter(sorted(name for name in self.stored if not name.startswith("\0")))

    def container(self, account: str, container: str) -> object | None:
        return None if self.hidden else self.stored.get(container)

    def objects(self, account: str, container: str, prefix: str, **more: Any) -> Iterator[dict[str, Any]]:
        found = self.stored[container]
        for name in found.names:
            if name.startswith(prefix):
                state = found.objects[name]
                yield {"name": name, "bytes": 1, "hash": "", "last_modified": str(state.timestamp.raw)}

    def request(
        self, method: str, path: str, headers: Mapping[str, str], query: str = "", body: Any = None
    ) -> Answer:
        self.before(method, path)
        # as WSGI has text: the bytes of UTF-8 as characters
        sent = {name.lower(): value.encode("latin-1").decode() for name, value in headers.items()}
        self.sent.append((method, path, sent))
        if method in self.refused:
            return Answer(self.refused[method])
        _, container, name = [*path.split("/", 2), "", ""][:3]
        if not container:
            return self._account(method, sent)
        if not name:
            return self._container(method, container, sent)
        return self._object(method, container, name, sent)

    def _account(self, method: str, sent: dict[str, str]) -> Answer:
        if method == "POST":
            _update(self.account, sent)
        return Answer(204, tuple(self.account.items()))

    def _container(self, method: str, name: str, sent: dict[str, str]) -> Answer:
        found = self.stored.get(name)
        if method == "PUT":
            self.stored.setdefault(name, Container({}, self._now()))
        elif found is None:
            return Answer(404)
        elif method == "DELETE":
            if found.names:
                return Answer(409)
            del self.stored[name]
            return Answer(204)
        if method in ("PUT", "POST"):
            _update(self.stored[name].headers, sent)
            self.stored[name].changed = self._now()
        place = self.stored[name]
        told = {
            **place.headers,
            "x-backend-put-timestamp": place.changed.internal,
            "x-container-object-count": str(len(place.names)),
        }
        return Answer(204 if method == "HEAD" else 201, tuple(told.items()))

    def _object(self, method: str, container: str, name: str, sent: dict[str, str]) -> Answer:
        place = self.stored[container]
        state = place.objects.get(name)
        if not isinstance(state, Present):
            return Answer(404)
        body = place.bodies[name]
        if method == "DELETE":
            stamp = Timestamp.parse(sent["x-timestamp"])
            if stamp <= state.data_timestamp:
                return Answer(409)
            place.objects[name] = Deleted(stamp)
            return Answer(204)
        told = {
            "Content-Length": str(len(body)),
            "Etag": md5_hex(body),
            "X-Timestamp": state.timestamp.normal,
            "X-Backend-Timestamp": state.timestamp.internal,
            "X-Backend-Data-Timestamp": state.data_timestamp.internal,
            **state.headers,
        }
        return Answer(200, tuple(told.items()), iter([body]))

    def _now(self) -> Timestamp:
        return Timestamp.from_seconds(self.clock.now())


def _update(stored: dict[str, str], sent: Mapping[str, str]) -> None:
    stored.update({name: value for name, value in sent.items() if name != "x-newest"})
    for name in [name for name, value in stored.items() if not value]:
        del stored[name]


def manifest(*segments: tuple[str, str, bytes]) -> bytes:
    """As slo stores it: container, name and bytes of each segment."""
    entries = [
        {"name": f"/{container}/{name}", "bytes": len(body), "hash": md5_hex(body)}
        for container, name, body in segments
    ]
    return json.dumps(entries).encode()
