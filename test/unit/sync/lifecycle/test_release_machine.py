"""Any order of a client's changes, turns of two daemons, crashes, and databases that fall behind."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from s3_sync.errors import RemoteUnavailable
from unit.sync.hypothesis_profiles import stories
from unit.sync.move_machine import Crash, MovingWorld

NAMES = st.sampled_from(["a", "b"])
BYTES = st.sampled_from([b"one", b"two", bytes(1500)])
USER = st.fixed_dictionaries({"m": st.sampled_from(["1", "2"])})
#: what a client does: a word, a name, bytes, metadata
CHANGES = st.tuples(st.sampled_from(["put", "put for a while", "post", "delete"]), NAMES, BYTES, USER)
Change = tuple[str, str, bytes, dict[str, str]]
NODE = st.integers(0, 1)
DELAY = 300
#: of an object that expires, in seconds: most of them are moved before
LIFE = 1000


class MovingMachine(RuleBasedStateMachine):
    """The bytes that a client wrote last are on one side or the other after every step; at the end,
    everything was moved. What expires goes when it is due, and not before."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.world: Any = None

    @initialize(conditional=st.booleans(), propagate=st.booleans(), slack=st.sampled_from([0.0, 400.0]))
    def begin(self, conditional: bool, propagate: bool, slack: float) -> None:
        self.begin_in(MovingWorld, slack, conditional=conditional, propagate_delete=propagate)

    def begin_in(self, kind: type[MovingWorld], slack: float, **options: Any) -> None:
        self.world = kind(self.directory, nodes=2, copy_after=DELAY, propagate_expiration=True, **options)
        for node in self.world.nodes:
            node.restart(slack=slack)

    def do(self, change: Change) -> None:
        what, name, data, user = change
        if what == "put":
            self.world.put(name, data, **user)
        elif what == "put for a while":
            self.world.put(name, data, LIFE, **user)
        elif what == "post":
            self.world.post(name, **user)
        else:
            self.world.delete(name)

    @rule(change=CHANGES)
    def client(self, change: Change) -> None:
        self.do(change)

    @rule(node=NODE)
    def turn(self, node: int) -> None:
        self.world.nodes[node].step()

    @rule(node=NODE)
    def turns(self, node: int) -> None:
        """Long enough for everything to become due."""
        self.world.nodes[node].step()
        self.world.swift.clock.sleep(DELAY * 1.5)
        self.world.nodes[node].step()

    @rule(node=NODE, at=st.integers(1, 12), change=CHANGES, other=st.booleans())
    def turn_with_a_change_in_between(self, node: int, at: int, change: Change, other: bool) -> None:
        def point(number: int) -> None:
            if number == start + at:
                self.do(change)
                if other:
                    self.world.nodes[1 - node].step()
                self.world.check_bytes()

        start = self.world.points
        self.world.point = point
        self.world.nodes[node].step()
        self.world.point = lambda number: None

    @rule(node=NODE, at=st.integers(1, 12))
    def crash(self, node: int, at: int) -> None:
        def point(number: int) -> None:
            if number == start + at:
                raise Crash

        start = self.world.points
        self.world.point = point
        try:
            self.world.nodes[node].step()
        except Crash:
            self.world.nodes[node].restart()
        self.world.point = lambda number: None

    @rule(node=NODE, at=st.integers(1, 12))
    def fault(self, node: int, at: int) -> None:
        """One request fails, before or after the store, or Swift, has acted."""

        def point(number: int) -> None:
            if number == start + at:
                raise RemoteUnavailable("x")

        start = self.world.points
        self.world.point = point
        self.world.nodes[node].step()
        self.world.point = lambda number: None

    @rule()
    def expirer(self) -> None:
        self.world.reap()

    @rule()
    def time_passes(self) -> None:
        self.world.swift.clock.sleep(DELAY * 1.5)

    @precondition(lambda self: self.world and len(self.world.swift.dbs) == 2)
    @rule(node=NODE)
    def database_falls_behind(self, node: int) -> None:
        self.world.swift.dbs.remove(self.world.dbs[node])

    @precondition(lambda self: self.world and len(self.world.swift.dbs) == 1)
    @rule()
    def database_catches_up(self) -> None:
        self.catch_up()

    def catch_up(self) -> None:
        """What replication brings: rows that are newer than its own."""
        swift = self.world.swift
        for db in self.world.dbs:
            if db not in swift.dbs:
                swift.dbs.append(db)
                for name, policy in swift.objects:
                    if name.startswith("/"):
                        continue
                    row = swift.row(name, policy)
                    known = db.rows.get((name, policy))
                    if known is None or (known.data_timestamp, known.timestamp) != (
                        row.data_timestamp,
                        row.timestamp,
                    ):
                        db.add(row)

    @invariant()
    def nothing_is_lost(self) -> None:
        if self.world is not None:
            self.world.check_bytes()

    def teardown(self) -> None:
        try:
            if self.world is not None:
                self.catch_up()
                self.world.settle()
                self.world.check_end()
        finally:
            if self.world is not None:
                for node in self.world.nodes:
                    node.journal.close()
            shutil.rmtree(self.directory)


TestMoving = MovingMachine.TestCase
TestMoving.settings = stories(120, 25)
