"""First copy to Google Cloud Storage and to Azure: small objects and large ones, to an emulator of each.

An emulator takes longer for a request than a tool does: the bare loop shows how fast it can be at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from bench.emulators import Copying, Emulator, azurite, fake_gcs_server
from bench.filling import MIB, Content, put_objects
from bench.results import Goal, Result, Value
from bench.stage import BARE, DEFAULT, FASTEST, MB, OURS, Measured, Stage, alternate, median_run, row

SMALL, SMALL_SIZE = 2000, 4096
LARGE, LARGE_SIZE = 20, 64 * MIB
BARE_THREADS = 8
#: the form of rclone that asks for least; emulators have an option of their own in addition
FORM = (
    *("--transfers", "16", "--checkers", "16"),
    *("--swift-no-large-objects", "--use-server-modtime", "--no-check-dest", "--retries", "1"),
)

Done = Mapping[str, Sequence[Measured]]


def gcs(stage: Stage) -> Result:
    with fake_gcs_server() as emulator:
        return _run(stage, "gcs", emulator)


def azure(stage: Stage) -> Result:
    with azurite() as emulator:
        return _run(stage, "azure", emulator)


def _run(stage: Stage, case: str, emulator: Emulator) -> Result:
    few, many = stage.count(LARGE, least=4), stage.count(SMALL)
    form = (*FORM, *emulator.form)
    small = _copied(stage, emulator, many, SMALL_SIZE, form)
    large = _copied(stage, emulator, few, LARGE_SIZE, form)
    rows = {
        f"{tool}, {what}": _row(measured, count, size)
        for what, done, count, size in (
            ("4 KiB", small, many, SMALL_SIZE),
            ("64 MiB", large, few, LARGE_SIZE),
        )
        for tool, measured in done.items()
    }
    seconds = {tool: median_run(measured).seconds for tool, measured in small.items()}
    of_large = {tool: median_run(measured).seconds for tool, measured in large.items()}
    others = min(of_large[DEFAULT], of_large[FASTEST])
    goals = [
        Goal("small: times as fast as rclone", seconds[DEFAULT] / seconds[OURS], 3),
        Goal("small: times as fast as rclone's fastest form", seconds[FASTEST] / seconds[OURS], 1.5),
        Goal("large: times as fast as the faster of them", others / of_large[OURS], 1),
    ]
    notes = [f"rclone's fastest form here: {' '.join(form)}"]
    for what, times in (("small", seconds), ("large", of_large)):
        bare = ", ".join(f"{times[tool] / times[BARE]:.2f} times as fast as {tool}" for tool in times)
        notes.append(f"{what}, the bare loop: {bare}")
    title = f"{many} objects of 4 KiB and {few} of 64 MiB to {emulator.title}"
    return Result(case, title, rows, goals, notes)


def _copied(stage: Stage, emulator: Emulator, count: int, size: int, form: Sequence[str]) -> Done:
    names = [f"object-{number:06d}" for number in range(count)]
    container = "large" if size > MIB else "small"
    stage.say(f"putting {count} objects of {size} bytes into Swift")
    put_objects(stage.cluster, container, names, Content(size))
    copying = Copying(stage, emulator, container, names, size)
    return alternate(
        stage,
        {
            OURS: copying.ours,
            DEFAULT: copying.rclone,
            FASTEST: partial(copying.rclone, *form),
            BARE: partial(copying.bare, BARE_THREADS),
        },
    )


def _row(measured: Sequence[Measured], count: int, size: int) -> dict[str, Value]:
    columns = row(measured, count)
    del columns["S3 requests"]  # it is not the sink that is asked
    return {**columns, "MB/s": round(count * size / median_run(measured).seconds / MB, 2)}
