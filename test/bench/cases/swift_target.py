"""First copy to another Swift: small objects and large ones, beside Swift's own container-sync and rclone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from bench.filling import MIB, Content, put_objects
from bench.results import Goal, Result, Value
from bench.stage import BARE, DEFAULT, FASTEST, MB, OURS, Measured, Stage, alternate, median_run, row
from bench.two_swifts import Copying

SMALL, SMALL_SIZE = 2000, 4096
LARGE, LARGE_SIZE = 20, 64 * MIB
SYNC = "container-sync"
BARE_THREADS = 8
_TRANSFERS = ("--transfers", "16", "--checkers", "16")
#: the form of rclone that asks for least
FORM = (
    *_TRANSFERS,
    *("--swift-no-large-objects", "--use-server-modtime", "--no-check-dest", "--retries", "1"),
)

Done = Mapping[str, Sequence[Measured]]


def run(stage: Stage) -> Result:
    few, many = stage.count(LARGE, least=4), stage.count(SMALL)
    small = _copied(stage, "small", many, SMALL_SIZE)
    large = _copied(stage, "large", few, LARGE_SIZE)
    rows = {
        f"{tool}, {what}": _row(measured, count, size)
        for what, done, count, size in (
            ("4 KiB", small, many, SMALL_SIZE),
            ("64 MiB", large, few, LARGE_SIZE),
        )
        for tool, measured in done.items()
    }
    seconds = {tool: median_run(measured).seconds for tool, measured in small.items()}
    others = min(median_run(large[tool]).seconds for tool in (SYNC, DEFAULT, FASTEST))
    goals = [
        Goal("small: times as fast as container-sync", seconds[SYNC] / seconds[OURS], 3),
        Goal("small: times as fast as rclone", seconds[DEFAULT] / seconds[OURS], 4),
        Goal("small: CPU ms per object", 1000 * median_run(small[OURS]).cpu / many, 1.2, at_least=False),
        Goal("large: times as fast as the fastest of them", others / median_run(large[OURS]).seconds, 1),
    ]
    bare = ", ".join(f"{seconds[tool] / seconds[BARE]:.2f} times as fast as {tool}" for tool in seconds)
    notes = [
        f"rclone's fastest form here: {' '.join(FORM)}",
        f"small: {seconds[FASTEST] / seconds[OURS]:.2f} times as fast as rclone's fastest form",
        f"small, the bare loop: {bare}",
    ]
    title = f"{many} objects of 4 KiB and {few} of 64 MiB to another Swift"
    return Result("swift_target", title, rows, goals, notes)


def _copied(stage: Stage, container: str, count: int, size: int) -> Done:
    names = [f"object-{number:06d}" for number in range(count)]
    stage.say(f"putting {count} objects of {size} bytes into Swift")
    put_objects(stage.cluster, container, names, Content(size))
    copying = Copying(stage, container, names, large=size > MIB)
    return alternate(
        stage,
        {
            OURS: copying.ours,
            SYNC: copying.container_sync,
            DEFAULT: copying.rclone,
            FASTEST: partial(copying.rclone, *FORM),
            BARE: partial(copying.bare, BARE_THREADS),
        },
    )


def _row(measured: Sequence[Measured], count: int, size: int) -> dict[str, Value]:
    columns = row(measured, count)
    columns["requests of the other Swift"] = columns.pop("S3 requests")
    return {**columns, "MB/s": round(count * size / median_run(measured).seconds / MB, 2)}
