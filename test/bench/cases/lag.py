"""How long it takes until a small object is stored, while a very large one is in flight.

The small objects are in Swift beforehand; what a client's PUT does last, telling the container server, is
what happens while we watch. So a busy object server slows down no client, which would be no lag of ours.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import islice

from bench.filling import Content, Entry, RowSender, put_objects
from bench.measure import median, peak_rss
from bench.results import Goal, Result, Value
from bench.slo import SEGMENT, put_segments, put_slo
from bench.stage import MB, Stage
from servers.process import wait_until

SEGMENTS = 32
PLACE = "lag-segments"
SAMPLES = 40
#: between two small objects, in seconds
PAUSE = 0.15
#: a fifth of the default
POLL = 1.0
SIZE = 4096
_CONTENT = Content(SIZE)


def run(stage: Stage) -> Result:
    count = stage.count(SEGMENTS, least=16)
    stage.say(f"putting {count} segments of {SEGMENT // MB} MB into Swift")
    segments = put_segments(stage.cluster, PLACE, count)
    buckets = {name: stage.new_bucket("ours") for name in ("small", "large")}
    names = [f"small-{number:04d}" for number in range(3 * SAMPLES)]
    objects = {name: put_objects(stage.cluster, name, names, _CONTENT, rows=False) for name in buckets}
    mappings = [stage.mapping(name, bucket) for name, bucket in buckets.items()]
    daemon = stage.daemon(mappings, poll_interval=POLL)
    child = daemon.start()
    try:
        time.sleep(3)
        small = iter(objects["small"])
        _lags(stage, "small", buckets["small"], list(islice(small, 5)))  # connections and caches
        alone = _lags(stage, "small", buckets["small"], list(islice(small, SAMPLES)))
        another = _beside(stage, segments, "small", buckets["small"], list(islice(small, SAMPLES)))
        same = _beside(stage, segments, "large", buckets["large"], objects["large"][:SAMPLES])
        rss = peak_rss(child.pid)
    finally:
        daemon.stop()
    rows = {
        "alone": _row(alone),
        "beside a large object of another mapping": _row(another),
        "beside a large object of the same mapping": _row(same),
    }
    goals = [
        Goal("times the lag, another mapping", median(another) / median(alone), 2.0, at_least=False),
        Goal("times the lag, the same mapping", median(same) / median(alone), 2.0, at_least=False),
        Goal("peak RSS MB", rss, 200, at_least=False),
    ]
    interval = daemon.settings["poll_interval"]
    notes = [f"from the row; containers are polled every {interval} s"]
    return Result("lag", f"4 KiB beside {count * SEGMENT // MB} MB", rows, goals, notes)


def _lags(
    stage: Stage, container: str, bucket: str, entries: Sequence[Entry], while_open: bool = False
) -> list[float]:
    """Seconds from the row until the sink had the object, for each of some objects."""
    done: dict[str, float] = {}
    with RowSender(stage.cluster, container) as rows:
        for entry in entries:
            if while_open and done and not stage.sink.state()["uploads"]:
                break
            rows.send(entry)
            done[entry.name] = time.time()
            time.sleep(PAUSE)
    wait_until(lambda: done.keys() <= _stored(stage, bucket).keys(), 120, "small objects")
    stored = _stored(stage, bucket)
    return [stored[name] - when for name, when in done.items()]


def _stored(stage: Stage, bucket: str) -> dict[str, float]:
    """Name -> when it was stored."""
    return {key.rpartition("/")[2]: when for key, when in stage.sink.stored(bucket).items()}


def _beside(
    stage: Stage, segments: list[Entry], container: str, bucket: str, small: Sequence[Entry]
) -> list[float]:
    stage.say(f"small objects in the container {container!r} while a large one is copied from 'large'")
    put_slo(stage.cluster, "large", f"slo-{container}", segments, PLACE)
    wait_until(lambda: stage.sink.state()["uploads"] > 0, 30, "the large object's upload")
    lags = _lags(stage, container, bucket, small, while_open=True)
    wait_until(lambda: stage.sink.state()["uploads"] == 0, 300, "the large object's end")
    return lags


def _row(lags: list[float]) -> dict[str, Value]:
    ordered = sorted(1000 * lag for lag in lags)
    return {
        "samples": len(ordered),
        "median ms": round(median(ordered), 1),
        "90 % ms": round(ordered[int(0.9 * (len(ordered) - 1))], 1),
        "worst ms": round(ordered[-1], 1),
    }
