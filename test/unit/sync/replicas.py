"""Three nodes with everything in three replicas, each with a life of its own: what is read of them is read by
the product's own code, down to the single request.

A server that is down misses what clients write and comes back with what it had. Proxies may have clocks
that are off. What a real cluster does with timestamps is kept to the letter: a PUT or DELETE is refused by
a server whose data is newer, a POST by one whose metadata is; metadata that are newer than the data stay
over an overwrite; the states of replicas merge by data and metadata apart.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, unquote

from s3_sync.cluster.client import Container
from s3_sync.cluster.newest import NewestState
from s3_sync.cluster.reader import ObjectReader
from s3_sync.cluster.rings import Node, Placement
from s3_sync.cluster.services import LocalObjects
from s3_sync.http.pool import Headers, HttpError
from s3_sync.model.rows import Row
from s3_sync.model.timestamps import Timestamp
from unit.sync.cluster import Answered, FakeClock, FakeDb
from unit.sync.fake_node import ACCOUNT, CONTAINER

REPLICAS = 3
#: container and object
Path = tuple[str, str]


@dataclass(frozen=True)
class State:
    """What a server has under a name. ``data`` None is a tombstone. ``fixed``: headers that came with the
    bytes and stay; ``meta``: those that a POST replaces."""

    data: bytes | None
    written: Timestamp
    posted: Timestamp
    fixed: Mapping[str, str] = field(default_factory=dict)
    meta: Mapping[str, str] = field(default_factory=dict)

    @property
    def expires(self) -> int | None:
        return int(self.meta["x-delete-at"]) if "x-delete-at" in self.meta else None

    @property
    def etag(self) -> str:
        return hashlib.md5(self.data or b"").hexdigest()

    def headers(self) -> list[tuple[str, str]]:
        return [
            ("x-backend-data-timestamp", self.written.internal),
            ("x-backend-timestamp", self.posted.internal),
            ("etag", self.etag),
            *self.fixed.items(),
            *self.meta.items(),
        ]

    def merged(self, other: State | None) -> State:
        """What replication makes of two replicas."""
        if other is None:
            return self
        newer, older = (self, other) if self.written >= other.written else (other, self)
        if newer.data is not None and older.data is not None and older.posted > newer.posted:
            return replace(newer, posted=older.posted, meta=older.meta)
        return newer


class Response:
    """An answer, as far as readers look at it."""

    def __init__(self, status: int, headers: Sequence[tuple[str, str]], body: bytes = b"") -> None:
        self.status, self.headers, self.length = status, Headers(headers), len(body)
        self._body = body

    def read(self, size: int = -1) -> bytes:
        size = len(self._body) if size < 0 else size
        data, self._body = self._body[:size], self._body[size:]
        return data

    def close(self) -> None:
        pass

    def drain(self) -> None:
        pass

    def __enter__(self) -> Response:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class ContainerDb(FakeDb):
    """Merges rows as Swift does: bytes and metadata each by their own times."""

    def add(self, row: Row) -> None:
        if self.waiting is not None:
            self.waiting.append(row)
            return
        known = self.rows.get((row.name, row.policy))
        if known is not None:
            newer = row if row.data_timestamp > known.data_timestamp else known
            row = replace(newer, rowid=known.rowid, timestamp=max(row.timestamp, known.timestamp))
            if row == known:
                return
        self.last += 1
        self.rows[row.name, row.policy] = replace(row, rowid=self.last)


class Cluster:
    """``point`` is called wherever something may come in between. ``db`` number n hears from server n."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.servers: list[dict[Path, State]] = [{} for _ in range(REPLICAS)]
        self.up = [True] * REPLICAS
        self.dbs = [ContainerDb(f"db{number}") for number in range(REPLICAS)]
        self.point: Callable[[str, str], None] = lambda what, name: None
        #: names of which a guarded delete took a POST away that came after the last look
        self.overtaken: set[str] = set()
        self._last = 0
        self._looked: dict[Path, Timestamp] = {}

    # What clients do

    def now(self, skew: float = 0.0) -> Timestamp:
        """A time that no other request has."""
        raw = Timestamp.from_seconds(self.clock.now() + skew).raw
        self._last += 1
        return Timestamp(raw + self._last % 50_000)

    def put(self, path: Path, data: bytes, when: Timestamp, meta: Mapping[str, str], **fixed: str) -> None:
        headers = {"content-type": "text/plain", **{k.replace("_", "-"): fixed[k] for k in fixed}}

        def write(known: State | None) -> State | None:
            if known is not None and known.written >= when:
                return None
            new = State(data, when, when, headers, meta)
            return new.merged(known)

        self._write(path, write)

    def post(self, path: Path, when: Timestamp, meta: Mapping[str, str]) -> None:
        def write(known: State | None) -> State | None:
            if known is None or known.data is None or known.posted >= when:
                return None
            return replace(known, posted=when, meta=meta)

        self._write(path, write)

    def delete(self, path: Path, when: Timestamp) -> int:
        """What the proxy answers."""
        statuses: list[int] = []

        def write(known: State | None) -> State | None:
            if known is not None and known.written >= when:
                statuses.append(409)
                return None
            statuses.append(204 if known is not None and known.data is not None else 404)
            return State(None, when, when)

        self._write(path, write)
        most = max(set(statuses), key=statuses.count)
        return most if 2 * statuses.count(most) > REPLICAS else 503

    def reap(self) -> list[tuple[str, Timestamp]]:
        """What Swift's expirer does: whatever has expired goes, with X-Delete-At for a timestamp."""
        gone: list[tuple[str, Timestamp]] = []
        for path, state in self.truth().items():
            if state.data is not None and state.expires is not None and state.expires <= self.clock.now():
                when = Timestamp.from_seconds(state.expires)
                self.delete(path, when)
                gone.append((path[1], when))
        return gone

    # What goes on behind

    def replicate(self) -> None:
        """Between all servers that are up, and all databases."""
        up = [server for server, alive in zip(self.servers, self.up, strict=True) if alive]
        for path in {path for server in up for path in server}:
            newest: State | None = None
            for server in up:
                if path in server:
                    newest = server[path].merged(newest)
            assert newest is not None
            for server in up:
                server[path] = newest
        rows = [row for db in self.dbs for row in db.rows.values()]
        for db in self.dbs:
            for row in rows:
                db.add(row)

    # What is true

    def truth(self) -> dict[Path, State]:
        """The newest state of everything, wherever it is."""
        found: dict[Path, State] = {}
        for server in self.servers:
            for path, state in server.items():
                found[path] = state.merged(found.get(path))
        return found

    def readable(self, path: Path) -> bytes | None:
        """What a client gets; all of a large object."""
        truth = self.truth()
        state = truth.get(path)
        if state is None or state.data is None or "x-static-large-object" not in state.fixed:
            return None if state is None else state.data
        pieces = []
        for entry in json.loads(state.data):
            segment = truth.get(_place(entry["name"]))
            if segment is None or segment.data is None or segment.etag != entry["hash"]:
                return None
            pieces.append(segment.data)
        return b"".join(pieces)

    def manifest(self, segments: Sequence[Path]) -> bytes:
        """The manifest of an SLO with segments that are there."""
        truth = self.truth()
        entries = []
        for path in segments:
            data = truth[path].data
            assert data is not None
            name, digest = "/".join(("", *path)), truth[path].etag
            entries.append({"name": name, "bytes": len(data), "hash": digest})
        return json.dumps(entries).encode()

    # What the product asks

    def local(self, now: Callable[[], float]) -> LocalObjects:
        """The local cluster as one node's daemon sees it; all of it is the real thing."""
        rings: Any = SimpleNamespace(
            policies=lambda: [0], is_replicated=lambda policy: True, placement=_placement
        )
        servers: Any = SimpleNamespace(request=self._request, order=_order)
        client: Any = Client(self)
        reader = object.__new__(ObjectReader)
        reader.rings, reader.servers = rings, servers
        reader._client, reader._encrypted, reader._first = client, False, None
        reader._as_of, reader._keep_within = Timestamp(0), None
        return LocalObjects.of(reader, client, NewestState(rings, servers, now))

    def _request(
        self, method: str, node: Node, placement: Placement, headers: Sequence[tuple[str, str]] = ()
    ) -> Response:
        path = _place("/" + unquote(placement.path).split("/", 3)[3])
        self.point("server", path[1])
        if not self.up[node.port]:
            raise HttpError("down", False)
        asked = {name.lower(): value for name, value in headers}
        state = self.servers[node.port].get(path)
        if state is None:
            return Response(404, [])
        expired = state.expires is not None and state.expires <= self.clock.now()
        if state.data is None or (expired and "x-backend-open-expired" not in asked):
            return Response(404, [("x-backend-timestamp", state.posted.internal)])
        self._looked[path] = max(state.posted, self._looked.get(path, state.posted))
        size = len(state.data)
        if method == "HEAD":
            return Response(200, [*state.headers(), ("content-length", str(size))])
        if "range" in asked:
            first, last = (int(text) for text in asked["range"].removeprefix("bytes=").split("-"))
            body = state.data[first : last + 1]
            whole = ("content-range", f"bytes {first}-{last}/{size}")
            return Response(206, [*state.headers(), whole, ("content-length", str(len(body)))], body)
        return Response(200, [*state.headers(), ("content-length", str(size))], state.data)

    def guarded_delete(self, path: Path, when: Timestamp) -> int:
        """The product's own."""
        self.point("deletes", path[1])
        before = self.truth().get(path)
        status = self.delete(path, when)
        after = self.truth().get(path)
        went = before and before.data is not None and after and after.data is None
        if went and before and before.posted > self._looked[path]:
            self.overtaken.add(path[1])
        self.point("deleted", path[1])
        return status

    def _write(self, path: Path, write: Callable[[State | None], State | None]) -> None:
        for number, server in enumerate(self.servers):
            if self.up[number] and (new := write(server.get(path))) is not None:
                server[path] = new
                if path[0] == CONTAINER:
                    self.dbs[number].add(_row(path[1], new))
                    for other, alive in enumerate(self.up):
                        if not alive:  # what could not be told is told by another server
                            self.dbs[other].add(_row(path[1], new))


class Client:
    """The internal client: listings of what clients see, and the guarded delete."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def request(self, method: str, path: str, headers: Mapping[str, str], query: str = "") -> Answered:
        assert method == "DELETE"
        _, container, name = path.split("/", 2)
        return Answered(
            self._cluster.guarded_delete((container, name), Timestamp.parse(headers["X-Timestamp"]))
        )

    def containers(self, account: str, after: str = "", reserved: bool = False) -> list[str]:
        return sorted({container for container, _ in self._cluster.truth()} | {CONTAINER})

    def container(self, account: str, container: str) -> Container | None:
        return Container(0, False) if container in self.containers(account) else None

    def objects(
        self, account: str, container: str, prefix: str, reserved: bool = False
    ) -> Iterator[dict[str, Any]]:
        for (place, name), state in sorted(self._cluster.truth().items()):
            if place == container and name.startswith(prefix) and state.data is not None:
                slo = "; slo_etag=0" if "x-static-large-object" in state.fixed else ""
                yield {"name": name, "bytes": len(state.data), "hash": state.etag + slo, "content_type": "x"}


def _row(name: str, state: State) -> Row:
    deleted = state.data is None
    return Row(
        rowid=0,
        name=name,
        data_timestamp=state.written,
        timestamp=state.posted,
        size=len(state.data or b""),
        content_type="application/deleted" if deleted else "text/plain",
        etag="noetag" if deleted else state.etag,
        deleted=deleted,
        policy=0,
    )


def _placement(policy: int, account: str, container: str, name: str) -> Placement:
    assert account == ACCOUNT
    nodes = tuple(Node("server", number, "d") for number in range(REPLICAS))
    return Placement(policy, nodes, lambda: iter(()), quote(f"/0/{account}/{container}/{name}"))


def _order(nodes: Sequence[Node], first: Node | None = None) -> list[Node]:
    return sorted(nodes, key=lambda node: node != first)


def _place(path: str) -> Path:
    container, _, name = path[1:].partition("/")
    return container, name
