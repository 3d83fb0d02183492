"""Three daemons over three replicas, clients whose writes are noted, and whatever may come in between."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from s3_sync.model.timestamps import Timestamp
from s3_sync.sync.rows import bulk_deletes as bulk
from s3_sync.sync.rows import services as row_services
from unit.sync.cluster import FakeReplica
from unit.sync.fake_node import CONTAINER, MAX_PAUSE, NAMER, SLACK, LaterPool, Node, mapping
from unit.sync.lying_store import LOOKS, WRITES, LyingBucket
from unit.sync.replicas import REPLICAS, Cluster, State
from unit.sync.replicas import Path as Place

#: no request is on its way for longer, and no clock is off by more, in seconds
REQUEST, SKEW = 100.0, 1200.0
#: longer than both together: this is what the promise of a move without loss rests upon
DELAY = 3000


class Crash(BaseException):
    """A daemon ends here: no handler of the program sees this."""


@dataclass
class Written:
    """What a client was told to be written. ``delete_at``: seconds since the epoch, or None."""

    data: bytes
    user: dict[str, str] = field(default_factory=dict)
    delete_at: int | None = None


class SkewedClock:
    """A node's own."""

    def __init__(self, cluster: Cluster, offset: float) -> None:
        self._clock, self._offset = cluster.clock, offset

    def now(self) -> float:
        return self._clock.now() + self._offset

    def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds)


@dataclass(frozen=True)
class Setting:
    """``skews``: by how much each node's clock is off. ``bulk``: deletes are sent together. ``large``:
    objects of more bytes go through their lane."""

    moves: bool
    conditional: bool
    copy_after: int
    slack: float
    skews: tuple[float, float, float]
    propagate_delete: bool = True
    bulk: bool = False
    large: int = row_services.LARGE_OBJECT_BYTES


class Attacked:
    """``truth`` is the oracle: name -> what clients were told that is there. ``point`` is called wherever
    something may come in between, unless something that came in between is still going on."""

    def __init__(self, directory: Path, setting: Setting) -> None:
        self.setting = setting
        self._before = bulk.MIN_BULK_DELETES, row_services.LARGE_OBJECT_BYTES
        bulk.MIN_BULK_DELETES, row_services.LARGE_OBJECT_BYTES = (
            1 if setting.bulk else bulk.MIN_BULK_DELETES,
            setting.large,
        )
        self.cluster = cluster = Cluster()
        # who only copies believes what a write is answered with, as far as a provider does
        lies = LOOKS | WRITES if setting.moves else LOOKS
        self.bucket = LyingBucket(
            NAMER, cluster.clock.now, conditional=setting.conditional, page=5, lies=lies
        )
        self.bucket.may_lie = lambda name: name in self.truth
        self.truth: dict[str, Written] = {}
        self.deleted: set[str] = set()
        self.may_expire: set[str] = set()
        self.segments: set[Place] = set()
        self._number = itertools.count()
        self._stored: set[str] = set()
        #: time of the newest bytes, or of their end, by clients and Swift itself
        self._newest: dict[str, Timestamp] = {}
        self._inside = False
        self.point: Callable[[str], None] = lambda what: None
        profile: dict[str, Any] = {
            "copy_after": setting.copy_after,
            "retain_local": not setting.moves,
            "propagate_delete": setting.propagate_delete,
        }
        if setting.moves:
            profile["propagate_expiration"] = True
        self.nodes = []
        for number, skew in enumerate(setting.skews):
            clock = SkewedClock(cluster, skew)
            replica = FakeReplica(cluster.dbs[number], number, REPLICAS)
            node = Node(
                cluster,  # type: ignore[arg-type]
                self.bucket,
                directory / str(number),
                [replica],
                mapping=mapping(**profile),
                clock=clock,
                local=cluster.local(cluster.clock.now),
                slack=setting.slack,
                lane=LaterPool(),
                items_chunk=12 if setting.bulk else 4,
            )
            self.nodes.append(node)
            self._watch(node)
        self.bucket.before = lambda what, name: self._pass(f"before {what}")
        self.bucket.after = lambda what, name: self._pass(f"after {what}")
        cluster.point = lambda what, name: self._pass(what)

    def _watch(self, node: Node) -> None:
        """Points before and after everything that a daemon writes down."""
        places: list[tuple[Any, str]] = [
            (node.journal, "open_window"),
            (node.journal, "settle"),
            (node.journal.expiries, "note"),
            (node.journal.departures, "note"),
            (node.context.statuses, "save"),
        ]
        for owner, name in places:
            setattr(owner, name, self._watched(getattr(owner, name)))

    def _watched(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **named: Any) -> Any:
            self._pass("notes")
            result = real(*arguments, **named)
            self._pass("noted")
            return result

        return watched

    def _pass(self, what: str) -> None:
        if self._inside:
            return
        self._inside = True
        try:
            self.point(what)
            self.check()
        finally:
            self._inside = False

    def step(self, number: int) -> None:
        """A turn, and a new process where it ends in a crash."""
        node = self.nodes[number]
        try:
            node.step()
        except Crash:
            self.restart(number)

    def step_beside(self, number: int) -> None:
        """A turn of a daemon that has a large object on its way; none where it is at something else."""
        node = self.nodes[number]
        if node.options["lane"].busy:
            node.crawl.step()

    def restart(self, number: int) -> None:
        self.nodes[number].restart()
        self._watch(self.nodes[number])

    # Clients; ``skew``: by how much the clock of the proxy is off that takes the request

    def body(self) -> bytes:
        """Bytes that nobody has written before."""
        return b"%d" % next(self._number) * 3

    def put(self, name: str, data: bytes, meta: Mapping[str, str], skew: float, **fixed: str) -> None:
        place = (CONTAINER, name)
        when = self.cluster.now(skew)
        self.cluster.put(place, data, when, meta, **fixed)
        state = self.cluster.truth().get(place)
        if state is not None and state.written == when:
            bytes_ = self.cluster.readable(place)
            assert bytes_ is not None
            self._written(name, bytes_, state)
            self._newest[name] = when
        else:  # refused, as it is without us
            assert when <= self._newest.get(name, when), "our own tombstone was in the way"

    def put_large(self, name: str, fresh: int, meta: Mapping[str, str], skew: float) -> None:
        """An SLO of some new segments, and of one that is there already if there is one."""
        segments = []
        for _ in range(fresh):
            place = ("c_segments", f"s{next(self._number)}")
            self.cluster.put(place, self.body().ljust(12, b"."), self.cluster.now(skew), {})
            segments.append(place)
        truth = self.cluster.truth()
        old = sorted(place for place in self.segments if truth[place].data is not None)
        chosen = segments + old[:1]
        self.segments.update(segments)
        self.put(name, self.cluster.manifest(chosen), meta, skew, x_static_large_object="True")

    def post(self, name: str, meta: Mapping[str, str], skew: float) -> None:
        place = (CONTAINER, name)
        state = self.cluster.truth().get(place)
        if state is None or state.data is None or self._has_expired(state.expires):
            return  # as a client sees it
        when = self.cluster.now(skew)
        self.cluster.post(place, when, meta)
        state = self.cluster.truth()[place]
        if state.posted == when:
            self._written(name, self.truth[name].data, state)

    def delete(self, name: str, skew: float) -> None:
        place = (CONTAINER, name)
        when = self.cluster.now(skew)
        self.cluster.delete(place, when)
        if self.cluster.truth()[place] == State(None, when, when):
            self.truth.pop(name, None)
            self._newest[name] = when
            self.deleted.add(name)
            self.cluster.overtaken.discard(name)

    def _written(self, name: str, data: bytes, state: State) -> None:
        user = {k.removeprefix("x-object-meta-"): v for k, v in state.meta.items() if k.startswith("x-ob")}
        self.truth[name] = Written(data, user, state.expires)
        if state.expires is not None:
            self.may_expire.add(name)
        if state.posted == state.written:
            self.cluster.overtaken.discard(name)

    def _has_expired(self, delete_at: int | None, early: float = 0.0) -> bool:
        return delete_at is not None and delete_at <= self.cluster.clock.now() + early

    # What goes on behind

    def reap(self) -> None:
        for name, when in self.cluster.reap():
            self._newest[name] = max(when, self._newest.get(name, when))

    def time_passes(self, seconds: float) -> None:
        if seconds >= REQUEST:
            self.bucket.land()
        self.cluster.clock.sleep(seconds)

    def whole(self) -> None:
        """Everything is up and knows everything."""
        self.bucket.land()
        self.cluster.up = [True] * REPLICAS
        for db in self.cluster.dbs:
            db.catch_up()
        self.cluster.replicate()

    # What must hold

    def check(self) -> None:
        """At every moment. What clients wrote last is on one side or the other."""
        there = self.bucket.content()
        for name, written in self.truth.items():
            if not self._has_expired(written.delete_at, SKEW):
                here = self.cluster.readable((CONTAINER, name))
                assert written.data in (here, there.get(name)), name
        gone = self._stored - there.keys()
        assert gone <= self.deleted | self.may_expire
        self._stored = set(there)

    def settle(self) -> None:
        """Until no daemon has anything left, retries and waits included."""
        self.point = lambda what: None
        for _ in range(6):
            self.whole()
            self.reap()
            self.cluster.replicate()
            self.time_passes(2 * MAX_PAUSE + self.setting.copy_after * 2 + SLACK)
            for node in self.nodes:
                node.settle()

    def check_end(self) -> None:
        self.check()
        live = {name: w for name, w in self.truth.items() if not self._has_expired(w.delete_at)}
        there = self.bucket.content()
        if self.setting.propagate_delete:
            assert there.keys() == live.keys()
        for name, written in live.items():
            assert there[name] == written.data, name
            if name not in self.cluster.overtaken:
                assert self.bucket.metadata(name) == written.user, name
        here = {name for (place, name), s in self.cluster.truth().items() if place == CONTAINER and s.data}
        assert here == (set() if self.setting.moves else live.keys())
        assert self.bucket.unfinished() == 0
        for node in self.nodes:
            assert node.unsettled() == {}
            assert not node.crawl.is_failing
            node.tally()
        self.bucket.counts()
        for node in self.nodes:
            node.later(5.0)
        assert self.bucket.counts() == {}

    def close(self) -> None:
        bulk.MIN_BULK_DELETES, row_services.LARGE_OBJECT_BYTES = self._before
        for node in self.nodes:
            node.journal.close()
