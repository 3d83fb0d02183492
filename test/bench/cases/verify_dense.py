"""The verify pass over another node's rows, all converged: names without gaps, rows in no order."""

from __future__ import annotations

import random

from bench.filling import add_rows
from bench.many_rows import fill, imagined
from bench.results import Goal, Result
from bench.stage import COMPARING, DEFAULT, OURS, Stage, row

ROWS = 20_000
CONTAINER = "dense"
LATER = 86400


def run(stage: Stage) -> Result:
    """Two nodes, so that about half of the rows are the other one's."""
    count = 2 * stage.count(ROWS, least=500)
    entries = imagined([f"object-{number:06d}" for number in range(count)])
    stage.say(f"making {count} rows")
    stage.cluster.client().put_container(CONTAINER)
    random.Random(3).shuffle(entries)
    add_rows(stage.cluster, CONTAINER, entries)
    bucket = stage.new_bucket("ours")
    fill(stage, bucket, entries)
    daemon = stage.daemon([stage.mapping(CONTAINER, bucket, custom_prefix="")], verification_slack=LATER)
    stage.say("a first pass over the node's own rows")
    own = stage.ours(daemon)
    daemon.settings["verification_slack"] = 0
    stage.say("the verify pass")
    before = daemon.log_text().count("\n")
    verify = stage.ours(daemon)
    lines = [line for line in daemon.log_text().splitlines()[before:] if "Verifying" in line]
    others = sum(int(line.split("Verifying ")[1].split()[0]) for line in lines)
    stage.say("rclone check")
    theirs = stage.rclone("check", CONTAINER, bucket, *COMPARING[1:])
    rows = {
        OURS: row([verify], others),
        "its own rows, compared": row([own], count - others),
        f"{DEFAULT} check {' '.join(COMPARING[1:])}": row([theirs], count),
    }
    goals = [
        Goal("rows for each remote request", others / verify.remote.total(), 200),
        Goal("peak RSS MB", verify.run.rss, 200, at_least=False),
    ]
    return Result("verify_dense", f"{others} rows of another node's, in {count}", rows, goals)
