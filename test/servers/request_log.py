"""Which requests the servers of a cluster got: written by the servers, read and counted by the tests.

A line is appended with one write when the status is known and before the first byte of the answer is
sent. So a client that has its answer finds its request here, and so does everything that the proxy
waited for in order to give that answer. What goes on behind it (a backend PUT that the proxy did not
wait for, a container update in the background) may come later: see `quiet`.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Request:
    """One request that a server answered."""

    server: str  # proxy, account, container or object
    node: int  # 0 for the proxy
    method: str
    path: str  # as sent: percent-encoded, with the query string
    status: int
    agent: str
    transaction: str


class RecordingApp:
    """WSGI middleware around a whole server that writes the log."""

    def __init__(self, app: Callable[..., Iterable[bytes]], log: Path, server: str, node: int) -> None:
        self.app = app
        self.server = server
        self.node = node
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            self._record(environ, int(status[:3]))
            return start_response(status, headers, *error)

        return self.app(environ, start)

    def _record(self, environ: dict[str, Any], status: int) -> None:
        path = environ.get("RAW_PATH_INFO") or environ.get("PATH_INFO", "")
        query = environ.get("QUERY_STRING")
        request = Request(
            server=self.server,
            node=self.node,
            method=environ["REQUEST_METHOD"],
            path=f"{path}?{query}" if query else path,
            status=status,
            agent=environ.get("HTTP_USER_AGENT", ""),
            transaction=environ.get("HTTP_X_TRANS_ID") or environ.get("swift.trans_id", ""),
        )
        os.write(self._log, json.dumps(asdict(request)).encode() + b"\n")


class RequestCount:
    """The requests between two positions of the log; up to now while the end is not set."""

    def __init__(self, log: RequestLog, start: int) -> None:
        self._log = log
        self._start = start
        self.end: int | None = None

    @property
    def requests(self) -> list[Request]:
        return self._log.read(self._start, self.end)

    def of(self, server: str | None = None, method: str | None = None) -> int:
        """How many requests a kind of server got with a method; None is any."""
        return len([r for r in self.requests if server in (None, r.server) and method in (None, r.method)])

    def by_method(self, server: str) -> Counter[str]:
        """Method -> number of requests that this kind of server got."""
        return Counter(r.method for r in self.requests if r.server == server)


class RequestLog:
    """The log of one cluster, as its tests see it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def position(self) -> int:
        """The length of the log in bytes."""
        return self.path.stat().st_size if self.path.exists() else 0

    def read(self, start: int = 0, end: int | None = None) -> list[Request]:
        """The requests between two positions."""
        if not self.path.exists():
            return []
        data = self.path.read_bytes()[start:end]
        return [Request(**json.loads(line)) for line in data.splitlines()]

    def wait_quiet(self, quiet: float, seconds: float = 30.0) -> None:
        """Wait until no request came for `quiet` seconds; `TimeoutError` if that takes too long."""
        deadline = time.monotonic() + seconds
        seen, since = self.position, time.monotonic()
        while time.monotonic() - since < quiet:
            if time.monotonic() > deadline:
                raise TimeoutError(f"requests kept coming for {seconds:g} s")
            time.sleep(min(0.02, quiet))
            if self.position != seen:
                seen, since = self.position, time.monotonic()

    @contextmanager
    def counting(self, quiet: float = 0.0) -> Iterator[RequestCount]:
        """Count what comes inside the `with` block, and after it until `quiet` seconds bring nothing."""
        count = RequestCount(self, self.position)
        yield count
        if quiet:
            self.wait_quiet(quiet)
        count.end = self.position
