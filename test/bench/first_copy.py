"""First copy: a container full of small objects to an empty bucket.

Source: a Swift with one process a server. Sink: `rclone serve s3` over plain HTTP, which checks the
Content-MD5 that our uploads carry. The two tools take turns, each time into a new bucket.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.measure import Run, median, run
from bench.rclone_copy import rclone_copy
from servers.daemon import EXECUTABLE, SyncDaemon, Target
from servers.rclone import RcloneS3
from servers.swift import SwiftCluster

OBJECTS = 2000
SIZE = 4096
ROUNDS = 3
CONTAINER = "small"


def first_copy(directory: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """A table row for each tool, and the ratio of their medians."""
    with SwiftCluster(processes="server") as cluster, RcloneS3() as sink:
        say(f"putting {OBJECTS} objects of {SIZE} bytes into Swift")
        fill(cluster)
        ours: list[Run] = []
        theirs: list[Run] = []
        for turn in range(ROUNDS):
            say(f"round {turn + 1} of {ROUNDS}")
            ours.append(copy_ours(cluster, sink, directory / f"ours-{turn}", f"ours-{turn}"))
            target = _target(sink, f"theirs-{turn}")
            theirs.append(rclone_copy(cluster, CONTAINER, target, directory / "rclone.log"))
            for bucket in (f"ours-{turn}", f"theirs-{turn}"):
                _check(sink, bucket)
    rows = {"swift-s3-sync": _row(ours), "rclone": _row(theirs)}
    ratio = rows["swift-s3-sync"]["objects_per_second"] / rows["rclone"]["objects_per_second"]
    return {"case": "first_copy", "objects": OBJECTS, "size": SIZE, "tools": rows, "ratio": round(ratio, 1)}


def fill(cluster: SwiftCluster) -> None:
    cluster.client().put_container(CONTAINER)
    content = random.Random(7).randbytes

    def put(names: list[str]) -> None:
        client = cluster.client()
        for name in names:
            client.put_object(CONTAINER, name, content(SIZE))

    names = [f"object-{number:06d}" for number in range(OBJECTS)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, [names[start::8] for start in range(8)]))


def copy_ours(cluster: SwiftCluster, sink: RcloneS3, directory: Path, bucket: str) -> Run:
    target = _target(sink, bucket)
    daemon = SyncDaemon(cluster, directory, [target.mapping(cluster.account, CONTAINER)])
    return run([str(EXECUTABLE), "--config", str(daemon.write()), "--once"], directory / "output.log")


def _target(sink: RcloneS3, bucket: str) -> Target:
    sink.create_bucket(bucket)
    return Target(sink.endpoint, sink.access_key, sink.secret_key, bucket)


def _check(sink: RcloneS3, bucket: str) -> None:
    """A fast copy that copied too little would be no result."""
    pages = sink.client().get_paginator("list_objects_v2").paginate(Bucket=bucket)
    found = [entry["Size"] for page in pages for entry in page.get("Contents", ())]
    if found != [SIZE] * OBJECTS:
        raise RuntimeError(f"bucket {bucket} holds {len(found)} objects, not {OBJECTS} of {SIZE} bytes")


def _row(runs: list[Run]) -> dict[str, float]:
    seconds = median([each.seconds for each in runs])
    return {
        "seconds": round(seconds, 2),
        "objects_per_second": round(OBJECTS / seconds, 1),
        "cpu_ms_per_object": round(1000 * median([each.cpu for each in runs]) / OBJECTS, 2),
    }
