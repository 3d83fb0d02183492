"""A container of very many rows whose objects are stored already, and a daemon that knows it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.filling import Content, Entry, add_rows, put_objects
from bench.stage import Measured, Stage
from servers.daemon import SyncDaemon

SIZE = 1000
#: how long ago all was written, and how long ago it was copied, in seconds
WRITTEN, COPIED = 7200.0, 3600.0


@dataclass(frozen=True)
class Converged:
    """``daemon`` has seen everything. ``first``: what its first pass, which compared it all, cost."""

    container: str
    names: list[str]
    ours: str
    theirs: str
    daemon: SyncDaemon
    first: Measured


def converged(stage: Stage, count: int, real: int = 0) -> Converged:
    """``real``: so many of the objects, the first ones, are in Swift indeed."""
    container = "many"
    names = [f"object-{number:06d}" for number in range(count)]
    stage.say(f"making {count} rows in Swift, and as many objects in each of two buckets")
    stage.cluster.client().put_container(container)
    entries = put_objects(stage.cluster, container, names[:real], Content(SIZE), WRITTEN, rows=False)
    entries += imagined(names[real:])
    add_rows(stage.cluster, container, entries)
    ours, theirs = stage.new_bucket("ours"), stage.new_bucket("rclone")
    for bucket in (ours, theirs):
        fill(stage, bucket, entries)
    daemon = stage.daemon([stage.mapping(container, ours, custom_prefix="")])
    stage.say("a first pass, which compares them all")
    return Converged(container, names, ours, theirs, daemon, stage.ours(daemon))


def imagined(names: Sequence[str]) -> list[Entry]:
    """Rows of objects of which there is nothing else."""
    written = time.time() - WRITTEN
    return [Entry(name, SIZE, hashlib.md5(name.encode()).hexdigest(), written) for name in names]


def fill(stage: Stage, bucket: str, entries: Sequence[Entry]) -> None:
    """As if they had been copied: the keys are the names."""
    stage.sink.fill(bucket, [(each.name, each.size, each.md5) for each in entries], COPIED)
