"""Large plain objects, each in one PUT."""

from __future__ import annotations

from functools import partial

from bench.filling import MIB, Content, put_objects
from bench.results import Result
from bench.stage import (
    BARE,
    DEFAULT,
    FASTEST,
    OURS,
    Stage,
    alternate,
    fastest_form,
    goals_for_large,
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
    notes = [f"rclone's fastest form here: {' '.join(fastest_form(TRANSFERS))}"]
    return Result(
        "large_objects", f"{count} objects of {SIZE // MIB} MiB", rows, goals_for_large(done), notes
    )
