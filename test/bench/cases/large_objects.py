"""Large plain objects, each in one PUT."""

from __future__ import annotations

from functools import partial

from bench.filling import MIB, Content, put_objects
from bench.results import Goal, Result
from bench.stage import (
    BARE,
    DEFAULT,
    FASTEST,
    OURS,
    Stage,
    alternate,
    fastest_form,
    median_run,
    median_sending,
    row,
)

OBJECTS = 40
SIZE = 64 * MIB
CONTAINER = "large"
BARE_THREADS = 4
TRANSFERS = 16


def run(stage: Stage) -> Result:
    count = stage.count(OBJECTS, least=4)
    names = [f"object-{number:03d}" for number in range(count)]
    stage.say(f"putting {count} objects of {SIZE // MIB} MiB into Swift")
    put_objects(stage.cluster, CONTAINER, names, Content(SIZE))

    done = alternate(
        stage,
        {
            OURS: partial(stage.ours_copy, CONTAINER),
            DEFAULT: partial(stage.rclone_copy, CONTAINER),
            FASTEST: partial(stage.rclone_copy, CONTAINER, *fastest_form(TRANSFERS)),
            BARE: lambda: stage.bare(CONTAINER, names, stage.new_bucket("bare"), BARE_THREADS),
        },
    )
    rows = {tool: row(measured, count, SIZE) for tool, measured in done.items()}
    seconds = {tool: median_run(measured).seconds for tool, measured in done.items()}
    goals = [
        Goal("times as fast as rclone's fastest", min(seconds[DEFAULT], seconds[FASTEST]) / seconds[OURS], 1),
        Goal(
            "of the bare loop's speed, while bytes are sent",
            median_sending(done[BARE]) / median_sending(done[OURS]),
            0.85,
        ),
        Goal("peak RSS MB", max(each.run.rss for each in done[OURS]), 200, at_least=False),
    ]
    notes = [f"rclone's fastest form here: {' '.join(fastest_form(TRANSFERS))}"]
    return Result("large_objects", f"{count} objects of {SIZE // MIB} MiB", rows, goals, notes)
