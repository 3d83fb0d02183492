"""The random stories of moves with large objects in them, whose segments clients write again, name elsewhere
and give metadata, at any moment; and with links and manifests that name what is none of their writer's."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from unit.sync.hypothesis_profiles import stories
from unit.sync.large_move_machine import LargeWorld
from unit.sync.lifecycle.test_release_machine import DELAY, LIFE, NAMES, NODE, USER, Change, MovingMachine
from unit.sync.move_machine import Crash

#: the same code a thousand times: other tests measure it
pytestmark = pytest.mark.no_cover

NUMBER = st.integers(0, 9)
KIND = st.sampled_from(["slo", "dlo"])
#: what may come at any moment. A manifest of old segments may not: a walk that has passed does not see it.
ANY_TIME = st.sampled_from(["write_again", "refer_again", "note"])
#: the bytes say what is written: see the machine of plain objects
KINDS = {b"one": "slo", b"two": "dlo"}


class MovingLarge(MovingMachine):
    """What a client wrote last is readable, here or there; what else names segments is always readable."""

    @initialize(
        conditional=st.booleans(),
        propagate=st.booleans(),
        slack=st.sampled_from([0.0, 400.0]),
        retain=st.booleans(),
    )
    def begin(self, conditional: bool, propagate: bool, slack: float, retain: bool = False) -> None:
        options = {"conditional": conditional, "propagate_delete": propagate}
        self.begin_in(LargeWorld, slack, retain_local_segments=retain, **options)
        self.world.put_large("a", "slo", b"first")
        self.world.put_large("b", "dlo", b"first")

    def do(self, change: Change) -> None:
        what, name, data, user = change
        if not what.startswith("put") or data not in KINDS:
            super().do(change)
            return
        lives = LIFE if what == "put for a while" else None
        self.world.put_large(name, KINDS[data], data, lives, **user)

    @rule(name=NAMES, kind=KIND, user=USER, act=st.none() | ANY_TIME, number=NUMBER)
    def large(self, name: str, kind: str, user: dict[str, str], act: str | None, number: int) -> None:
        """What it says, and then it is about to be moved."""
        self.world.put_large(name, kind, b"large", **user)
        if act is not None:
            getattr(self.world, act)(number)
        for node in self.world.nodes:
            node.step()
        self.world.swift.clock.sleep(DELAY * 1.5)

    @rule(
        name=st.sampled_from(["x", "y"]),
        kind=st.sampled_from(["slo", "dlo", "symlink"]),
        gives_up=st.booleans(),
    )
    def user_without_rights(self, name: str, kind: str, gives_up: bool) -> None:
        if gives_up:
            self.world.give_up(name)
        else:
            self.world.covet(name, kind)

    @rule(number=NUMBER)
    def another_manifest_of_old_segments(self, number: int) -> None:
        self.world.refer_to_old(number)

    @rule(number=NUMBER, act=ANY_TIME)
    def segments(self, number: int, act: str) -> None:
        getattr(self.world, act)(number)

    @rule(node=NODE, at=st.integers(1, 60), number=NUMBER, act=ANY_TIME, crash=st.booleans())
    def turn_with_segments_in_between(self, node: int, at: int, number: int, act: str, crash: bool) -> None:
        """All that is waiting is due; with ``crash`` the daemon ends right after the client has acted."""

        def point(count: int) -> None:
            if count == start + at:
                getattr(self.world, act)(number)
                self.world.check_bytes()
                if crash:
                    raise Crash

        self.world.swift.clock.sleep(DELAY * 1.5)
        start = self.world.points
        self.world.point = point
        try:
            self.world.nodes[node].step()
        except Crash:
            self.world.nodes[node].restart()
        self.world.point = lambda count: None


TestMovingLarge = MovingLarge.TestCase
TestMovingLarge.settings = stories(120, 25)
