"""A few changes in a container of very many rows.

Our daemon runs all the time: it is held while the changes are made, and measured from when it goes on until
the last of them is stored. rclone, which knows nothing from before, is started, as a timer would.

`rclone sync --checksum --fast-list` asks Swift for every single object, to learn whether its MD5 is one: it
is ended after a minute. A form that is told that there are no large objects does not.
"""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor

from bench.many_rows import Converged, converged
from bench.measure import cpu_seconds, median, peak_rss
from bench.results import Goal, Result, Value
from bench.stage import COMPARING, DEFAULT, OURS, Measured, Stage, median_run, per_object, row
from servers.process import Child, wait_until

ROWS = 100_000
CHANGES = 100
#: how long the slow form of rclone may take, in seconds, and how many objects it may come to in that time
LIMIT, REAL = 60.0, 15_000


def run(stage: Stage) -> Result:
    count = stage.count(ROWS, least=1000)
    many = converged(stage, count, real=min(count, REAL))
    chosen = random.Random(11)
    seconds: list[float] = []
    cpu: list[float] = []
    theirs: list[Measured] = []
    local, remote = "", ""
    child = many.daemon.start()
    try:
        time.sleep(3)
        for turn in range(stage.rounds):
            stage.say(f"round {turn + 1} of {stage.rounds}")
            child.freeze()
            _change(stage, many, chosen.sample(many.names, CHANGES))
            before = cpu_seconds(child.pid)
            with stage.counting() as (here, there):
                seconds.append(_go_on(stage, child))
            cpu.append(cpu_seconds(child.pid) - before)
            local, remote = per_object(here, CHANGES), per_object(there, CHANGES)
            theirs.append(stage.rclone("sync", many.container, many.theirs, *COMPARING))
            if theirs[-1].remote["PutObject"] != CHANGES:
                raise RuntimeError(f"rclone: {theirs[-1].remote}")
        rss = peak_rss(child.pid)
        stage.say(f"rclone sync --checksum --fast-list, for up to {LIMIT:.0f} s")
        slow = stage.rclone("sync", many.container, many.theirs, *COMPARING[:2], limit=LIMIT)
    finally:
        many.daemon.stop()
    ours: dict[str, Value] = {
        "runs": len(seconds),
        "seconds": round(median(seconds), 3),
        "objects/s": round(CHANGES / median(seconds), 1),
        "CPU ms/object": round(1000 * median(cpu) / CHANGES, 3),
        "peak RSS MB": round(rss, 1),
        "Swift requests": local,
        "S3 requests": remote,
    }
    state = "" if slow.run.finished else ", not finished"
    rows = {
        OURS: ours,
        f"{DEFAULT} sync {' '.join(COMPARING[:2])}{state}": row([slow], CHANGES),
        f"{DEFAULT} sync {' '.join(COMPARING)}": row(theirs, CHANGES),
    }
    least = "" if slow.run.finished else ", at least"
    goals = [
        Goal(f"times as fast as rclone sync{least}", slow.run.seconds / median(seconds), 100),
        Goal("peak RSS MB", rss, 200, at_least=False),
    ]
    ratio = median_run(theirs).seconds / median(seconds)
    notes = [f"against rclone with --swift-no-large-objects: {ratio:.0f} times as fast"]
    return Result("changes", f"{CHANGES} changes in {count} rows", rows, goals, notes)


def _change(stage: Stage, many: Converged, names: list[str]) -> None:
    """Through the proxy, as clients do."""

    def put(part: list[str]) -> None:
        client = stage.cluster.client()
        for name in part:
            client.put_object(many.container, name, f"{name} at {time.time()}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, [names[start::4] for start in range(4)]))


def _go_on(stage: Stage, child: Child) -> float:
    before = stage.sink.counts()["PutObject"]
    started = time.time()
    child.thaw()
    wait_until(lambda: stage.sink.counts()["PutObject"] - before >= CHANGES, 60, "changes")
    return stage.sink.state()["last"] - started
