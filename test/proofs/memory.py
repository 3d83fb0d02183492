"""Memory does not grow with rows, and the first copy does not wait for them.

Two containers, one ten times as large, whose objects are stored already: a first pass that compares
everything, and a second one that finds nothing to do. Then the larger one with an empty bucket: the time from
the start to the first PUT.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from bench.filling import Content, add_rows, put_objects
from bench.many_rows import SIZE, WRITTEN, fill, imagined
from bench.stage import Stage
from servers.process import wait_until
from servers.sink import Sink
from servers.swift import SwiftCluster

#: megabytes that a process may have, and by which it may grow between the two sizes
MOST, GROWTH = 200.0, 30.0
#: seconds until the first copy
SOON = 5.0


def prove(rows: int) -> bool:
    with (
        SwiftCluster(processes="server") as cluster,
        Sink() as sink,
        tempfile.TemporaryDirectory(prefix="swift-s3-sync-memory-") as directory,
    ):
        stage = Stage(cluster, sink, Path(directory), print)
        small, _ = _peaks(stage, "small", rows // 10)
        large, first_copy = _peaks(stage, "large", rows)
    good = max(large) <= MOST and max(large) - max(small) <= GROWTH and first_copy <= SOON
    print(f"peak RSS with {rows // 10} rows: first pass {small[0]:.1f} MB, second {small[1]:.1f} MB")
    print(f"peak RSS with {rows} rows: first pass {large[0]:.1f} MB, second {large[1]:.1f} MB")
    print(f"first copy after {first_copy:.1f} s: {'as it should be' if good else 'NOT as it should be'}")
    return good


def _peaks(stage: Stage, container: str, rows: int) -> tuple[list[float], float]:
    """In megabytes, of two passes; and when the first copy into an empty bucket arrives, in seconds."""
    names = [f"object-{number:08d}" for number in range(rows)]
    stage.say(f"making {rows} rows in Swift, and as many objects in a bucket")
    entries = put_objects(stage.cluster, container, names[:100], Content(SIZE), WRITTEN, rows=False)
    entries += imagined(names[100:])
    add_rows(stage.cluster, container, entries)
    full, empty = stage.new_bucket("full"), stage.new_bucket("empty")
    fill(stage, full, entries)
    daemon = stage.daemon([stage.mapping(container, full, custom_prefix="")])
    peaks = [stage.ours(daemon).run.rss for _ in range(2)]
    other = stage.daemon([stage.mapping(container, empty)])
    begun = time.monotonic()
    other.start()
    try:
        wait_until(lambda: stage.sink.state()["objects"].get(empty), 60, "the first copy")
        return peaks, time.monotonic() - begun
    finally:
        other.stop()
