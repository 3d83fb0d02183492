"""How long it takes until a small object is stored, while a very large one is in flight."""

from __future__ import annotations

import time

from bench.filling import Entry
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


def run(stage: Stage) -> Result:
    count = stage.count(SEGMENTS, least=16)
    stage.say(f"putting {count} segments of {SEGMENT // MB} MB into Swift")
    segments = put_segments(stage.cluster, PLACE, count)
    containers = {name: stage.new_bucket("ours") for name in ("small", "large")}
    for name in containers:
        stage.cluster.client().put_container(name)
    daemon = stage.daemon([stage.mapping(name, bucket) for name, bucket in containers.items()])
    child = daemon.start()
    try:
        time.sleep(2)
        buckets = containers
        _lags(stage, "small", buckets["small"], "first")  # connections and caches
        rows = {"alone": _row(_lags(stage, "small", buckets["small"], "alone"))}
        beside = _beside(stage, segments, "small", buckets)
        rows["beside a large object of another mapping"] = _row(beside)
        beside = _beside(stage, segments, "large", buckets)
        rows["beside a large object of the same mapping"] = _row(beside)
        rss = peak_rss(child.pid)
    finally:
        daemon.stop()
    alone, *others = (float(row["median ms"]) for row in rows.values())
    goals = [
        Goal("times the lag, another mapping", others[0] / alone, 2.0, at_least=False),
        Goal("times the lag, the same mapping", others[1] / alone, 2.0, at_least=False),
        Goal("peak RSS MB", rss, 200, at_least=False),
    ]
    interval = daemon.settings["poll_interval"]
    notes = [f"from the end of the client's PUT; containers are polled every {interval} s"]
    return Result("lag", f"4 KiB beside {count * SEGMENT // MB} MB", rows, goals, notes)


def _lags(stage: Stage, container: str, bucket: str, what: str, while_open: bool = False) -> list[float]:
    """Seconds from the end of a client's PUT until the sink had the object, for each of some objects."""
    client = stage.cluster.client()
    done: dict[str, float] = {}
    for number in range(SAMPLES):
        if while_open and number and not stage.sink.state()["uploads"]:
            break
        name = f"{what}-{number:04d}"
        client.put_object(container, name, b"x" * 4096)
        done[name] = time.time()
        time.sleep(PAUSE)
    wait_until(lambda: len(_stored(stage, bucket, what)) >= len(done), 120, "small objects")
    stored = _stored(stage, bucket, what)
    return [stored[name] - when for name, when in done.items()]


def _stored(stage: Stage, bucket: str, what: str) -> dict[str, float]:
    """Name -> when it was stored, of names that begin so."""
    times = stage.sink.stored(bucket)
    names = ((key.rpartition("/")[2], when) for key, when in times.items())
    return {name: when for name, when in names if name.startswith(what + "-")}


def _beside(stage: Stage, segments: list[Entry], container: str, buckets: dict[str, str]) -> list[float]:
    stage.say(f"small objects in the container {container!r} while a large one is copied from 'large'")
    put_slo(stage.cluster, "large", f"slo-{container}", segments, PLACE)
    wait_until(lambda: stage.sink.state()["uploads"] > 0, 30, "the large object's upload")
    lags = _lags(stage, container, buckets[container], f"beside-{container}", while_open=True)
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
