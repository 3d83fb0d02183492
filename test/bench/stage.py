"""What all cases play on: a Swift with a process for every server, a sink, and the tools side by side."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.filling import object_path
from bench.measure import Run, machine_cpu_seconds, median, run
from bench.results import Goal, Value
from servers.daemon import EXECUTABLE, SyncDaemon, Target
from servers.process import python_module
from servers.rclone import rclone_program
from servers.sink import Sink
from servers.swift import IMPORT_ROOT, SwiftCluster

MB = 1_000_000
OURS, DEFAULT, FASTEST, BARE = "swift-s3-sync", "rclone", "rclone, fastest form", "bare loop"
#: the form of rclone that asks for least; the better of these numbers of transfers is taken
TRANSFERS = (16, 32)
#: a tool that took longer than this is not run again: noise evens out in a long run
LONG = 30.0


@dataclass(frozen=True)
class Measured:
    """A run, and which requests it made: of Swift's servers as ``object GET``, and of the sink.

    ``sending``: seconds from the first body's first byte at the sink to the last body's last one. ``busy``:
    CPU seconds of the whole machine meanwhile, servers and whatever else runs on it included.
    """

    run: Run
    sending: float
    local: Counter[str]
    remote: Counter[str]
    busy: float


@dataclass
class Stage:
    """``scale``: what the numbers of objects are multiplied with. ``say``: shows progress."""

    cluster: SwiftCluster
    sink: Sink
    directory: Path
    say: Callable[[str], None]
    scale: float = 1.0
    rounds: int = 3
    _numbers: Counter[str] = field(default_factory=Counter)

    def count(self, number: int, least: int = 1) -> int:
        """So many objects as a case has, or fewer for a trial."""
        return max(least, round(number * self.scale))

    def new_bucket(self, what: str) -> str:
        self._numbers[what] += 1
        return self.sink.create_bucket(f"{what}-{self._numbers[what]}")

    def new_directory(self, what: str) -> Path:
        self._numbers["directory"] += 1
        return self.directory / f"{what}-{self._numbers['directory']}"

    def mapping(self, container: str, bucket: str, **options: Any) -> dict[str, Any]:
        return self._target(bucket).mapping(self.cluster.account, container, **options)

    def daemon(self, mappings: list[dict[str, Any]], **settings: Any) -> SyncDaemon:
        """With our defaults, but for a poll interval of a fifth of a second."""
        return SyncDaemon(self.cluster, self.new_directory("daemon"), mappings, **settings)

    # Measured runs

    @contextmanager
    def counting(self) -> Iterator[tuple[Counter[str], Counter[str]]]:
        """The requests inside the `with` block, of Swift and of the sink; known at its end."""
        local: Counter[str] = Counter()
        remote: Counter[str] = Counter()
        before = self.sink.counts()
        with self.cluster.count_requests() as count:
            yield local, remote
        local.update(f"{request.server} {request.method}" for request in count.requests)
        remote.update(self.sink.counts() - before)

    def measure(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        limit: float | None = None,
    ) -> Measured:
        self.sink.lap()
        with self.counting() as (local, remote):
            before = machine_cpu_seconds()
            done = run(command, self.directory / "output.log", environment, limit)
            busy = machine_cpu_seconds() - before
        state = self.sink.state()
        return Measured(done, max(0.0, state["last"] - state["first"]), local, remote, busy)

    def ours(self, daemon: SyncDaemon) -> Measured:
        """One run with `--once`, start and end of the process included."""
        command = [str(EXECUTABLE), "--config", str(daemon.write()), "--once"]
        return self.measure(command, daemon.environment)

    def rclone(
        self, verb: str, container: str, bucket: str, *options: str, limit: float | None = None
    ) -> Measured:
        """rclone with a configuration that is in the environment only; ended after ``limit`` seconds."""
        target = self._target(bucket)
        environment = {
            "RCLONE_CONFIG": "/dev/null",
            "RCLONE_CONFIG_FROM_TYPE": "swift",
            "RCLONE_CONFIG_FROM_AUTH": self.cluster.auth_url,
            "RCLONE_CONFIG_FROM_USER": self.cluster.user,
            "RCLONE_CONFIG_FROM_KEY": self.cluster.key,
            "RCLONE_CONFIG_TO_TYPE": "s3",
            "RCLONE_CONFIG_TO_PROVIDER": "Other",
            "RCLONE_CONFIG_TO_ENDPOINT": target.endpoint,
            "RCLONE_CONFIG_TO_ACCESS_KEY_ID": target.identity,
            "RCLONE_CONFIG_TO_SECRET_ACCESS_KEY": target.secret,
        }
        command = [rclone_program(), verb, f"from:{container}", f"to:{bucket}", *options]
        return self.measure(command, environment, limit)

    def rclone_copy(self, container: str, *options: str) -> Measured:
        """To a new bucket."""
        return self.rclone("copy", container, self.new_bucket("rclone"), *options)

    def ours_copy(self, container: str) -> Measured:
        """To a new bucket, by a daemon that has never run before."""
        return self.ours(self.daemon([self.mapping(container, self.new_bucket("ours"))]))

    def bare(self, container: str, names: Sequence[str], bucket: str, threads: int) -> Measured:
        """From the object server to the sink with nothing in between."""
        server = self.cluster.server("object")
        order = {
            "source": [server.ip, server.port],
            "sink": self.sink.endpoint.removeprefix("http://").split(":"),
            "threads": threads,
            "pairs": [[object_path(self.cluster, 1, container, name), f"/{bucket}/{name}"] for name in names],
        }
        path = self.directory / "bare.json"
        path.write_text(json.dumps(order))
        return self.measure(python_module("bench.bare", str(path)), {"PYTHONPATH": str(IMPORT_ROOT)})

    def _target(self, bucket: str) -> Target:
        return Target(self.sink.endpoint, self.sink.access_key, self.sink.secret_key, bucket)


#: how rclone compares; without the last option it asks for every single object, to learn its MD5
COMPARING = ("--checksum", "--fast-list", "--swift-no-large-objects")


def fastest_form(transfers: int) -> list[str]:
    return [
        *("--transfers", str(transfers), "--checkers", str(transfers)),
        *("--swift-no-large-objects", "--use-server-modtime", "--s3-no-head", "--s3-no-check-bucket"),
        *("--no-check-dest", "--retries", "1"),
    ]


def alternate(stage: Stage, tools: Mapping[str, Callable[[], Measured]]) -> dict[str, list[Measured]]:
    """Every tool in turn, round by round."""
    done: dict[str, list[Measured]] = {tool: [] for tool in tools}
    for turn in range(stage.rounds):
        for tool, measure in tools.items():
            if done[tool] and done[tool][-1].run.seconds > LONG:
                continue
            measured = measure()
            done[tool].append(measured)
            stage.say(f"round {turn + 1} of {stage.rounds}: {tool} took {measured.run.seconds:.2f} s")
    return done


def median_run(measured: Sequence[Measured]) -> Run:
    return Run(
        median([each.run.seconds for each in measured]),
        median([each.run.cpu for each in measured]),
        max(each.run.rss for each in measured),
    )


def row(measured: Sequence[Measured], objects: int, size: int = 0) -> dict[str, Value]:
    """The columns of a tool that handled so many objects of so many bytes."""
    done = median_run(measured)
    columns: dict[str, Value] = {"runs": len(measured), "seconds": round(done.seconds, 3)}
    columns["objects/s"] = round(objects / done.seconds, 1)
    if size:
        columns["MB/s"] = round(objects * size / done.seconds / MB, 2)
        columns["seconds sending"] = round(median_sending(measured), 3)
    columns["CPU ms/object"] = round(1000 * done.cpu / objects, 4)
    columns["everybody's CPU ms/object"] = round(1000 * median([each.busy for each in measured]) / objects, 3)
    columns["peak RSS MB"] = round(done.rss, 1)
    columns["Swift requests"] = per_object(measured[-1].local, objects)
    columns["S3 requests"] = per_object(measured[-1].remote, objects)
    return columns


def per_object(counts: Mapping[str, int], objects: int) -> str:
    """``object GET 1.00, proxy HEAD 0.01``; what came less than once is shown as a number of its own."""
    parts = [
        f"{name} {number / objects:.2f}" if number >= objects / 100 else f"{name} {number}x"
        for name, number in sorted(counts.items())
    ]
    return ", ".join(parts) or "none"


def median_sending(measured: Sequence[Measured]) -> float:
    return median([each.sending for each in measured])


def goals_for_large(done: Mapping[str, Sequence[Measured]]) -> list[Goal]:
    """Where the bytes are what takes the time: as fast as the others, and little slower than nothing else."""
    seconds = {tool: median_run(measured).seconds for tool, measured in done.items()}
    return [
        Goal("times as fast as rclone's fastest", min(seconds[DEFAULT], seconds[FASTEST]) / seconds[OURS], 1),
        Goal(
            "of the bare loop's speed, while bytes are sent",
            median_sending(done[BARE]) / median_sending(done[OURS]),
            0.85,
        ),
        Goal("peak RSS MB", max(each.run.rss for each in done[OURS]), 200, at_least=False),
    ]
