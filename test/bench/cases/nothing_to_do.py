"""A pass over a container in which nothing has changed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from bench.many_rows import converged
from bench.measure import cpu_seconds, peak_rss
from bench.results import Goal, Result
from bench.stage import COMPARING, DEFAULT, OURS, Stage, row

ROWS = 100_000
#: so many looks, and how long to wait for each, in seconds
LOOKS = 20
EACH = 0.5


def run(stage: Stage) -> Result:
    count = stage.count(ROWS, least=1000)
    many = converged(stage, count)
    again = stage.ours(many.daemon)
    stage.say("rclone")
    theirs = stage.rclone("sync", many.container, many.theirs, *COMPARING)
    database = next(stage.cluster.container_dir(1, many.container).glob("*.db"))
    child = many.daemon.start()
    try:
        _settle(child.pid)
        stage.say(f"watching a daemon for {LOOKS * EACH:.0f} s, then touching its database {LOOKS} times")
        with stage.counting() as (_, remote):
            idle = _watched(child.pid, lambda: None)
            touched = _watched(child.pid, lambda: os.utime(database))
        rss = peak_rss(child.pid)
    finally:
        many.daemon.stop()
    polls = EACH / many.daemon.settings["poll_interval"]
    ours_row = {
        "CPU ms a poll": round(1000 * idle / polls, 3),
        "CPU ms a pass": round(1000 * (touched - idle), 3),
        "peak RSS MB": round(rss, 1),
        "S3 requests": str(remote.total()),
    }
    rows = {
        "daemon, polling": ours_row,
        f"{OURS} --once": row([again], count),
        "first pass, comparing": row([many.first], count),
        f"{DEFAULT} sync {' '.join(COMPARING)}": row([theirs], count),
    }
    goals = [
        Goal("CPU ms of a pass", 1000 * (touched - idle), 50, at_least=False),
        Goal("remote requests of all passes", remote.total() + again.remote.total(), 0, at_least=False),
        Goal("peak RSS MB", max(rss, many.first.run.rss), 200, at_least=False),
    ]
    notes = ["a poll looks at two files; a pass, after one of them was touched, opens the database"]
    return Result("nothing_to_do", f"{count} rows", rows, goals, notes)


def _settle(pid: int) -> None:
    """Until it has started, and used next to nothing for a second."""
    deadline = time.monotonic() + 60
    before = -1.0
    while (now := cpu_seconds(pid)) - before > 0.05:
        if time.monotonic() > deadline:
            raise TimeoutError("the daemon never came to rest")
        before = now
        time.sleep(1.0)


def _watched(pid: int, each: Callable[[], None]) -> float:
    """CPU seconds that it used per look."""
    before = cpu_seconds(pid)
    for _ in range(LOOKS):
        each()
        time.sleep(EACH)
    return (cpu_seconds(pid) - before) / LOOKS
