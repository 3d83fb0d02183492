"""What the middleware costs: requests that it has nothing to do with, and objects that are archived.

The same proxy answers for a container that is mapped and for one that is not, and the store is read by a
plain S3 client beside it, in turns, so that noise is the same for all.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.measure import median
from bench.results import Goal, Result
from bench.stage import Stage
from s3_sync.shunt.middleware import CloudShunt
from servers.pair import Store
from servers.raw_swift import RawSwift
from servers.shunted import Archive, Shunted

SMALL = 4096
LARGE = 64 << 20
SAMPLES = 60
#: calls of the middleware alone
CALLS = 20_000


def run(stage: Stage) -> Result:
    unmapped, mapped = _own_cost(stage.new_directory("shunt"))
    store = Store.s3api(stage.cluster)
    with Shunted(processes="server", options={"restores": 100}) as cluster:
        plain, restoring = Archive(cluster, store), Archive(cluster, store, restore_object=True)
        client = _Client(cluster, plain.swift)
        stage.say("4 KiB")
        plain.store("small", b"s" * SMALL)
        small = _in_turns(
            stage.count(SAMPLES, least=20),
            lambda: client.get("not-mapped", "absent"),
            lambda: _direct(plain, "small"),
            lambda: client.get(plain.container, "small"),
        )
        stage.say("64 MiB")
        body = bytes(range(256)) * (LARGE // 256)
        plain.store("large", body)
        plain.store("not hashed", body, {"swift-timestamp": ""})
        rounds = 2 * stage.rounds
        for number in range(rounds + 1):
            restoring.store(f"large-{number}", body)
        names = [f"large-{number}" for number in range(rounds + 1)]
        first, last = iter(names), iter(names)
        large = _in_turns(
            rounds,
            lambda: _direct(plain, "large"),
            lambda: client.get(plain.container, "not%20hashed"),
            lambda: client.get(plain.container, "large"),
            lambda: client.get(restoring.container, next(first)),
            between=lambda: restoring.restored(next(last)),
        )
    missing, direct, shunted = (1000 * seconds for seconds in small)
    speeds = [LARGE / 1e6 / seconds for seconds in large]
    rows = {
        "Swift's own 404": {"4 KiB ms": round(missing, 2)},
        "S3 directly": {"4 KiB ms": round(direct, 2), "64 MiB MB/s": round(speeds[0])},
        "through cloud-shunt": {"4 KiB ms": round(shunted, 2), "64 MiB MB/s": round(speeds[1])},
        "through cloud-shunt, hashed": {"64 MiB MB/s": round(speeds[2])},
        "through cloud-shunt, restoring": {"64 MiB MB/s": round(speeds[3])},
    }
    goals = [
        Goal("microseconds of CPU for a request that matches no mapping", unmapped, 20, at_least=False),
        Goal("microseconds of CPU for a local object of a mapping", mapped, 60, at_least=False),
        Goal("4 KiB: times (404 + direct)", shunted / (missing + direct), 1.5, at_least=False),
        Goal("64 MiB: part of the direct speed", speeds[1] / speeds[0], 0.9),
        Goal("64 MiB, hashed: part of the direct speed", speeds[2] / speeds[0], 0.4),
        Goal("64 MiB, restoring: times the time without", speeds[2] / speeds[3], 1.2, at_least=False),
    ]
    return Result("shunt", "GET through the middleware", rows, goals)


def _own_cost(directory: Path) -> tuple[float, float]:
    """Microseconds of CPU that the middleware adds: nothing mapped, and a local object of a mapping."""

    def app(environ: Any, start_response: Any) -> Sequence[bytes]:
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]

    directory.mkdir(parents=True, exist_ok=True)
    configuration = directory / "sync.json"
    mapping = {
        "account": "AUTH_test",
        "container": "mapped",
        "aws_bucket": "bucket",
        "aws_endpoint": "http://127.0.0.1:9",
        "aws_identity": "id",
        "aws_secret": "key",
        "merge_namespaces": True,
    }
    configuration.write_text(json.dumps({"containers": [mapping]}))
    shunt = CloudShunt(app, {"conf_file": str(configuration)})
    bare = _cpu(app, "other")
    return _cpu(shunt, "other") - bare, _cpu(shunt, "mapped") - bare


def _cpu(app: Callable[[Any, Any], Any], container: str) -> float:
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": f"/v1/AUTH_test/{container}/a/name"}
    best = float("inf")
    for _ in range(5):
        begun = time.process_time()
        for _ in range(CALLS):
            app(environ, lambda *_: None)
        best = min(best, time.process_time() - begun)
    return best / CALLS * 1e6


def _in_turns(
    times: int, *calls: Callable[[], None], between: Callable[[], object] = lambda: None
) -> list[float]:
    """Median seconds of each, after a first turn that does not count. ``between``: when a turn is over."""
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(times + 1):
        for each, call in zip(taken, calls, strict=True):
            begun = time.perf_counter()
            call()
            each.append(time.perf_counter() - begun)
        between()
    return [median(each[1:]) for each in taken]


class _Client:
    """One kept-alive connection to the proxy."""

    def __init__(self, cluster: Shunted, swift: RawSwift) -> None:
        swift.put_container("not-mapped")
        proxy = cluster.server("proxy")
        self._connection = http.client.HTTPConnection(proxy.ip, proxy.port)
        self._swift = swift

    def get(self, container: str, name: str) -> None:
        headers = {"X-Auth-Token": self._swift.token}
        self._connection.request("GET", f"/v1/{self._swift.account}/{container}/{name}", headers=headers)
        answer = self._connection.getresponse()
        while answer.read(1 << 20):
            pass


def _direct(archive: Archive, name: str) -> None:
    body = archive.s3.get_object(Bucket=archive.bucket, Key=archive.prefix + name)["Body"]
    while body.read(1 << 20):
        pass
