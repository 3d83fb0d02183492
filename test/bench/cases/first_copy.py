"""First copy: a container of small objects to an empty bucket.

Plain HTTP; our uploads carry a Content-MD5, which the sink compares with the bytes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from bench.filling import Content, put_objects
from bench.results import Goal, Result
from bench.stage import (
    BARE,
    DEFAULT,
    FASTEST,
    OURS,
    TRANSFERS,
    Measured,
    Stage,
    alternate,
    fastest_form,
    median_run,
    row,
)

OBJECTS = 5000
SIZE = 4096
CONTAINER = "first-copy"
#: threads of the bare loop: more make it slower
BARE_THREADS = 8


def without_cache(stage: Stage) -> Result:
    """With proxies that have no memcached: they ask for account and container before each request."""
    found = run(stage)
    return replace(found, case="first_copy_uncached", title=f"{found.title}, proxies without memcached")


def run(stage: Stage) -> Result:
    count = stage.count(OBJECTS)
    names = [f"object-{number:06d}" for number in range(count)]
    stage.say(f"putting {count} objects of {SIZE} bytes into Swift")
    put_objects(stage.cluster, CONTAINER, names, Content(SIZE))
    transfers = _better_number(stage, names[: max(1, count // 5)])
    done = alternate(
        stage,
        {
            OURS: partial(_ours, stage, count),
            DEFAULT: partial(stage.rclone_copy, CONTAINER),
            FASTEST: partial(stage.rclone_copy, CONTAINER, *fastest_form(transfers)),
            BARE: lambda: stage.bare(CONTAINER, names, stage.new_bucket("bare"), BARE_THREADS),
        },
    )
    rows = {tool: row(measured, count, SIZE) for tool, measured in done.items()}
    seconds = {tool: median_run(measured).seconds for tool, measured in done.items()}
    last = done[OURS][-1]
    goals = [
        Goal("times as fast as rclone", seconds[DEFAULT] / seconds[OURS], 8),
        Goal("times as fast as rclone's fastest form", seconds[FASTEST] / seconds[OURS], 4),
        Goal("CPU ms per object", 1000 * median_run(done[OURS]).cpu / count, 1.0, at_least=False),
        Goal("reads per object", last.local["object GET"] / count, 1.0, at_least=False),
        Goal("local requests per object", last.local.total() / count, 1.0, at_least=False),
        Goal("PUTs per object", last.remote["PutObject"] / count, 1.0, at_least=False),
    ]
    notes = [
        f"rclone's fastest form here: {' '.join(fastest_form(transfers))}",
        f"of the bare loop's speed: {seconds[BARE] / seconds[OURS]:.0%}",
        *(f"both ends and {tool}: {_share(done[tool]):.0%} of the processors" for tool in rows),
    ]
    return Result("first_copy", f"{count} objects of {SIZE} bytes", rows, goals, notes)


def _ours(stage: Stage, count: int) -> Measured:
    before = stage.sink.state()["checked"]
    measured = stage.ours_copy(CONTAINER)
    checked = stage.sink.state()["checked"] - before
    if checked != count or measured.remote["PutObject"] != count:
        raise RuntimeError(f"{checked} digests were checked, {measured.remote} asked for, not {count}")
    return measured


def _share(measured: Sequence[Measured]) -> float:
    """How much of the machine was at work, at the least busy of the runs."""
    processors = os.cpu_count() or 1
    return min(each.busy / each.run.seconds / processors for each in measured)


def _better_number(stage: Stage, names: list[str]) -> int:
    """The number of transfers with which rclone is faster, on a part of the objects."""
    stage.say(f"which number of transfers suits rclone better: {TRANSFERS}")
    listed = stage.directory / "some-names"
    listed.write_text("\n".join(names))

    def seconds(number: int) -> float:
        form = (*fastest_form(number), "--files-from-raw", str(listed))
        return stage.rclone_copy(CONTAINER, *form).run.seconds

    times = {number: seconds(number) for number in TRANSFERS}
    return min(times, key=lambda number: times[number])
