"""Many requests of all kinds, some of them broken off or to a store that fails, and every answer compared.

Meanwhile the proxy's memory, its file descriptors and its connections are counted: they must not grow.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import socket
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from faults.proxy import FaultProxy, answers, cut_short, reset_before
from servers.moto import MotoServer
from servers.pair import Store
from servers.shunted import Archive, Shunted

CLIENTS = 6
ARCHIVED = 200
#: how often something is looked at, in requests
INTERVAL = 250
#: what may be more in the last quarter than in the second one
MEMORY_MB, DESCRIPTORS = 6.0, 8


@dataclass
class Counted:
    """What the proxy's process has in use, at each look."""

    memory: list[float] = field(default_factory=list)  # MB, resident
    descriptors: list[int] = field(default_factory=list)
    sockets: list[int] = field(default_factory=list)

    def look(self, pid: int) -> None:
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
        self.memory.append(next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS")))
        links: list[str] = []
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                links.append(os.readlink(f"/proc/{pid}/fd/{name}"))
            except FileNotFoundError:  # closed meanwhile
                continue
        self.descriptors.append(len(links))
        self.sockets.append(sum(link.startswith("socket:") for link in links))


def prove(requests: int, seed: int) -> bool:
    print(f"seed {seed}")
    with (
        Shunted(processes="server") as cluster,
        MotoServer() as moto,
        FaultProxy.before(moto.endpoint) as remote,
    ):
        store = Store.server(moto).behind(remote.endpoint)
        stays = Archive(cluster, store, remote_listing_failure="fail")
        returns = Archive(cluster, store, restore_object=True)
        story = _Story(stays, returns, random.Random(seed))
        for rule, every in ((cut_short, 97), (reset_before, 211), (answers(503, "SlowDown"), 307)):
            threading.Thread(target=_sometimes, args=(remote, rule, every), daemon=True).start()
        counted = Counted()
        pid = cluster.children["proxy"].pid
        begun = time.monotonic()
        with ThreadPoolExecutor(CLIENTS) as pool:
            done = 0
            while done < requests:
                # the others wait for the slowest one here, so that nothing is under way when it is counted
                list(pool.map(lambda _: story.next(), range(INTERVAL)))
                done += INTERVAL
                counted.look(pid)
                if done % 2000 == 0:
                    last = counted.memory[-1], counted.descriptors[-1]
                    print(f"{done} requests, {last[0]:.1f} MB, {last[1]} descriptors", flush=True)
        print(f"{done} requests in {time.monotonic() - begun:.0f} s, by kind and answer:")
        for (kind, status), number in sorted(story.told.items()):
            print(f"  {kind}: {status}: {number}")
    return _judge(counted, story)


def _sometimes(remote: FaultProxy, fault: Callable[..., object], every: int) -> None:
    """The fault happens to one GET of so many."""
    seen = 0
    while True:
        time.sleep(0.05)
        now = len(remote.calls("GET"))
        if now - seen >= every:
            seen = now
            remote.when(fault, method="GET", times=1)


class _Story:
    """Requests by chance. Raises AssertionError for an answer that cannot be right."""

    def __init__(self, stays: Archive, returns: Archive, random: random.Random) -> None:
        self._stays = stays
        self._returns = returns
        self._random = random
        self._lock = threading.Lock()
        self._number = 0
        self._bodies = {f"archived-{number}": _body(number) for number in range(ARCHIVED)}
        for archive in (stays, returns):
            for name, body in self._bodies.items():
                archive.store(name, body)
            archive.swift.put(archive.container, "local", b"here")
        self.told: Counter[tuple[str, str]] = Counter()
        self._kinds: dict[Callable[[str, int], str], int] = {
            self._get: 25,
            self._get_some: 10,
            self._head: 8,
            self._condition: 8,
            self._missing: 8,
            self._list: 8,
            self._local: 15,
            self._come_back: 10,
            self._leave: 6,
            self._copy: 2,
        }

    def next(self) -> None:
        with self._lock:
            self._number += 1
            number = self._number
            kind = self._random.choices(list(self._kinds), list(self._kinds.values()))[0]
            name = self._random.choice(list(self._bodies))
        try:
            told = kind(name, number)
        except (http.client.HTTPException, ConnectionError) as error:
            told = type(error).__name__
        with self._lock:
            self.told[kind.__name__.strip("_").replace("_", " "), told] += 1

    def _get(self, name: str, number: int) -> str:
        answer = self._stays.get(name)
        assert answer.status in (200, 503), answer
        assert answer.status == 503 or answer.body == self._bodies[name]
        return str(answer.status)

    def _get_some(self, name: str, number: int) -> str:
        first = number % 1000
        several = number % 3 == 0
        wanted = f"bytes={first}-{first + 99}" + (",1500-1599" if several else "")
        answer = self._stays.get(name, Range=wanted)
        assert answer.status in (206, 503), answer
        assert answer.status == 503 or self._bodies[name][first : first + 100] in answer.body
        return str(answer.status)

    def _head(self, name: str, number: int) -> str:
        answer = self._stays.ask("HEAD", name)
        assert answer.status in (200, 503), answer
        return str(answer.status)

    def _condition(self, name: str, number: int) -> str:
        etag = hashlib.md5(self._bodies[name]).hexdigest()
        answer = self._stays.get(name, If_None_Match=etag if number % 2 else "other")
        assert answer.status in (304 if number % 2 else 200, 503), answer
        return str(answer.status)

    def _missing(self, name: str, number: int) -> str:
        answer = self._stays.get(f"absent-{number}")
        assert answer.status in (404, 503), answer
        return str(answer.status)

    def _list(self, name: str, number: int) -> str:
        answer = self._stays.ask("GET", None, "prefix=archived&format=json&limit=300")
        assert answer.status in (200, 503), answer
        if answer.status == 200:
            assert [entry["name"] for entry in json.loads(answer.body)] == sorted(self._bodies)
        return str(answer.status)

    def _local(self, name: str, number: int) -> str:
        own = f"new-{number}"
        self._stays.swift.put(self._stays.container, own, name.encode())
        answer = self._stays.get(own)
        assert answer.body == name.encode(), answer
        self._stays.swift.delete(self._stays.container, own)
        return str(answer.status)

    def _come_back(self, name: str, number: int) -> str:
        """It is read, and restored, and some time later it is gone again."""
        answer = self._returns.get(name)
        assert answer.status in (200, 503), answer
        assert answer.status == 503 or answer.body == self._bodies[name]
        if number % 2:
            away = self._returns.ask("DELETE", name)
            assert away.status in (204, 404), away
        return str(answer.status)

    def _leave(self, name: str, number: int) -> str:
        """A client that does not wait for all of its answer."""
        archive = self._returns if number % 2 else self._stays
        proxy = archive.cluster.server("proxy")
        path = quote(f"/v1/{archive.swift.account}/{archive.container}/{name}")
        with socket.create_connection((proxy.ip, proxy.port)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(
                f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {archive.swift.token}\r\n\r\n".encode()
            )
            if number % 3:
                client.recv(number % 700 + 1)
        return "left"

    def _copy(self, name: str, number: int) -> str:
        there = f"copy-{number % 50}"
        answer = self._stays.ask("COPY", name, Destination=f"/{self._stays.container}/{there}")
        assert answer.status in (201, 503, 502, 499), answer
        return str(answer.status)


def _body(number: int) -> bytes:
    """Up to 60 kB, which the store keeps."""
    size = 2000 + number * 290
    return (hashlib.sha256(b"%d" % number).hexdigest().encode() * (size // 64 + 1))[:size]


def _judge(counted: Counted, story: _Story) -> bool:
    good = True
    quarter = len(counted.memory) // 4
    limits = {"memory": MEMORY_MB, "descriptors": DESCRIPTORS, "sockets": DESCRIPTORS}
    for what, limit in limits.items():
        values: list[float] = getattr(counted, what)
        before = statistics.median(values[quarter : 2 * quarter])
        after = statistics.median(values[3 * quarter :])
        holds = after <= before + limit
        good &= holds
        quarters = f"second quarter {before:.1f}, last quarter {after:.1f}, most {max(values):.1f}"
        print(f"{what}: {quarters}{'' if holds else ': GROWS'}")
    print("nothing grows, no byte is wrong" if good else "NOT AS IT SHOULD BE")
    return good
