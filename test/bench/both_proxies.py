"""What the cases of cloud-shunt play on: two proxies in one process, one of them without the middleware.

They share all but the filter: the code in memory, the connections' server, the servers behind them. So
what one costs more than the other is the filter's.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import Any
from urllib.parse import quote, urlsplit

from bench.measure import cpu_seconds
from servers.pair import Store
from servers.process import wait_until
from servers.raw_swift import RawSwift
from servers.s3 import S3Server
from servers.shunted import Archive, Shunted

PLAIN, OURS, S3 = "Swift alone", "with cloud-shunt", "S3 directly"
_PIECE = 1 << 20


class BothProxies(Shunted):
    """A Shunted with a second proxy, which has no cloud-shunt, in the first one's process."""

    name = "both"

    def __init__(self, **spec: Any) -> None:
        super().__init__(options={"reload_interval": 0.5}, **spec)

    def _prepare(self) -> None:
        super()._prepare()
        first = self.servers[0]
        text = first.conf.read_text().replace(" cloud-shunt ", " ", 1)
        second = replace(
            first, name="plain", conf=first.conf.with_name("plain.conf"), port=self._reserve(first.ip).port
        )
        second.conf.write_text(text.replace(f"bind_port = {first.port}", f"bind_port = {second.port}", 1))
        self.servers.insert(1, second)
        layout = json.loads(self._layout_file.read_text())
        layout["servers"].append(json.loads(json.dumps(asdict(second), default=str)))
        self._layout_file.write_text(json.dumps(layout, default=str, indent=1))

    def caller(self, which: str) -> Caller:
        server = self.servers[1 if which == PLAIN else 0]
        return Caller(server.ip, server.port)

    @property
    def proxy_cpu(self) -> float:
        """Seconds that the process of both proxies has used."""
        return cpu_seconds(self.children[self.servers[0].process].pid)


@dataclass(frozen=True)
class Called:
    """``seconds``: from the request's first byte to the answer's last one."""

    status: int
    size: int
    seconds: float


class Caller:
    """A client with one connection that stays open, which does nothing with what it gets."""

    def __init__(self, ip: str, port: int) -> None:
        self._connection = http.client.HTTPConnection(ip, port, timeout=120)
        self._buffer = bytearray(_PIECE)

    def get(self, target: str, headers: dict[str, str] | None = None, method: str = "GET") -> Called:
        """``target``: quoted, with its query."""
        started = perf_counter()
        self._connection.request(method, target, headers=headers or {})
        response = self._connection.getresponse()
        size = 0
        while count := response.readinto(self._buffer):
            size += count
        return Called(response.status, size, perf_counter() - started)


class Scene:
    """A mapped container, and how to ask for what is in it: at both proxies, and at the store."""

    def __init__(self, cluster: Any, server: S3Server, **options: Any) -> None:
        assert isinstance(cluster, BothProxies)
        self.cluster = cluster
        self.archive = Archive(cluster, Store.server(server), **options)
        self.swift: RawSwift = self.archive.swift
        self.token = {"X-Auth-Token": self.swift.token}
        self._plain, self._ours = cluster.caller(PLAIN), cluster.caller(OURS)
        address = urlsplit(server.endpoint)
        self._s3 = Caller(address.hostname or "", address.port or 80)
        self.archive.store("is it mapped?")
        wait_until(lambda: self.archive.ask("HEAD", "is it mapped?").status == 200, 30, "the mapping")

    def get(self, which: str, container: str, name: str = "", query: str = "", status: int = 200) -> Called:
        """Raises RuntimeError for another status."""
        caller = self._plain if which == PLAIN else self._ours
        target = quote(f"/v1/{self.swift.account}/{container}" + (f"/{name}" if name else ""))
        return _checked(caller.get(target + (f"?{query}" if query else ""), self.token), status)

    def signed(self, operation: str = "get_object", **arguments: Any) -> str:
        """A target for ``direct``: signed beforehand, so that the client's work counts for nobody."""
        url = urlsplit(
            self.archive.s3.generate_presigned_url(
                operation, Params={"Bucket": self.archive.bucket, **arguments}
            )
        )
        return f"{url.path}?{url.query}"

    def direct(self, target: str) -> Called:
        """Asks the store."""
        return _checked(self._s3.get(target), 200)


def _checked(called: Called, status: int) -> Called:
    if called.status != status:
        raise RuntimeError(f"answered with {called.status}, not {status}")
    return called


def in_turn(rounds: int, calls: Sequence[Callable[[], float]]) -> list[list[float]]:
    """What each of the calls returns, round by round, every second round in the opposite order."""
    found: list[list[float]] = [[] for _ in calls]
    numbers = list(range(len(calls)))
    for number in range(rounds):
        for index in numbers if number % 2 else reversed(numbers):
            found[index].append(calls[index]())
    return found
