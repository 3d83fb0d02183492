"""Migration from S3 into Swift: small objects, large ones, and a second pass that finds nothing to do."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench.filling import MIB, Content, Entry, add_rows
from bench.many_rows import fill, imagined
from bench.results import Goal, Result, Value
from bench.stage import DEFAULT, FASTEST, MB, OURS, Measured, Stage, alternate, median_run, row
from servers.daemon import Target
from servers.migrator import Migrator
from servers.rclone import RcloneS3, rclone_program

SMALL, SMALL_SIZE = 3000, 4096
LARGE, LARGE_SIZE = 20, 64 * MIB
NAMES = 100_000
EXECUTABLE = Path(rclone_program()).parent / "swift-s3-migrator"
_TRANSFERS = ("--transfers", "16", "--checkers", "16")
#: the form of rclone that asks for least
FORM = (
    *_TRANSFERS,
    *("--swift-no-large-objects", "--use-server-modtime", "--no-check-dest", "--s3-no-head-object"),
    *("--swift-no-chunk", "--retries", "1"),
)
#: the same for a bucket that has been copied
COMPARING = (*_TRANSFERS, "--fast-list", "--checksum", "--swift-no-large-objects", "--retries", "1")

Done = Mapping[str, Sequence[Measured]]


@dataclass
class Migrating:
    """One bucket, into a new container with each run. ``container``: into this one instead."""

    stage: Stage
    source: Target
    container: str = ""
    _runs: int = field(default=0)

    def ours(self) -> Measured:
        entry = self.source.mapping(self.stage.cluster.account, self._container())
        return self.run(Migrator(self.stage.cluster, self.stage.new_directory("migrator"), [entry]))

    def run(self, migrator: Migrator) -> Measured:
        command = [str(EXECUTABLE), "--config", str(migrator.write()), "--once"]
        return self.stage.measure(command, migrator.environment)

    def rclone(self, *options: str) -> Measured:
        cluster = self.stage.cluster
        environment = {
            "RCLONE_CONFIG": "/dev/null",
            "RCLONE_CONFIG_FROM_TYPE": "s3",
            "RCLONE_CONFIG_FROM_PROVIDER": "Other",
            "RCLONE_CONFIG_FROM_ENDPOINT": self.source.endpoint,
            "RCLONE_CONFIG_FROM_ACCESS_KEY_ID": self.source.identity,
            "RCLONE_CONFIG_FROM_SECRET_ACCESS_KEY": self.source.secret,
            "RCLONE_CONFIG_TO_TYPE": "swift",
            "RCLONE_CONFIG_TO_AUTH": cluster.auth_url,
            "RCLONE_CONFIG_TO_USER": cluster.user,
            "RCLONE_CONFIG_TO_KEY": cluster.key,
        }
        places = [f"from:{self.source.bucket}", f"to:{self._container()}"]
        return self.stage.measure([rclone_program(), "copy", *places, *options], environment)

    def _container(self) -> str:
        self._runs += 1
        return self.container or f"{self.source.bucket}-{self._runs}"


def run(stage: Stage) -> Result:
    few, many = stage.count(LARGE, least=4), stage.count(SMALL)
    names = stage.count(NAMES, least=1000)
    small = _copied(stage, _small_objects(stage, many))
    with ExitStack() as stack:
        large = _copied(stage, _large_objects(stage, few, stack))
    idle = _idle(stage, names)
    rows: dict[str, Mapping[str, Value]] = {}
    for what, done, count in (("4 KiB", small, many), ("64 MiB", large, few), ("nothing to do", idle, names)):
        rows |= {f"{tool}, {what}": row(measured, count) for tool, measured in done.items()}
    seconds, of_large, of_idle = (
        {tool: median_run(measured).seconds for tool, measured in done.items()}
        for done in (small, large, idle)
    )
    goals = [
        Goal("small: times as fast as rclone", seconds[DEFAULT] / seconds[OURS], 3),
        Goal("small: times as fast as rclone's fastest form", seconds[FASTEST] / seconds[OURS], 1.5),
        Goal(
            "large: times as fast as the faster",
            min(of_large[DEFAULT], of_large[FASTEST]) / of_large[OURS],
            1,
        ),
        Goal("nothing to do: times as fast as rclone", of_idle[FASTEST] / of_idle[OURS], 2),
        Goal(
            "peak RSS MB",
            max(median_run(each[OURS]).rss for each in (small, large, idle)),
            200,
            at_least=False,
        ),
    ]
    notes = [
        f"rclone's fastest form here: {' '.join(FORM)}; with nothing to do: {' '.join(COMPARING)}",
        f"large: {few * LARGE_SIZE / of_large[OURS] / MB:.0f} MB/s",
    ]
    title = (
        f"{many} objects of 4 KiB, {few} of 64 MiB, and {names} names with nothing to do, from S3 into Swift"
    )
    return Result("migrate", title, rows, goals, notes)


def _copied(stage: Stage, source: Target) -> Done:
    migrating = Migrating(stage, source)
    tools = {OURS: migrating.ours, DEFAULT: migrating.rclone, FASTEST: partial(migrating.rclone, *FORM)}
    return alternate(stage, tools)


def _small_objects(stage: Stage, count: int) -> Target:
    """In the sink, which keeps small bodies."""
    bucket, client = stage.new_bucket("small"), stage.sink.client()
    stage.say(f"putting {count} objects of {SMALL_SIZE} bytes into the bucket")
    _put(client, bucket, count, SMALL_SIZE)
    return Target(stage.sink.endpoint, stage.sink.access_key, stage.sink.secret_key, bucket)


def _large_objects(stage: Stage, count: int, stack: ExitStack) -> Target:
    """In files that rclone serves."""
    server = stack.enter_context(RcloneS3())
    bucket = server.create_bucket("large")
    stage.say(f"writing {count} objects of {LARGE_SIZE} bytes")
    content = Content(LARGE_SIZE)
    for number in range(count):
        name = f"object-{number:06d}"
        with (server.data / bucket / name).open("wb") as file:
            file.writelines(content.pieces(name))
    return Target(server.endpoint, server.access_key, server.secret_key, bucket)


def _put(client: Any, bucket: str, count: int, size: int) -> None:
    content = Content(size)
    for number in range(count):
        name = f"object-{number:06d}"
        client.put_object(Bucket=bucket, Key=name, Body=b"".join(content.pieces(name)))


def _idle(stage: Stage, count: int) -> Done:
    """Both sides have everything: rows and listed objects, of which there is nothing else."""
    bucket = stage.new_bucket("idle")
    stage.say(f"making {count} names on both sides")
    entries = imagined([f"object-{number:06d}" for number in range(count)])
    fill(stage, bucket, entries)
    now = time.time()  # after what the bucket has: the container's are newer
    stage.cluster.client().put_container("idle")
    add_rows(stage.cluster, "idle", [Entry(each.name, each.size, each.md5, now) for each in entries])
    source = Target(stage.sink.endpoint, stage.sink.access_key, stage.sink.secret_key, bucket)
    migrating = Migrating(stage, source, container="idle")
    return alternate(stage, {OURS: migrating.ours, FASTEST: partial(migrating.rclone, *COMPARING)})
