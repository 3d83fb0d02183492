"""A store that freezes: its own clients are told so, and nobody else notices.

Many clients read archived objects and list their container, all the time. Beside them one reads, writes and
lists what is in the cluster. The time that this takes is compared: while the store answers, while its process
stands still, and afterwards. The clients ask equally often in all three, whatever they are told.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from servers.pair import Store
from servers.process import child_environment, python_module
from servers.raw_swift import Answer
from servers.shunted import Archive, Shunted
from servers.sink import Sink
from servers.swift import IMPORT_ROOT

BODY = b"archived" * 512
#: requests of all the clients together, in a second: what a proxy on a small machine answers easily
RATE = 20.0
#: how much longer, of which part of the requests
MEDIAN, SLOWEST = 1.3, 2.0
#: seconds by which a time may differ without meaning anything
NOISE = 0.02
#: seconds until a client of the frozen store is told so: the middleware's options, and some for the machine
LONGEST = 10 + 5 + 15


def prove(clients: int, seconds: float) -> bool:
    with Shunted(processes="server") as cluster, Sink() as sink:
        archive = Archive(cluster, Store.server(sink), remote_listing_failure="fail")
        archive.store("archived", BODY)
        archive.swift.put(archive.container, "local", b"here")
        archive.swift.put_container("unmapped")
        archive.swift.put("unmapped", "local", b"here")
        load = _Load(archive, clients)
        try:
            phases = {}
            _local(archive, 3.0)
            phases["answers"] = _phase(archive, load, seconds)
            sink.children["sink"].freeze()
            phases["frozen"] = _phase(archive, load, seconds)
            sink.children["sink"].thaw()
            _until_back(archive)
            phases["answers again"] = _phase(archive, load, seconds)
        finally:
            load.end()
    return _judge(phases)


def _phase(archive: Archive, load: _Load, seconds: float) -> dict[str, Any]:
    load.lap()
    times = _local(archive, seconds)
    return {"times": times, "clients": load.lap()}


def _local(archive: Archive, seconds: float) -> dict[str, list[float]]:
    """Seconds of each request, by kind."""
    swift, mapped = archive.swift, archive.container
    kinds: dict[str, Callable[[], Answer]] = {
        "GET, mapped": lambda: swift.request("GET", mapped, "local"),
        "PUT, mapped": lambda: swift.request("PUT", mapped, "new", body=b"x"),
        "GET, unmapped": lambda: swift.request("GET", "unmapped", "local"),
        "listing, unmapped": lambda: swift.request("GET", "unmapped"),
    }
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for kind, ask in kinds.items():
            begun = time.perf_counter()
            ask()
            times[kind].append(time.perf_counter() - begun)
            time.sleep(0.02)
    return times


def _until_back(archive: Archive) -> None:
    end = time.monotonic() + 90
    while archive.get("archived", Range="bytes=0-").status != 200:
        if time.monotonic() > end:
            raise TimeoutError("the store is not asked again")
        time.sleep(0.2)


def _judge(phases: dict[str, Any]) -> bool:
    good = True
    for name, phase in phases.items():
        clients = phase["clients"]
        wanted = {"503"} if name == "frozen" else {"200", "503"} if name == "answers again" else {"200"}
        holds = set(clients["told"]) <= wanted and clients["longest"] < LONGEST
        good &= holds
        print(
            f"the store {name}: its clients are told {clients['told']}, the longest wait is"
            f" {clients['longest']:.1f} s{'' if holds else ': NOT AS IT SHOULD BE'}"
        )
    for kind, usual in phases["answers"]["times"].items():
        for part, limit in ((0.5, MEDIAN), (0.95, SLOWEST)):
            before = _quantile(usual, part)
            line = f"{kind}: {part:.0%} of {len(usual)} within {1000 * before:.1f} ms"
            for name in ("frozen", "answers again"):
                now = _quantile(phases[name]["times"][kind], part)
                holds = now <= limit * before + NOISE
                good &= holds
                line += f"; {name}: {1000 * now:.1f} ms{'' if holds else ' TOO MUCH'}"
            print(line)
    print("the cluster's own clients notice nothing" if good else "NOT AS IT SHOULD BE")
    return good


def _quantile(times: list[float], part: float) -> float:
    return sorted(times)[int(part * (len(times) - 1))]


class _Load:
    """The clients of the store; see ``proofs.clients``."""

    def __init__(self, archive: Archive, clients: int) -> None:
        container = f"/v1/{archive.swift.account}/{archive.container}"
        order = {
            "address": urlsplit(archive.cluster.s3_endpoint).netloc,
            "token": archive.swift.token,
            "paths": [f"{container}/archived", container, f"{container}/archived"],
            "clients": clients,
            "rate": RATE,
        }
        self._process = subprocess.Popen(
            python_module("proofs.clients", json.dumps(order)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=child_environment({"PYTHONPATH": str(IMPORT_ROOT)}),
        )

    def lap(self) -> dict[str, Any]:
        """What the clients were told since the last time."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()
