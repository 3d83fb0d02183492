"""The CPU of a whole proxy for requests that the middleware only looks at, with it and without it.

The case ``shunt`` measures the middleware alone, which is exact; this one would show if that left something
out. Requests cost a proxy milliseconds, whose noise decides about the standard error.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

from bench.both_proxies import OURS, PLAIN, BothProxies, Scene, in_turn
from bench.measure import median
from bench.results import Goal, Result, Value
from bench.stage import Stage

BATCHES = 150
REQUESTS = 20
#: microseconds
UNMAPPED, MAPPED = 20, 60


def run(stage: Stage) -> Result:
    cluster = stage.cluster
    assert isinstance(cluster, BothProxies)
    scene = Scene(cluster, stage.sink, restore_object=True)
    scene.swift.put_container("unmapped")
    rows: dict[str, dict[str, Value]] = {}
    goals: list[Goal] = []
    for container, kind, limit in (
        ("unmapped", "no mapping", UNMAPPED),
        (scene.archive.container, "a local object of a mapping", MAPPED),
    ):
        scene.swift.put(container, "o", b"x" * 100)
        stage.say(f"{kind}: {stage.count(BATCHES, least=4)} times {REQUESTS} requests to each proxy")
        plain, ours = _cpu(stage, cluster, scene, container)
        more = [one - other for one, other in zip(ours, plain, strict=True)]
        error = 1.25 * statistics.stdev(more) / len(more) ** 0.5
        rows[kind] = {
            "without, us": round(median(plain)),
            "with, us": round(median(ours)),
            "more, us": round(median(more), 1),
            "standard error, us": round(error, 1),
        }
        # what noise cannot explain
        least = max(0.0, median(more) - 2 * error)
        goals.append(Goal(f"{kind}: microseconds more, at least", least, limit, at_least=False))
    notes = ["GET of an object; the median of the differences of neighbouring batches"]
    return Result("shunt_overhead", "CPU of a proxy per request", rows, goals, notes)


def _cpu(stage: Stage, cluster: BothProxies, scene: Scene, container: str) -> list[list[float]]:
    """Microseconds for a request, batch by batch: without the middleware, and with it."""

    def batch(which: str) -> Callable[[], float]:
        def measure() -> float:
            before = cluster.proxy_cpu
            for _ in range(REQUESTS):
                scene.get(which, container, "o")
            return (cluster.proxy_cpu - before) / REQUESTS * 1e6

        return measure

    calls = [batch(PLAIN), batch(OURS)]
    in_turn(2, calls)
    return in_turn(stage.count(BATCHES, least=4), calls)
