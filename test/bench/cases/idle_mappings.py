"""Very many mappings in which nothing happens."""

from __future__ import annotations

import http.client
import time

from bench.filling import container_path
from bench.measure import cpu_seconds, peak_rss
from bench.results import Goal, Result
from bench.stage import OURS, Stage
from servers.process import wait_until

MAPPINGS = 2000
#: long enough to hold everything that is done once a minute, in seconds
WATCHED = 61.0
POLL = 1.0


def run(stage: Stage) -> Result:
    count = stage.count(MAPPINGS)
    names = [f"idle-{number:04d}" for number in range(count)]
    stage.say(f"making {count} containers")
    _make(stage, names)
    bucket = stage.new_bucket("ours")
    mappings = [stage.mapping(name, bucket) for name in names]
    daemon = stage.daemon(mappings, poll_interval=POLL)
    child = daemon.start()
    try:
        status = daemon.status_dir / stage.cluster.account
        wait_until(lambda: status.is_dir() and len(list(status.iterdir())) >= count, 120, "first polls")
        time.sleep(5)
        stage.say(f"watching the daemon for {WATCHED:.0f} s")
        before = cpu_seconds(child.pid)
        with stage.counting() as (local, remote):
            time.sleep(WATCHED)
        cpu = (cpu_seconds(child.pid) - before) / (WATCHED / POLL)
        rss = peak_rss(child.pid)
    finally:
        daemon.stop()
    row = {
        "CPU ms a poll": round(1000 * cpu, 2),
        "CPU us a mapping": round(1e6 * cpu / count, 2),
        "peak RSS MB": round(rss, 1),
        "Swift requests": str(local.total()),
        "S3 requests": str(remote.total()),
    }
    goals = [
        Goal("CPU ms a poll", 1000 * cpu, 100, at_least=False),
        Goal("remote requests", remote.total(), 0, at_least=False),
        Goal("peak RSS MB", rss, 200, at_least=False),
    ]
    return Result("idle_mappings", f"{count} mappings", {OURS: row}, goals)


def _make(stage: Stage, names: list[str]) -> None:
    """Straight in the container server; no account lists them."""
    server = stage.cluster.server("container")
    connection = http.client.HTTPConnection(server.ip, server.port, timeout=60)
    for name in names:
        headers = {"X-Timestamp": f"{time.time():016.05f}", "X-Backend-Storage-Policy-Index": "0"}
        connection.request("PUT", container_path(stage.cluster, 1, name), headers=headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 201:
            raise RuntimeError(f"PUT {name}: {answer.status}")
    connection.close()
