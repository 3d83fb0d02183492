"""A whole page of a container and its bucket: each has one half, or both have all of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from time import perf_counter

from bench.both_proxies import OURS, PLAIN, S3, BothProxies, Scene, in_turn
from bench.filling import Content, put_objects
from bench.measure import median
from bench.results import Goal, Result, Value
from bench.stage import Stage

ENTRIES = 10_000
PAGE = 1000
ROUNDS = 11


def run(stage: Stage) -> Result:
    cluster = stage.cluster
    assert isinstance(cluster, BothProxies)
    scenes = {
        "one half on each side": Scene(cluster, stage.sink),
        "all on both sides": Scene(cluster, stage.sink),
    }
    names = [f"some/where/object-{number:06d}" for number in range(stage.count(ENTRIES, least=100))]
    stage.say(f"putting {len(names)} objects into Swift, and as many into buckets")
    etag = hashlib.md5(b"x").hexdigest()
    rows: dict[str, dict[str, Value]] = {}
    goals: list[Goal] = []
    halves = ((names[::2], names[1::2]), (names, names))
    for (what, scene), (here, there) in zip(scenes.items(), halves, strict=True):
        container, prefix = scene.archive.container, scene.archive.prefix
        put_objects(cluster, container, here, Content(10))
        stage.sink.fill(scene.archive.bucket, [(prefix + name, 1, etag) for name in there])
        local, direct, client, ours = _measure(stage, scene, there)
        for who, seconds in ((PLAIN, local), (S3, direct), ("S3 by boto3", client), (OURS, ours)):
            rows[f"{what}: {who}"] = {"median ms": round(seconds * 1000, 1)}
        slower = max(local, client)
        goals.append(Goal(f"times the slower one alone, {what}", ours / slower, 1.3, at_least=False))
    notes = [
        "S3 directly: the pages are fetched and not read; boto3 reads them, as whoever lists a bucket must"
    ]
    return Result("shunt_listing", f"{len(names)} entries on one page", rows, goals, notes)


def _measure(stage: Stage, scene: Scene, there: list[str]) -> list[float]:
    """Seconds of the local listing, the bucket's, the bucket's with its pages read, and the merged one."""
    archive = scene.archive
    starts = ["", *(archive.prefix + name for name in there[PAGE - 1 : -1 : PAGE])]
    signed = [scene.signed("list_objects_v2", Prefix=archive.prefix, StartAfter=start) for start in starts]

    def by_client() -> float:
        started = perf_counter()
        for start in starts:
            archive.s3.list_objects_v2(Bucket=archive.bucket, Prefix=archive.prefix, StartAfter=start)
        return perf_counter() - started

    calls: list[Callable[[], float]] = [
        lambda: scene.get(PLAIN, archive.container, query="format=json").seconds,
        lambda: sum(scene.direct(target).seconds for target in signed),
        by_client,
        lambda: scene.get(OURS, archive.container, query="format=json").seconds,
    ]
    in_turn(1, calls)
    return [median(found) for found in in_turn(stage.count(ROUNDS, least=3), calls)]
