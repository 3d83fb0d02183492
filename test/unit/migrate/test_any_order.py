"""Any order of what clients do on both sides, steps of the migrators of several nodes, and what may come in
between of a step: clients, other nodes, kills, requests that fail, listings that are old, short or empty.

Whatever a migrator writes is the newest version of the source, and never undoes what a client has written
since; when everything is quiet again, the cluster has what is newest of both.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from s3_sync.errors import AccessDenied, LocalUnavailable, RemoteUnavailable, Throttled
from s3_sync.providers.base import ListPage, ListQuery
from unit.migrate.attacked import Attacked, Crash, Setting
from unit.sync.hypothesis_profiles import stories

#: the same code a thousand times: other tests measure it
pytestmark = pytest.mark.no_cover

NAMES = st.sampled_from(["a", "a", "b", "c", "d", "é"])
NODE = st.integers(0, 1)
COLOUR = st.sampled_from(["", "1", "zwei"])
WHERE = st.sampled_from(["here", "there", "there"])
WHAT = st.sampled_from(["put", "put", "post", "delete"])
CHANGES = st.tuples(WHERE, WHAT, NAMES, COLOUR)
EVENTS = st.one_of(
    CHANGES,
    CHANGES,
    NODE,
    st.sampled_from(["crash", "fault", "throttle", "deny", "cut", "empty", "short", "freeze", "thaw"]),
)
#: at which point: the so many-th of this kind
MOMENTS = st.one_of(
    st.tuples(st.just(""), st.integers(1, 25)),
    st.tuples(
        st.sampled_from(["source GET", "source LIST", "source HEAD", "local PUT", "local newest"]),
        st.integers(1, 4),
    ),
    st.tuples(st.sampled_from(["local after PUT", "local POST", "local DELETE"]), st.integers(1, 2)),
)
PLANS = st.lists(st.tuples(MOMENTS, EVENTS), min_size=1, max_size=3)

REMOTE = {"fault": RemoteUnavailable("x"), "throttle": Throttled("x"), "deny": AccessDenied("x")}


class AnyOrder(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.plan: list[tuple[tuple[str, int], Any]] = []
        self.seen: Counter[str] = Counter()

    @initialize(
        nodes=st.sampled_from([1, 2, 2, 3]),
        chunk=st.integers(1, 4),
        workers=st.integers(1, 3),
        older_than=st.sampled_from([None, None, 100.0]),
    )
    def begin(self, nodes: int, chunk: int, workers: int, older_than: float | None) -> None:
        self.world = Attacked(self.directory, Setting(nodes, chunk, workers, older_than))

    @rule(changes=st.lists(CHANGES, min_size=1, max_size=6))
    def clients_write(self, changes: list[tuple[str, str, str, str]]) -> None:
        for change in changes:
            self.change(*change)

    @rule(number=NODE, steps=st.integers(1, 12))
    def a_node_works(self, number: int, steps: int) -> None:
        for _ in range(steps):
            self.world.step(number % self.world.setting.nodes)

    @rule(number=NODE, steps=st.integers(2, 12), plan=PLANS)
    def a_node_works_while(self, number: int, steps: int, plan: list[tuple[tuple[str, int], Any]]) -> None:
        self.plan, self.seen = list(plan), Counter()
        self.world.point = self.comes
        self.a_node_works(number, steps)
        self.world.point = lambda what: None
        self.world.cluster.thaw()

    @rule(seconds=st.sampled_from([1.0, 30.0, 150.0, 4000.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.clock.sleep(seconds)

    def change(self, where: str, what: str, name: str, colour: str) -> None:
        world = self.world
        if what == "delete":
            (world.delete if where == "here" else world.delete_there)(name)
        elif what == "post":
            (world.post if where == "here" else world.post_there)(name, colour)
        else:
            (world.put if where == "here" else world.put_there)(name, colour)

    def comes(self, what: str) -> Any:
        """What comes in between here."""
        self.seen[what] += 1
        self.seen[""] += 1
        for planned in self.plan:
            (kind, number), event = planned
            if kind in ("", what) and self.seen[kind] == number:
                self.plan.remove(planned)
                return self.happens(event, what)
        return None

    def happens(self, event: Any, what: str) -> Any:
        if isinstance(event, tuple):
            return self.change(*event)
        if isinstance(event, int):
            return self.world.step(event % self.world.setting.nodes)
        if event == "crash":
            raise Crash
        if event in ("freeze", "thaw"):
            getattr(self.world.cluster, event)()
        elif event in REMOTE:
            if what.startswith("source"):
                raise REMOTE[event]
            raise LocalUnavailable("x")
        elif event == "cut":
            self.world.source.cut = True
        elif what == "source LIST" and event in ("empty", "short"):
            return self.lie(event)
        return None

    def lie(self, event: str) -> ListPage:
        page = self.world.source.inner.list_objects(ListQuery())
        return ListPage(() if event == "empty" else page.objects[:1])

    def teardown(self) -> None:
        try:
            if hasattr(self, "world"):
                self.world.settle()
                self.world.check_end()
        finally:
            if hasattr(self, "world"):
                self.world.close()
            shutil.rmtree(self.directory)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = stories(60, 25)
