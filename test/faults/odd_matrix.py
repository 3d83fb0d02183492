"""Containers that a daemon copies to an `OddStore`, and others that it moves there; one of each for each
deviation.

`Stage.run` has them all copied by one daemon: before the deviation is there, while it is, and after it has
gone; and once more without any progress, so that everything is compared. What was not as it must be is in
``Cell.problems``.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from faults.proxy import Call
from servers.daemon import SyncDaemon
from servers.large import Large, SegmentFile
from servers.odd_store import DEVIATIONS, WRITES, Deviation, OddStore
from servers.operations import operation
from servers.pair import Pair, Store, new_pair
from servers.swift import SwiftCluster

PATIENCE = 1.5  # seconds that the daemon waits for an answer
MANIFEST = " (manifest)"
ATTEMPTS = 2  # of each request, before a failure is written down
#: requests for a part while its object is tried once: it is sent twice by itself
_SENT_FOR_A_TRY = {"UploadPart": 2 * ATTEMPTS, "UploadPartCopy": 2 * ATTEMPTS}
#: seconds until everything has been tried, or has arrived; what fails takes all of them
TRIED, ARRIVED = 20.0, 30.0
GONE = ("gone1", "gone2")
MOVES: dict[str, Any] = {"retain_local": False, "propagate_delete": True}
PARTS = 4
_WRITTEN = ("PutObject", "CopyObject", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload")
#: a move asks for no more than a copy does, but for a proof of the copy
ASKED_BY_MOVES = {*WRITES, "HeadObject"}
#: requests of one kind about one object, for each time that its row is tried
_READS_FOR_A_TRY = 4 * ATTEMPTS


@dataclass
class Container:
    """A container, and what its clients have put there: name -> (bytes, metadata)."""

    pair: Pair
    moves: bool
    truth: dict[str, tuple[bytes, dict[str, str]]] = field(default_factory=dict)
    slos: set[str] = field(default_factory=set)
    segments: list[SegmentFile] = field(default_factory=list)
    since: int = 0  # calls of the proxy before the deviation

    def __post_init__(self) -> None:
        self.large = Large(self.pair)

    @property
    def label(self) -> str:
        return f"{self.pair.swift.account}/{self.pair.container}"

    @property
    def kind(self) -> str:
        return "moves" if self.moves else "copies"

    def put(self, name: str, body: bytes, colour: str = "") -> None:
        meta = {"colour": colour} if colour else {}
        self.pair.put(name, body, _headers(meta))
        self.truth[name] = body, meta
        self.slos.discard(name)

    def post(self, name: str, colour: str) -> None:
        self.pair.post(name, _headers({"colour": colour}))
        self.truth[name] = self.truth[name][0], {"colour": colour}

    def delete(self, name: str) -> None:
        self.pair.swift.ask("DELETE", self.pair.container, name)  # 404 where it was moved
        self.truth.pop(name)

    def put_slo(self, name: str) -> None:
        if not self.segments:
            self.segments = [self.large.segment(str(number), 900 + number) for number in range(PARTS)]
        self.large.put_slo(name, self.segments)
        self.truth[name] = b"".join(segment.body for segment in self.segments), {}
        self.slos.add(name)

    def fill(self) -> None:
        for name in ("over", "over again", *GONE):
            self.put(name, b"1")
        if not self.moves:
            self.put("meta", b"1")
            self.put_slo("slo meta")
            self.put_slo("slo gone")

    def change(self) -> None:
        """Something for each operation."""
        self.put("new", b"new")
        self.put("over", b"2", "blue")
        self.put_slo("slo")
        if self.moves:
            self.put("posted", b"posted")
            self.post("posted", "red")
        else:
            self.put("slo gone", b"no slo any more")
            self.post("meta", "red")
            self.post("slo meta", "green")
        for name in GONE:
            self.delete(name)

    def change_again(self) -> None:
        self.put("late", b"late")
        self.put("over again", b"1", "green")  # the bytes that it had before
        self.delete("new")

    # What became of it

    def here(self, name: str) -> bytes | None:
        answer = self.pair.swift.ask("GET", self.pair.container, name)
        return answer.body if answer.status == 200 else None

    def wrong_there(self, name: str) -> str:
        """What is wrong with the copy of an object; asked of the store itself."""
        body, meta = self.truth[name]
        try:
            answer = self.pair.s3.get_object(Bucket=self.pair.bucket, Key=self.pair.prefix + name)
        except ClientError as error:
            return f"{name}: {error.response['Error']['Code']}"
        stored = answer["Body"].read()
        if stored != body:
            return f"{name}: {len(stored)} bytes of {len(body)} ({stored[:20]!r})"
        if answer["Metadata"].get("colour", "") != meta.get("colour", ""):
            return (
                f"{name}: metadata {answer['Metadata'].get('colour', '')!r}, not {meta.get('colour', '')!r}"
            )
        if name in self.slos and not self.large.manifest(name):
            return f"{name}: no manifest"
        return ""

    def lost(self) -> list[str]:
        """Objects of which neither side has the right bytes."""
        found = []
        for name, (body, _) in self.truth.items():
            if self.moves and self.here(name) != body and (wrong := self.wrong_there(name)):
                found.append(f"LOST {wrong}")
        return found

    def differing(self, but: Iterable[str] = ()) -> list[str]:
        """What is not as it has to be in the end. ``but``: names that are on record."""
        found = [wrong for name in self.truth if name not in but and (wrong := self.wrong_there(name))]
        arrived = set(self.pair.arrived())
        found += [f"{name}: still in the bucket" for name in arrived - self.truth.keys() if name not in but]
        if self.moves:
            local = set(self.pair.swift.names(self.pair.container)) - set(but)
            found += [f"{name}: still here" for name in sorted(local)]
        return found


def _headers(meta: dict[str, str]) -> dict[str, str]:
    return {f"X-Object-Meta-{name}": value for name, value in meta.items()}


@dataclass
class Cell:
    """One deviation and its containers."""

    name: str
    odd: OddStore
    containers: list[Container]
    problems: list[str] = field(default_factory=list)

    @property
    def deviation(self) -> Deviation:
        return DEVIATIONS[self.name]

    def blame(self, container: Container, when: str, what: Iterable[str]) -> None:
        self.problems += [f"{container.kind}, {when}: {each}" for each in what]


class Stage:
    """``names``: of deviations. One cluster, one store, one daemon."""

    def __init__(self, cluster: SwiftCluster, store: Store, directory: Path, names: Iterable[str]) -> None:
        self._stack = ExitStack()
        self.cells: dict[str, Cell] = {}
        for name in names:
            odd = self._stack.enter_context(OddStore(store))
            options = DEVIATIONS[name].options
            containers = [Container(new_pair(cluster, odd.store, **options), False)]
            if set(DEVIATIONS[name].on) & ASKED_BY_MOVES:
                containers.append(Container(new_pair(cluster, odd.store, **options, **MOVES), True))
            self.cells[name] = Cell(name, odd, containers)
        mappings = [each.pair.mapping | {"read_timeout": PATIENCE} for each in self._containers()]
        self.daemon = SyncDaemon(cluster, directory, mappings, workers=4, items_chunk=100, poll_interval=0.5)
        self._stack.callback(self.daemon.stop)
        self._ends: dict[str, tuple[str, int]] = {}

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self) -> None:
        self.daemon.alter(**impatient())
        lasting = [cell for cell in self.cells.values() if cell.deviation.lasting]
        passing = [cell for cell in self.cells.values() if not cell.deviation.lasting]
        for cell in lasting:
            cell.odd.turn_on(cell.name)
        self._act(Container.fill)
        self.daemon.start("--log-level", "debug")
        self._wait(self._is_done, ARRIVED)
        self.daemon.stop()
        self._round(passing, Container.change, "first")
        for container in self._containers():
            path = self.daemon.status_dir / container.pair.swift.account / container.pair.container
            path.unlink(missing_ok=True)
        self._round(passing, Container.change_again, "compared")

    def _round(self, passing: list[Cell], change: Callable[[Container], None], when: str) -> None:
        """The daemon is stopped before and afterwards: while clients write it would try all again."""
        for cell in passing:
            cell.odd.turn_on(cell.name)
        for cell in self.cells.values():
            for container in cell.containers:
                container.since = len(cell.odd.calls())
        begun = len(self.daemon.log_text())
        self._act(change)
        self.daemon.start("--log-level", "debug")
        self._wait(self._was_tried, TRIED)
        for cell in self.cells.values():
            for container in cell.containers:
                cell.blame(container, f"{when}, meanwhile", container.lost())
                cell.blame(container, f"{when}, meanwhile", self._unbounded(cell, container, begun))
        for cell in passing:
            cell.odd.turn_off()
        self._wait(self._is_done, ARRIVED)
        for cell in self.cells.values():
            for container in cell.containers:
                cell.blame(container, when, self._judged(cell, container))
        self.daemon.stop()

    def _act(self, change: Callable[[Container], None]) -> None:
        for container in self._containers():
            change(container)
        self._ends = {each.label: each.pair.database() for each in self._containers()}

    def _containers(self) -> list[Container]:
        return [each for cell in self.cells.values() for each in cell.containers]

    # What the daemon says

    def _wait(self, condition: Callable[[Cell, Container, dict[str, Any]], bool], seconds: float) -> None:
        """Until it holds for all, or the time is over: what is missing then shows elsewhere."""
        until = time.monotonic() + seconds
        left = [(cell, each) for cell in self.cells.values() for each in cell.containers]
        while left and time.monotonic() < until:
            time.sleep(0.1)
            unsettled = self._unsettled()
            left = [
                (cell, each)
                for cell, each in left
                if not condition(cell, each, unsettled.get(each.label, {}))
            ]

    def _unsettled(self) -> dict[str, dict[str, tuple[str, str, int]]]:
        """By label and name: state, reason, attempts."""
        found: dict[str, dict[str, tuple[str, str, int]]] = {}
        for mapping, name, state, reason, attempts in self.daemon.journal_rows(
            "SELECT mapping, name, state, reason, attempts FROM unsettled"
        ):
            found.setdefault(mapping.partition("#")[0], {})[name] = state, reason, attempts
        return found

    def _is_read(self, container: Container) -> bool:
        identity, last = self._ends[container.label]
        status = self.daemon.status(container.pair.swift.account, container.pair.container)
        return bool(status.get(identity, {}).get("last_row", -1) >= last)

    def _was_tried(self, cell: Cell, container: Container, unsettled: dict[str, Any]) -> bool:
        """Everything was, twice; or the mapping is held up as a whole."""
        if self._is_read(container):
            return all(state == "quarantine" or tries >= 2 for state, _, tries in unsettled.values())
        return not cell.deviation.lasting and cell.odd.met(container.since) >= 8 * ATTEMPTS

    def _is_done(self, cell: Cell, container: Container, unsettled: dict[str, Any]) -> bool:
        if not self._is_read(container):
            return False
        reasons = cell.deviation.reasons
        return all(tries >= 2 and why in reasons for _, why, tries in unsettled.values())

    def _judged(self, cell: Cell, container: Container) -> list[str]:
        unsettled = self._unsettled().get(container.label, {})
        said = [] if self._is_read(container) else ["its rows were not read to the end"]
        recorded = set()
        for name, (state, reason, attempts) in unsettled.items():
            if reason in cell.deviation.reasons:
                recorded.add(name)
            else:
                said.append(f"{name}: {state}, {reason}, {attempts} attempts")
        said += container.differing(recorded)
        if cell.odd.asked_elsewhere():
            said.append(f"another host was asked {cell.odd.asked_elsewhere()} times")
        return said

    # Requests

    def _unbounded(self, cell: Cell, container: Container, begun: int) -> list[str]:
        """What was asked oftener than failures explain, or stored more than once without one."""
        log = self.daemon.log_text()[begun:]
        label = re.escape(container.label)
        tries = Counter(re.findall(rf"Failed to handle row \d+ \((.*?)\) of {label}: ", log))
        setbacks = len(re.findall(rf"Failed to process {label}: ", log))
        calls = [
            c for c in cell.odd.calls(since=container.since) if c.path.split("/")[1] == container.pair.bucket
        ]
        asked = Counter((operation(c), container_name(container, c), _part(c)) for c in calls)
        stored = Counter(
            (operation(c), container_name(container, c), _part(c))
            for c in calls
            if c.status // 100 == 2 and operation(c) in _WRITTEN and container_name(container, c)
        )
        begun_uploads = sum(1 for call in cell.odd.calls() if operation(call) == "CreateMultipartUpload")
        # no deviation changes bytes on their way to the store
        wrong = rf"{label}: (?:internal_error|bad_digest): .*"
        found = [f"a defect: {line}" for line in sorted(set(re.findall(wrong, log)))]
        failures = re.findall(rf"Failed to .*{label}: .*", log)
        found += [f"told without a reason: {line}" for line in failures if cell.deviation.told not in line][
            :1
        ]
        for (what, name, part), count in asked.items():
            # what is about no object is asked for any of them
            tried = tries[name.removesuffix(MANIFEST)] if name else sum(tries.values()) + begun_uploads
            rounds = tried + setbacks + 2
            each = _SENT_FOR_A_TRY.get(what, ATTEMPTS) if what in _WRITTEN or not name else _READS_FOR_A_TRY
            if count > each * rounds:
                found.append(f"{what} {name}{part}: {count} requests, {tried} failures, {setbacks} setbacks")
        if cell.deviation.lasting:
            found += [
                f"{what} {name}{part}: stored {count} times"
                for (what, name, part), count in stored.items()
                if count > max(2, self._stored_at_most(cell, what, tries[name.removesuffix(MANIFEST)]))
            ]
        return found

    @staticmethod
    def _stored_at_most(cell: Cell, what: str, tries: int) -> int:
        """Where the store takes what it is sent, and does not say so, each request stores it."""
        unproved = "remote_answer" in cell.deviation.reasons
        return (tries + 1) * (_SENT_FOR_A_TRY.get(what, ATTEMPTS) if unproved else 1)


def container_name(container: Container, call: Call) -> str:
    """The object that a request is about; empty for a bucket, and for what is nobody's."""
    key = call.path.partition(f"/{container.pair.bucket}/")[2]
    if key.startswith(container.pair.prefix):
        return key[len(container.pair.prefix) :]
    digests = {container.large.manifest_key(name): name for name in [*container.truth, *GONE]}
    return digests[key] + MANIFEST if key in digests else ""


def _part(call: Call) -> str:
    found = re.search(r"partNumber=(\d+)", call.query)
    return f" part {found[1]}" if found else ""


def impatient() -> dict[str, Any]:
    """What is altered about the daemon: short time-outs and pauses, small parts."""
    return {
        "limits": {"min_part": 1, "max_copy": 1500},
        "retries": {"attempts": ATTEMPTS, "base": 0.05},
        "values": {
            "s3_sync.runtime.logs:LIBRARIES": [],
            "s3_sync.sync.rows.bulk_deletes:MIN_BULK_DELETES": len(GONE),
            "s3_sync.providers.wrappers.adaptive_throttle:RECOVERY": 0.5,
            "s3_sync.providers.wrappers.adaptive_throttle:MIN_RATE": 1000.0,
        },
        "pauses": {
            "s3_sync.sync.app:_retry_pause": 3.0,
            "s3_sync.daemon.job_backoff:backoff_delay": 2.0,
        },
    }
