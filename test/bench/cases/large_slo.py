"""One static large object: its segments become the parts of a multipart upload."""

from __future__ import annotations

from functools import partial

from bench.filling import MIB
from bench.results import Result
from bench.slo import SEGMENT, put_segments, put_slo
from bench.stage import (
    BARE,
    DEFAULT,
    FASTEST,
    OURS,
    Measured,
    Stage,
    alternate,
    goals_for_large,
    row,
)

SEGMENTS = 32
PLACE = "slo-segments"
CONTAINER = "slo"
BARE_THREADS = 4
#: it is one object, so that transfers at the same time are of its parts
FORM = (
    *("--s3-upload-concurrency", "16", "--s3-chunk-size", "16M", "--use-server-modtime"),
    *("--s3-no-head", "--s3-no-check-bucket", "--no-check-dest", "--retries", "1"),
)


def run(stage: Stage) -> Result:
    count = stage.count(SEGMENTS, least=4)
    size = count * SEGMENT
    stage.say(f"putting {count} segments of {SEGMENT // MIB} MiB into Swift")
    segments = put_segments(stage.cluster, PLACE, count)
    put_slo(stage.cluster, CONTAINER, "large", segments, PLACE)
    done = alternate(
        stage,
        {
            OURS: partial(_ours, stage, count),
            DEFAULT: partial(stage.rclone_copy, CONTAINER),
            FASTEST: partial(stage.rclone_copy, CONTAINER, *FORM),
            BARE: lambda: stage.bare(
                PLACE, [each.name for each in segments], stage.new_bucket("bare"), BARE_THREADS
            ),
        },
    )
    rows = {tool: row(measured, 1, size) for tool, measured in done.items()}
    notes = [
        f"rclone's fastest form here: {' '.join(FORM)}",
        "the bare loop writes each segment as an object of its own",
    ]
    return Result(
        "large_slo", f"{count} segments of {SEGMENT // MIB} MiB", rows, goals_for_large(done), notes
    )


def _ours(stage: Stage, parts: int) -> Measured:
    measured = stage.ours_copy(CONTAINER)
    if measured.remote["UploadPart"] != parts or measured.remote["CompleteMultipartUpload"] != 1:
        raise RuntimeError(f"not one upload of {parts} parts: {measured.remote}")
    return measured
