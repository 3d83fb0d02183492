"""`bin/soak`: three nodes' daemons live through a week in which the store is away, on a clock that is moved.

The daemons' code, their journals and status files are real; Swift and the store are in memory, and clients
keep changing a fixed number of objects, so that nothing but the daemons can grow. Every day the store is
away in another way, and every night the daemons are killed. Then it returns.
"""

from __future__ import annotations

import gc
import logging
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from s3_sync.errors import (
    AccessDenied,
    CredentialsRefused,
    InvalidRequest,
    RemoteUnavailable,
    Throttled,
)
from unit.sync.worlds import Three

DAY = 86400.0
NAMES = [f"o{number:04}" for number in range(2000)]
CHANGES = int(os.environ.get("CHANGES", "50000"))
POLL = 10.0  # seconds between two turns of a daemon that has nothing to wait for
ROOM = 16.0  # MiB by which memory may grow after the first day: what Python keeps for later

#: how the store is away: what a request meets, by a number between 0 and 1
Away = Callable[[float], Exception | None]
DAYS: list[tuple[str, Away]] = [
    ("refuses connections", lambda luck: RemoteUnavailable("refused")),
    ("asks for patience", lambda luck: Throttled("SlowDown", status=503, retry_after=30.0)),
    (
        "answers every third request",
        lambda luck: RemoteUnavailable("500", status=500) if luck < 0.67 else None,
    ),
    ("does not let anybody in", lambda luck: AccessDenied("AccessDenied", status=403)),
    ("does not know the keys", lambda luck: CredentialsRefused("ExpiredToken", status=403)),
    ("understands nothing", lambda luck: InvalidRequest("InvalidRequest", status=400)),
    ("answers one request in a hundred", lambda luck: RemoteUnavailable("502") if luck < 0.99 else None),
]


class Soak:
    """Clients, daemons, and what they use."""

    def __init__(self, directory: Path) -> None:
        self.world = Three(directory, items_chunk=1000, workers=10)
        self.directory = directory
        self.random = random.Random(1)
        self.due = [0.0] * len(self.world.nodes)
        self.requests = 0
        self.begun = self.world.swift.clock.now()
        for name in NAMES:
            self.world.swift.put(name, b"first")
        self.run_until(self.world.converged, 100)

    @property
    def day(self) -> float:
        return (self.world.swift.clock.now() - self.begun) / DAY

    def change(self) -> None:
        """By a client."""
        swift, name = self.world.swift, self.random.choice(NAMES)
        what = self.random.random()
        there = swift.objects[name, 0].data is not None
        if not there or what < 0.6:
            swift.put(name, b"%d" % self.random.randrange(10**6))
        elif what < 0.85:
            swift.post(name, x_object_meta_a=str(self.random.randrange(10**6)))
        else:
            swift.delete(name)

    def turns(self) -> None:
        """Take a step of every daemon whose time has come."""
        now = self.world.swift.clock.now()
        for number, node in enumerate(self.world.nodes):
            if now >= self.due[number]:
                step = node.step()
                self.due[number] = now + (step.pause or (0.0 if step.more else POLL))
        self.requests += sum(self.world.bucket.counts().values())
        self.world.swift.heads.clear()
        self.world.swift.reads.clear()

    def away(self, kind: Away) -> None:
        self.world.bucket.before = lambda method, name: kind(self.random.random())  # type: ignore[assignment,return-value]

    def back(self) -> None:
        self.world.bucket.before = lambda method, name: None

    def run_until(self, done: Callable[[], bool], most: int) -> float:
        """Turns until it is so; how many simulated seconds that took."""
        began = self.world.swift.clock.now()
        for _ in range(most):
            self.turns()
            if done():
                return self.world.swift.clock.now() - began
            self.world.swift.clock.sleep(POLL)
        raise SystemExit("the daemons do not come to an end")

    def settled(self) -> bool:
        return self.world.converged() and not any(node.unsettled() for node in self.world.nodes)

    def line(self, what: str) -> tuple[float, int]:
        gc.collect()
        memory, files = resident(), len(os.listdir("/proc/self/fd"))
        waiting = sum(len(node.unsettled()) for node in self.world.nodes)
        size = sum(path.stat().st_size for path in self.directory.rglob("journal*")) / 2**20
        print(f"| {what} | {self.requests:,} | {waiting} | {size:.1f} | {memory:.1f} | {files} |", flush=True)
        self.requests = 0
        return memory, files


def resident() -> float:
    """MiB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


def main() -> int:
    logging.disable(logging.CRITICAL)
    os.fsync = lambda descriptor: None  # the machine does not fail here
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        soak = Soak(Path(directory))
        print("| | requests | in the journals | journals, MiB | memory, MiB | open files |")
        print("|---|---|---|---|---|---|")
        soak.line("before")
        pause = 7 * DAY / CHANGES
        used: list[tuple[float, int]] = []
        for number, (how, kind) in enumerate(DAYS):
            soak.away(kind)
            while soak.day < number + 1:
                soak.change()
                soak.turns()
                soak.world.swift.clock.sleep(pause)
            used.append(soak.line(f"day {number + 1}: {how}"))
            for node in soak.world.nodes:
                node.restart()
        soak.back()
        took = soak.run_until(soak.settled, 10_000)
        used.append(soak.line("back, and everything is there"))
        check_metadata(soak)
        # then every other node verifies what it did not send itself
        for node in soak.world.nodes:
            node.later(2 * DAY)
        soak.world.bucket.counts()
    growth = max(memory for memory, _ in used) - used[0][0]
    files = max(files for _, files in used) - used[0][1]
    print(f"\n{CHANGES:,} changes; {took:.0f} simulated seconds from the store's return to agreement;")
    print(f"memory grew by {growth:.1f} MiB after the first day, open files by {files}")
    print(f"({time.monotonic() - started:.0f} s)")
    return 1 if growth > ROOM or files > 0 else 0


def check_metadata(soak: Soak) -> None:
    for name in soak.world.swift.content():
        headers = soak.world.swift.objects[name, 0].headers
        wanted = {"a": headers["x-object-meta-a"]} if "x-object-meta-a" in headers else {}
        if soak.world.bucket.metadata(name) != wanted:
            raise SystemExit(f"{name} has other metadata than its copy")


if __name__ == "__main__":
    sys.exit(main())
