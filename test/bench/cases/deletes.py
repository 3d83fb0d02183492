"""Deletes of many objects that were copied before."""

from __future__ import annotations

from collections.abc import Callable

from bench.filling import Content, delete_objects, put_objects
from bench.many_rows import fill
from bench.results import Goal, Result
from bench.stage import DEFAULT, FASTEST, OURS, Measured, Stage, alternate, row

OBJECTS = 5000
SIZE = 100
CONTAINER = "deletes"
FORM = ("--checkers", "32", "--transfers", "32", "--fast-list", "--size-only", "--retries", "1")


def run(stage: Stage) -> Result:
    count = stage.count(OBJECTS)
    names = [f"object-{number:06d}" for number in range(count)]
    stage.say(f"putting {count} objects into Swift, and into the buckets")
    entries = put_objects(stage.cluster, CONTAINER, names, Content(SIZE), age=7200)

    def prepared(what: str) -> list[str]:
        buckets = [stage.new_bucket(what) for _ in range(stage.rounds)]
        for bucket in buckets:
            fill(stage, bucket, entries)
        return buckets

    ours, theirs, fastest = prepared("ours"), prepared("rclone"), prepared("fastest")
    daemons = [stage.daemon([stage.mapping(CONTAINER, bucket, custom_prefix="")]) for bucket in ours]
    for daemon in daemons:
        stage.ours(daemon)
    stage.say(f"deleting {count} objects in Swift")
    delete_objects(stage.cluster, CONTAINER, names)
    waiting = iter(daemons)

    def rclone(buckets: list[str], *options: str) -> Callable[[], Measured]:
        left = iter(buckets)
        return lambda: stage.rclone("sync", CONTAINER, next(left), *options)

    done = alternate(
        stage,
        {
            OURS: lambda: stage.ours(next(waiting)),
            DEFAULT: rclone(theirs),
            FASTEST: rclone(fastest, *FORM),
        },
    )
    left = sum(stage.sink.state()["objects"].get(bucket, 0) for bucket in ours)
    if left:
        raise RuntimeError(f"{left} objects were not deleted")
    remote = done[OURS][-1].remote
    goals = [
        Goal("remote requests per object", remote.total() / count, 0.02, at_least=False),
        Goal("peak RSS MB", max(each.run.rss for each in done[OURS]), 200, at_least=False),
    ]
    rows = {tool: row(measured, count) for tool, measured in done.items()}
    notes = [f"rclone's fastest form here: {' '.join(FORM)}"]
    return Result("deletes", f"{count} objects", rows, goals, notes)
