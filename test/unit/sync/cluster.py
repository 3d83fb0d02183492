"""A Swift cluster in a few dictionaries: its objects, its container's databases, and a clock to move."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

from s3_sync.cluster.accounts import Accounts
from s3_sync.cluster.brokers import BriefRow
from s3_sync.cluster.client import Container
from s3_sync.cluster.guarded_delete import GuardedDelete
from s3_sync.cluster.newest import Deleted, LocalState, Present, Unknown
from s3_sync.cluster.references import References
from s3_sync.cluster.segments import SegmentReader
from s3_sync.cluster.services import LocalObjects
from s3_sync.errors import LocalChanged, LocalMissing, LocalUnavailable
from s3_sync.model.objects import ByteRange
from s3_sync.model.rows import Row, owns_row
from s3_sync.model.timestamps import Timestamp
from s3_sync.streams.reader import BytesBody
from unit.sync.client import Client
from unit.sync.fake_containers import ContainerReplicas
from unit.sync.fake_object_server import Answered, Opened, Version, kind_of
from unit.sync.fake_rows import brief, known_metadata_of, last_of, metadata_of, objects_in, rows_named

START = 1_700_000_000.0
MAX_DELETE_AT = 9_999_999_999


class FakeClock:
    """``sleep`` only moves the hands."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


class FakeDb:
    """One replica's database: one row for each name and policy, a new ROWID for each change."""

    object_count, last_rows, rows_of, metadata = objects_in, last_of, rows_named, metadata_of
    known_metadata = known_metadata_of

    def __init__(self, identity: str) -> None:
        self.id = identity
        self.rows: dict[tuple[str, int], Row] = {}
        #: changes that have not been heard of yet; None = each is heard of at once
        self.waiting: list[Row] | None = None
        self.last = self.reads = 0
        self.until, self.range = 0.0, ("", "")  # as ``ContainerDb`` has them
        self.headers: dict[str, str] = {}  # of the container; empty where one was removed
        self.account, self.container = "AUTH_a", "c"
        self.deleted = False

    def add(self, row: Row) -> None:
        """An older row than the one that is there changes nothing."""
        if self.waiting is not None:
            self.waiting.append(row)
            return
        known = self.rows.get((row.name, row.policy))
        if known is None or known.timestamp < row.timestamp:
            self.last += 1
            self.rows[row.name, row.policy] = replace(row, rowid=self.last)

    def catch_up(self) -> None:
        waiting, self.waiting = self.waiting or [], None
        for row in waiting:
            self.add(row)

    def is_deleted(self) -> bool:
        return self.deleted

    def brief_since(self, rowid: int, limit: int) -> list[BriefRow]:
        self.reads += 1
        return brief(self.rows.values(), rowid, limit)

    def moved_until(self) -> float:
        return self.until

    def bounds(self) -> tuple[str, str]:
        return self.range

    def has_several_policies(self) -> bool:
        return len({policy for _, policy in self.rows}) > 1

    def max_rowid(self) -> int:
        return self.last

    def rows_since(self, rowid: int, limit: int) -> tuple[list[Row], int]:
        self.reads += 1
        found = sorted((row for row in self.rows.values() if row.rowid > rowid), key=lambda row: row.rowid)
        found = found[: max(0, limit)]
        last = found[-1].rowid if found else rowid
        return [row for row in found if not row.name.startswith("\0")], last


class FakeReplica:
    """A database on this node, as ``LocalReplica`` shows it."""

    def __init__(self, db: FakeDb, ordinal: int | None = 0, replicas: int = 1) -> None:
        self.db: FakeDb | None = db
        self.ordinal = ordinal
        self.replicas = replicas
        self.retiring = False
        self.broken: Exception | None = None
        self.opened = 0
        self.path = f"/srv/node/{db.id}.db"

    @property
    def share(self) -> str:
        return f"{'-' if self.ordinal is None else self.ordinal}/{self.replicas}"

    def owns(self, name: str) -> bool:
        return owns_row(name, self.ordinal, self.replicas)

    def fingerprint(self) -> object:
        return None if self.db is None else (self.db.id, self.db.last, *sorted(self.db.headers.items()))

    @contextmanager
    def open(self) -> Iterator[FakeDb]:
        self.opened += 1
        if self.broken is not None:
            raise self.broken
        if self.db is None:
            raise LocalMissing("no database")
        yield self.db


class Swift:
    """Objects of one container, and every database that hears of their changes. Objects of others have names
    that begin with ``/container/``; whatever container has one is there.

    ``lost``: names of which no server answers. ``stale``: name -> the version that single replicas still
    show, while the newest state is another. ``meanwhile`` is called with a word and the name after each
    look at an object, and before and after each delete that the daemon sends. ``overtaken``: names of
    which such a delete took a POST away that came after the last look.
    """

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.objects: dict[tuple[str, int], Version] = {}
        self.dbs: list[FakeDb] = []
        self.lost: set[str] = set()
        self.stale: dict[str, Version] = {}
        self.heads: list[str] = []
        self.reads: list[str] = []
        self.meanwhile: Callable[[str, str], None] = lambda what, name: None
        self.overtaken: set[str] = set()
        self.versioned: set[str] = set()
        #: names that listings do not know of yet
        self.unlisted: set[str] = set()
        self.to_links = False  # as of ``ObjectReader.for_copies``
        #: ids of databases of which no container server answers
        self.silent: set[str] = set()
        self._seen: dict[str, Timestamp] = {}
        self._last = Timestamp(0)
        self._lock = threading.Lock()

    # What clients do

    def put(self, name: str, data: bytes = b"data", *, policy: int = 0, **headers: str) -> Timestamp:
        now = self._tick()
        fields = {"content-type": "text/plain", **{key.replace("_", "-"): headers[key] for key in headers}}
        self.objects[name, policy] = Version(data, now, now, fields, kind_of(fields))
        self._tell(name, policy)
        return now

    def put_slo(self, name: str, segments: Sequence[str], **headers: str) -> bytes:
        """Put an SLO of whole objects, each by its ``/container/name``; returns the manifest as stored."""
        entries = []
        for path in segments:
            version = self.objects[self._key(*path[1:].split("/", 1)), 0]
            assert version.data is not None
            entries.append({"name": path, "bytes": len(version.data), "hash": version.info("").etag})
            entries[-1]["last_modified"] = version.listed_date
        raw = json.dumps(entries).encode()
        self.put(name, raw, x_static_large_object="True", **headers)
        return raw

    def put_dlo(self, name: str, target: str, **headers: str) -> None:
        self.put(name, b"", x_object_manifest=target, **headers)

    def post(self, name: str, **headers: str) -> Timestamp:
        now = self._tick()
        old = self.objects[name, 0]
        fields = {
            "content-type": old.headers["content-type"],
            **{key.replace("_", "-"): headers[key] for key in headers},
        }
        self.objects[name, 0] = replace(old, timestamp=now, headers=fields, kind=kind_of(fields))
        self._tell(name, 0)
        return now

    def delete(self, name: str, *, policy: int = 0, offset: int = 0) -> Timestamp:
        now = replace(self._tick(), offset=offset)
        self.objects[name, policy] = Version(None, now, now)
        self._tell(name, policy)
        return now

    def reap(self, name: str) -> None:
        """As Swift's expirer: with X-Delete-At for a timestamp."""
        then = Timestamp.from_seconds(int(self.objects[name, 0].headers["x-delete-at"]))
        assert then.seconds <= self.clock.now()
        self.objects[name, 0] = Version(None, then, then)
        self._tell(name, 0)

    def content(self) -> dict[str, bytes]:
        """What a client sees of the container, in policy 0; manifests as they are stored."""
        return {name: data for name, data in self.everything().items() if not name.startswith("/")}

    def everything(self) -> dict[str, bytes]:
        """What ``content`` has, and what is in other containers, by path."""
        return {
            name: version.data
            for (name, policy), version in self.objects.items()
            if policy == 0 and version.data is not None
        }

    def read(self, name: str) -> bytes | None:
        """What a client gets: all bytes of a large object; None where that fails."""
        version = self.objects.get((name, 0))
        if version is None or version.data is None or version.kind == "plain":
            return version.data if version else None
        if version.kind == "dlo":
            container, _, prefix = version.headers["x-object-manifest"].partition("/")
            names = [entry["name"] for entry in self.objects_of(container, prefix)]
            return b"".join(self.everything()[self._key(container, name)] for name in names)
        pieces = []
        for entry in json.loads(version.data):
            data = self.everything().get(self._key(*entry["name"][1:].split("/", 1)))
            if data is None or hashlib.md5(data).hexdigest() != entry["hash"]:
                return None
            pieces.append(data)
        return b"".join(pieces)

    # What the daemon asks: NewestState and ObjectReader

    def of(
        self, account: str, container: str, name: str, policies: Sequence[int] | None = None
    ) -> LocalState:
        name = self._key(container, name)
        self.heads.append(name)
        if name in self.lost:
            raise LocalUnavailable("no majority of answers")
        newest: LocalState = Unknown()
        for (each, policy), version in self.objects.items():
            if each == name and (policies is None or policy in policies):
                state = self._state(version, policy)
                if isinstance(newest, Unknown) or state.timestamp > newest.timestamp:
                    newest = state
        if isinstance(newest, Present):
            self._seen[name] = newest.timestamp
        self.meanwhile("looked", name)
        return newest

    def request(self, method: str, path: str, headers: Mapping[str, str], query: str = "") -> Answered:
        """The internal client. Only for deletes, which an object server judges by the data's time alone."""
        assert method == "DELETE"
        name = self._key(*path.split("/", 2)[1:])
        self.meanwhile("deletes", name)
        key = (name, int(headers["X-Backend-Storage-Policy-Index"]))
        stamp = Timestamp.parse(headers["X-Timestamp"])
        found = self.objects.get(key)
        status = 404
        if found is not None and found.data is not None:
            status = 204 if found.data_timestamp < stamp else 409
        if found is None or found.data_timestamp < stamp:
            if found and found.data is not None and found.timestamp > self._seen[name]:
                self.overtaken.add(name)
            self.objects[key] = Version(None, stamp, max(stamp, found.timestamp) if found else stamp)
            self._tell(*key)
        self.meanwhile("deleted", name)
        return Answered(status)

    def open(self, account: str, container: str, name: str, policy: int, **which: Any) -> Any:
        """``which``: ``expect`` and ``byte_range``."""
        return self._open(self._key(container, name), policy, which.get("expect"), which.get("byte_range"))

    def for_copies(self, mapping: Any, to_links: bool) -> Swift:
        self.to_links = to_links
        return self

    def starting_at(self, node: Any, as_of: Timestamp | None = None) -> Swift:
        assert node == "the node"
        return self

    def containers(self, account: str, after: str = "", reserved: bool = False) -> list[str]:
        found = sorted({self._place(name)[0] for name, _ in self.objects} | {"c"})
        return [name for name in found if reserved or not name.startswith("\0")]

    def container(self, account: str, name: str) -> Container | None:
        found = name in self.containers(account, reserved=True)
        return Container(0, name in self.versioned) if found else None

    def objects_of(self, container: str, prefix: str) -> list[dict[str, Any]]:
        """A listing."""
        entries = []
        for (key, policy), version in sorted(self.objects.items()):
            place, name = self._place(key)
            if (place, policy) != (container, 0) or version.data is None or not name.startswith(prefix):
                continue
            if key in self.unlisted:
                continue
            etag = version.info("").etag
            is_slo = version.kind == "slo"
            entries.append(
                {
                    "name": name,
                    "bytes": 1 if is_slo else len(version.data),
                    "hash": f"{etag}; slo_etag=0" if is_slo else etag,
                    "content_type": version.headers["content-type"],
                    "last_modified": version.listed_date,
                }
            )
        return entries

    @staticmethod
    def _key(container: str, name: str) -> str:
        return name if container == "c" else f"/{container}/{name}"

    @staticmethod
    def _place(key: str) -> tuple[str, str]:
        container, _, name = key[1:].partition("/") if key.startswith("/") else ("c", "", key)
        return container, name

    def _open(self, name: str, policy: int, expect: Timestamp | None, byte_range: ByteRange | None) -> Opened:
        self.reads.append(name)
        if name in self.lost:
            raise LocalUnavailable("no server answers")
        stale = self.stale.get(name)
        version = stale if stale and stale.data_timestamp == expect else self.objects.get((name, policy))
        if version is None or version.data is None:
            raise LocalMissing("gone")
        if expect is not None and version.data_timestamp > expect:
            raise LocalChanged("overwritten")
        if expect is not None and version.data_timestamp < expect:
            raise LocalUnavailable("only older replicas")
        data = version.data
        if byte_range is not None:
            data = data[byte_range.first : None if byte_range.last is None else byte_range.last + 1]
        self.meanwhile("opened", name)
        info = version.info(self._place(name)[1], self.to_links)
        return Opened(info, version.headers, version.kind, BytesBody(data))

    def _state(self, version: Version, policy: int) -> Present | Deleted:
        if version.data is None:
            return Deleted(version.data_timestamp)
        expires = int(version.headers.get("x-delete-at", MAX_DELETE_AT))
        expired = expires <= self.clock.now()
        node: Any = "the node"
        return Present(version.timestamp, version.data_timestamp, policy, version.headers, expired, node)

    def row(self, name: str, policy: int = 0) -> Row:
        """The row that the newest state of a name makes."""
        version = self.objects[name, policy]
        data = version.data or b""
        deleted = version.data is None
        slo = "; slo_etag=0" if version.kind == "slo" else ""
        return Row(
            rowid=0,
            name=name,
            data_timestamp=version.data_timestamp,
            timestamp=version.timestamp,
            size=len(data),
            content_type=version.headers.get("content-type", "application/deleted"),
            etag="noetag" if deleted else f"{hashlib.md5(data).hexdigest()}{slo}",
            deleted=deleted,
            policy=policy,
        )

    def _tell(self, name: str, policy: int) -> None:
        for db in () if name.startswith("/") else self.dbs:
            db.add(self.row(name, policy))

    def _tick(self) -> Timestamp:
        with self._lock:
            now = Timestamp.from_seconds(self.clock.now())
            self._last = max(now, Timestamp(self._last.raw + 1))
            return self._last


def local_objects(swift: Swift) -> LocalObjects:
    """A fake Swift as the daemon knows it; what deletes, reads segments and looks for references is real."""
    fake, client = cast(Any, swift), cast(Any, Client(swift))
    references = References(fake, fake, client)
    segments, removal = SegmentReader(fake, fake, client), GuardedDelete(fake, client)
    accounts, containers = Accounts(client, references), cast(Any, ContainerReplicas(swift))
    return LocalObjects(fake, fake, segments, removal, references, accounts, containers)
