"""A store that refuses one object, or sits on it: all others arrive meanwhile, and that one is on record."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from faults.proxy import waits_for
from servers.daemon import SyncDaemon
from servers.moto import MotoServer
from servers.odd_store import DEVIATIONS, OBJECT_WRITES, ODD, Deviation, OddStore
from servers.operations import operation
from servers.pair import Pair, Store, new_pair
from servers.process import wait_until
from servers.server import AnyServer
from servers.swift import SwiftCluster

#: fewer than those who come after the odd one, so that they cannot get past it by chance
WORKERS = 2
FIRST, LATER = 15, 5
#: seconds. Others are there in one or two; where all had to wait for the odd one, in a minute at the earliest
SOON = 25.0
SILENCE = "silence"
ONE_OBJECT = [name for name, each in DEVIATIONS.items() if each.odd_only]


@dataclass
class Cell:
    """``late``: which of the others were not there in time."""

    name: str
    deviation: Deviation
    odd: OddStore
    pair: Pair
    late: list[str] = field(default_factory=list)

    def put_odd(self) -> None:
        if self.deviation.odd_only == "metadata":
            self.pair.put("refused", b"odd", {f"X-Object-Meta-{ODD}": "x"})
        else:
            self.pair.put(ODD, b"odd")

    @property
    def odd_name(self) -> str:
        return "refused" if self.deviation.odd_only == "metadata" else ODD

    def put_others(self, first: int, count: int) -> list[str]:
        names = [f"p{number:02}" for number in range(first, first + count)]
        for name in names:
            self.pair.put(name, name.encode())
        return names


@dataclass
class Stage:
    cells: dict[str, Cell]
    daemon: SyncDaemon
    thaw: threading.Event

    def run(self) -> None:
        for cell in self.cells.values():
            cell.odd.turn_on(cell.deviation)
            cell.put_odd()
        self.daemon.start("--log-level", "debug")
        wait_until(self.have_failed, SOON * 2, "the odd ones were tried")
        for first, count in ((0, FIRST), (FIRST, LATER)):
            names = {cell.name: cell.put_others(first, count) for cell in self.cells.values()}
            until = time.monotonic() + SOON
            missing = names
            while any(missing.values()) and time.monotonic() < until:
                time.sleep(0.2)
                missing = {
                    cell.name: sorted(set(names[cell.name]) - set(cell.pair.arrived()))
                    for cell in self.cells.values()
                    if missing.get(cell.name)
                }
            for name, left in missing.items():
                self.cells[name].late += left

    def have_failed(self) -> bool:
        return all(
            cell.odd_name in self.unsettled(cell) or (cell.name == SILENCE and cell.odd.met())
            for cell in self.cells.values()
        )

    def unsettled(self, cell: Cell) -> dict[str, tuple[str, int]]:
        label = f"{cell.pair.swift.account}/{cell.pair.container}#"
        rows = self.daemon.journal_rows("SELECT mapping, name, reason, attempts FROM unsettled")
        return {
            name: (reason, attempts) for mapping, name, reason, attempts in rows if mapping.startswith(label)
        }

    def end(self) -> None:
        """End the deviations."""
        self.thaw.set()
        for cell in self.cells.values():
            cell.odd.turn_off()


@pytest.fixture(scope="module")
def stage(
    start_server: Callable[[AnyServer], AnyServer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    cluster: Any = start_server(SwiftCluster())
    store = Store.server(start_server(MotoServer()))
    thaw = threading.Event()
    silence = Deviation(waits_for(thaw), OBJECT_WRITES, odd_only="key")
    with ExitStack() as stack:
        cells = {}
        for name, deviation in {**{name: DEVIATIONS[name] for name in ONE_OBJECT}, SILENCE: silence}.items():
            odd = stack.enter_context(OddStore(store))
            cells[name] = Cell(name, deviation, odd, new_pair(cluster, odd.store))
        mappings = [cell.pair.mapping for cell in cells.values()]
        daemon = SyncDaemon(cluster, tmp_path_factory.mktemp("odd"), mappings, workers=WORKERS)
        daemon.alter(
            pauses={"s3_sync.sync.app:_retry_pause": 1.0},
            values={
                "s3_sync.runtime.logs:LIBRARIES": [],
                "s3_sync.providers.wrappers.adaptive_throttle:MIN_RATE": 0.5,
                "s3_sync.providers.wrappers.adaptive_throttle:RECOVERY": 600.0,
            },
            retries={"attempts": 2, "base": 0.05},
        )
        stack.callback(daemon.stop)
        stack.callback(thaw.set)
        stage = Stage(cells, daemon, thaw)
        stage.run()
        yield stage


@pytest.mark.parametrize("name", [*ONE_OBJECT, SILENCE])
class TestOddObject:
    def test_other_objects_are_copied_in_time(self, stage: Stage, name: str) -> None:
        assert stage.cells[name].late == []

    def test_odd_object_is_journaled_with_its_reason(self, stage: Stage, name: str) -> None:
        cell = stage.cells[name]
        unsettled = stage.unsettled(cell)
        if name == SILENCE:
            assert unsettled.keys() <= {ODD}, "somebody waits for an answer"
            return
        assert list(unsettled) == [cell.odd_name]
        reasons = cell.deviation.reasons
        # an object that takes long is tried again in the lane of large ones, as `large` meanwhile
        wait_until(
            lambda: stage.unsettled(cell).get(cell.odd_name, ("", 0))[0] in reasons, SOON, f"one of {reasons}"
        )

    def test_odd_object_is_written_at_most_twice_for_each_attempt(self, stage: Stage, name: str) -> None:
        cell = stage.cells[name]
        writes = [
            call for call in cell.odd.calls("PUT", f"/{cell.odd_name}") if operation(call) in OBJECT_WRITES
        ]
        tries = stage.unsettled(cell).get(cell.odd_name, ("", 0))[1]
        assert 1 <= len(writes) <= 2 * (tries + 1)


def test_odd_objects_are_copied_once_the_store_accepts_them(stage: Stage) -> None:
    stage.end()
    wait_until(
        lambda: all(cell.odd_name in cell.pair.arrived() for cell in stage.cells.values()),
        SOON,
        "the odd ones",
    )
    wait_until(lambda: not any(map(stage.unsettled, stage.cells.values())), SOON, "nothing is left")
    assert "Traceback" not in stage.daemon.log_text()
