"""Any order of what clients do, turns of three daemons, and what may come in between of a turn: other clients
and daemons, kills, requests that fail or arrive late, servers and databases that miss something, clocks
that are off by twenty minutes, a store that says what is not so.

At every point what clients wrote last is on one side or the other; when everything is quiet again, both
sides agree, or everything was moved.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from s3_sync.errors import (
    AccessDenied,
    LocalUnavailable,
    RemoteUnavailable,
    StateError,
    Throttled,
)
from s3_sync.http.pool import HttpError
from s3_sync.sync.rows.services import LARGE_OBJECT_BYTES
from unit.sync.fake_node import SLACK
from unit.sync.hypothesis_profiles import stories
from unit.sync.late_bucket import LATE, Late
from unit.sync.lying_store import LOOKS, WRITES, Lie
from unit.sync.three_node_machine import DELAY, SKEW, Attacked, Crash, Setting

#: the same code a thousand times: other tests measure it
pytestmark = pytest.mark.no_cover

NAMES = st.sampled_from(["a", "a", "b"])
NODE = st.integers(0, 2)
CLOCK = st.sampled_from([0.0, 0.0, -SKEW, SKEW])
COLOUR = st.sampled_from(["", "1", "zwei"])
LIFE = st.sampled_from([None, None, None, 500, 5000])
WHAT = st.sampled_from(["put", "put", "put again", "large", "post", "delete"])
#: what a client does: a word, a name, metadata, seconds to live, the clock of its proxy
CHANGES = st.tuples(WHAT, NAMES, COLOUR, LIFE, CLOCK)
#: what comes in between
EVENTS = st.one_of(
    CHANGES,
    CHANGES,
    st.sampled_from([0, 1, 2]),  # another daemon's turn, or its own beside a large object
    st.sampled_from(["crash", "fault", "throttle", "deny", "late", "late", "server down", "servers up"]),
)
#: at which point: the so many-th of this kind
MOMENTS = st.one_of(
    st.tuples(st.just(""), st.integers(1, 30)),
    st.tuples(st.sampled_from(["deletes", "before put", "after put", "before head"]), st.integers(1, 2)),
    st.tuples(st.sampled_from(["server", "notes", "noted", "deleted", "after head"]), st.integers(1, 6)),
)
#: about which request the store lies
LIES = st.tuples(
    st.sampled_from([f"before {method}" for method in sorted(LOOKS | WRITES)]), st.integers(1, 2)
)
PLANS = st.lists(
    st.one_of(st.tuples(MOMENTS, EVENTS), st.tuples(LIES, st.just("lie"))), min_size=1, max_size=3
)

REMOTE = {"fault": RemoteUnavailable("x"), "throttle": Throttled("x"), "deny": AccessDenied("x")}
LOCAL = {
    "server": HttpError("x", True),
    "deletes": LocalUnavailable("x"),
    "notes": StateError("no space left"),
}


def failure(event: str, at: str) -> BaseException | None:
    """What the daemon gets to see."""
    if event == "crash":
        return Crash()
    if at in LOCAL:
        return LOCAL[at]
    moment, _, method = at.partition(" ")
    if event == "lie" and moment == "before":
        return Lie()
    if event == "late" and moment == "before" and method in LATE:
        return Late()
    return REMOTE.get(event, REMOTE["fault"]) if moment in ("before", "after") else None


class Story(RuleBasedStateMachine):
    """What can happen while daemons copy."""

    moves = False

    def __init__(self) -> None:
        super().__init__()
        logging.disable(logging.CRITICAL)
        self.directory = Path(tempfile.mkdtemp())
        self.world: Any = None
        #: of databases, by their number
        self.backups: dict[int, tuple[dict[Any, Any], int]] = {}

    @initialize(
        conditional=st.booleans(),
        patient=st.booleans(),
        slack=st.sampled_from([0.0, SLACK]),
        skews=st.tuples(CLOCK, CLOCK, CLOCK),
        propagate_delete=st.sampled_from([True, True, False]),
        special=st.tuples(st.booleans(), st.sampled_from([LARGE_OBJECT_BYTES, 0, 11])),
    )
    def begin(
        self,
        conditional: bool,
        patient: bool,
        slack: float,
        skews: tuple[float, float, float],
        propagate_delete: bool,
        special: tuple[bool, int],
    ) -> None:
        bulk, large = special
        if self.moves:
            setting = Setting(True, conditional, DELAY, slack, skews, propagate_delete, bulk, large)
        else:
            setting = Setting(False, conditional, 100 if patient else 0, SLACK, skews, bulk=bulk, large=large)
        self.world = Attacked(self.directory, setting)

    def change(self, what: str, name: str, colour: str, life: int | None, skew: float) -> None:
        meta = {"x-object-meta-colour": colour} if colour else {}
        if life is not None:  # the proxy takes nothing that is in its past
            meta["x-delete-at"] = str(int(self.world.cluster.clock.now() + skew) + life)
        if what == "put":
            self.world.put(name, self.world.body(), meta, skew)
        elif what == "put again":
            # the same bytes as before; a listing compares two clocks then
            known = self.world.truth.get(name)
            self.world.put(name, known.data if known and not skew else self.world.body(), meta, skew)
        elif what == "large":
            self.world.put_large(name, 1 + len(colour) % 2, meta, skew)
        elif what == "post":
            self.world.post(name, meta, skew)
        else:
            self.world.delete(name, skew)

    def happens(self, node: int, event: Any, at: str) -> None:
        """At a point of a turn of ``node``; ``at``: what it is doing there."""
        if isinstance(event, tuple):
            self.change(*event)
        elif isinstance(event, int):
            self.world.step((node + event) % 3) if event else self.world.step_beside(node)
        elif event == "server down":
            self.world.cluster.up = [number != 1 for number in range(3)]
        elif event == "servers up":
            self.world.cluster.up = [True] * 3
        elif error := failure(event, at):
            raise error

    @rule(change=CHANGES)
    def client(self, change: tuple[Any, ...]) -> None:
        self.change(*change)

    @rule(node=NODE)
    def turn(self, node: int) -> None:
        self.world.step(node)

    @rule(node=NODE, plan=PLANS)
    def eventful_turn(self, node: int, plan: list[tuple[tuple[str, int], Any]]) -> None:
        self.turn_with(node, list(plan))

    @rule(node=NODE, changes=st.lists(CHANGES, min_size=1, max_size=3), plan=PLANS, due=st.booleans())
    def eventful_turns_with_much_to_do(
        self, node: int, changes: list[tuple[Any, ...]], plan: list[tuple[tuple[str, int], Any]], due: bool
    ) -> None:
        """Whose row it is, or not: what does not happen in one's turn may happen in the next one's."""
        for change in changes:
            self.change(*change)
        if due:
            self.world.time_passes(DELAY * 1.5)
        waiting = list(plan)
        for each in range(3):
            if waiting:
                self.turn_with((node + each) % 3, waiting)

    def turn_with(self, node: int, waiting: list[tuple[tuple[str, int], Any]]) -> None:
        """What has happened is not waited for any more."""
        passed: Counter[str] = Counter()

        def point(at: str) -> None:
            passed.update(["", at])
            due = [each for each in waiting if each[0][0] in ("", at) and passed[each[0][0]] == each[0][1]]
            for each in due:
                waiting.remove(each)
            for _, event in due:
                self.happens(node, event, at)

        self.world.point = point
        self.world.step(node)
        self.world.point = lambda at: None

    @rule(seconds=st.sampled_from([1.0, 60.0, 700.0, SLACK, DELAY * 1.5]))
    def time_passes(self, seconds: float) -> None:
        self.world.time_passes(seconds)

    @rule()
    def late_requests_land(self) -> None:
        self.world.bucket.land()

    @rule(node=NODE)
    def restart(self, node: int) -> None:
        self.world.restart(node)

    @rule(node=NODE)
    def server_goes_down(self, node: int) -> None:
        self.world.cluster.up = [number != node for number in range(3)]

    @rule()
    def servers_come_back(self) -> None:
        self.world.cluster.up = [True] * 3

    @rule()
    def replication(self) -> None:
        self.world.cluster.replicate()

    @rule()
    def expirer_of_swift(self) -> None:
        self.world.reap()

    @rule(node=NODE)
    def database_falls_behind(self, node: int) -> None:
        db = self.world.cluster.dbs[node]
        db.waiting = db.waiting or []

    @rule(node=NODE)
    def database_catches_up(self, node: int) -> None:
        self.world.cluster.dbs[node].catch_up()

    @rule(node=NODE)
    def database_is_saved(self, node: int) -> None:
        db = self.world.cluster.dbs[node]
        self.backups[node] = dict(db.rows), db.last

    @rule(node=NODE)
    def database_is_put_back(self, node: int) -> None:
        """What it has lost the other replicas bring again, in another order, among what is new."""
        if node in self.backups:
            db, (rows, last) = self.world.cluster.dbs[node], self.backups[node]
            db.rows, db.last = dict(rows), last
            self.world.restart(node)

    @rule(node=NODE, locked=st.booleans())
    def database_is_locked(self, node: int, locked: bool) -> None:
        self.world.nodes[node].replicas_here[0].broken = LocalUnavailable("locked") if locked else None

    def teardown(self) -> None:
        try:
            if self.world is not None:
                for node in self.world.nodes:
                    node.replicas_here[0].broken = None
                self.world.settle()
                self.world.check_end()
        finally:
            if self.world is not None:
                self.world.close()
            shutil.rmtree(self.directory)
            logging.disable(logging.NOTSET)


class MovingMachine(Story):
    """Three daemons of a mapping that gives up local objects."""

    moves = True

    @precondition(lambda self: self.world)
    @rule()
    def long_time_passes(self) -> None:
        """Until everything that is known is due."""
        self.world.time_passes(DELAY * 1.5)
        for node in range(3):
            self.world.step(node)


TestCopying = Story.TestCase
TestCopying.settings = stories(60, 40)
TestMoving = MovingMachine.TestCase
TestMoving.settings = stories(150, 40)
