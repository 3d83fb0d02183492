"""The verify pass over few rows of another node's, whose keys lie far apart in a bucket."""

from __future__ import annotations

import random

from bench.filling import Content, put_objects
from bench.many_rows import COPIED, SIZE
from bench.results import Goal, Result
from bench.stage import OURS, Stage, row

ROWS = 2000
KEYS = 200_000
CONTAINER = "scattered"
LATER = 86400


def run(stage: Stage) -> Result:
    """Two nodes, so that about half of the rows are the other one's."""
    count, keys = 2 * stage.count(ROWS, least=50), stage.count(KEYS, least=5000)
    everything = [f"object-{number:06d}" for number in range(keys)]
    names = random.Random(5).sample(everything, count)
    stage.say(f"putting {count} objects into Swift")
    put_objects(stage.cluster, CONTAINER, names, Content(SIZE), age=60)
    bucket = stage.new_bucket("ours")
    mapping = stage.mapping(CONTAINER, bucket, custom_prefix="")
    daemon = stage.daemon([mapping], verification_slack=LATER)
    other = stage.daemon([mapping], node=2, verification_slack=LATER)
    stage.say("both nodes copy their rows")
    stage.ours(daemon)
    others = stage.ours(other).remote["PutObject"]
    here = set(names)
    strange = [(name, SIZE, "0" * 32) for name in everything if name not in here]
    stage.sink.fill(bucket, strange, COPIED)
    daemon.settings["verification_slack"] = 0
    stage.say("the verify pass")
    verify = stage.ours(daemon)
    goals = [
        Goal("remote requests per row", verify.remote.total() / others, 1.0, at_least=False),
        Goal("copies made", verify.remote["PutObject"], 0, at_least=False),
        Goal("peak RSS MB", verify.run.rss, 200, at_least=False),
    ]
    title = f"{others} rows of another node's, over {keys} keys"
    return Result("verify_scattered", title, {OURS: row([verify], others)}, goals)
