"""Requests to object servers over persistent connections."""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Sequence
from threading import Lock

from s3_sync import __version__
from s3_sync.cluster.rings import Node, Placement
from s3_sync.http.pool import (
    ConnectionPool,
    HttpError,
    NoFreeConnection,
    Origin,
    Receiving,
    Response,
    Timeouts,
)
from s3_sync.streams.reader import Body

_TIMEOUTS = Timeouts(connect=2.0, read=30.0)
#: a server that fills it serves other clients meanwhile; large enough for a cluster's own network
_RECEIVING = Receiving(buffer=256 * 1024)
#: seconds without requests to a server after a time-out
_TIMEOUT_PENALTY = 10.0


class ObjectServers:
    """``connections``: the maximum per server. ``local_ips``: identifies the servers on this host.

    A thread that reads an object may need a second connection to the same server: ``connections`` must be at
    least twice the number of such threads.
    """

    def __init__(self, connections: int, local_ips: Collection[str]) -> None:
        self._connections = connections
        self._local_ips = frozenset(local_ips)
        self._pools: dict[tuple[str, int], ConnectionPool] = {}
        self._suspended_until: dict[tuple[str, int], float] = {}
        self._lock = Lock()

    def order(self, nodes: Sequence[Node], first: Node | None = None) -> list[Node]:
        """Return the order of requests: ``first``, local ones, then the others at random to spread load.

        Servers that timed out recently come last.
        """
        return sorted(
            nodes,
            key=lambda node: (
                self._is_suspended(node),
                node != first,
                node.ip not in self._local_ips,
                random.random(),
            ),
        )

    def request(
        self,
        method: str,
        node: Node,
        placement: Placement,
        headers: Sequence[tuple[str, str]] = (),
        body: Body | None = None,
    ) -> Response:
        """Send a request about one object to one server. Raises HttpError, and what ``body`` raises.

        A server gets no requests for a while after a time-out: with its host down, every object would
        otherwise cost the time-out.
        """
        if self._is_suspended(node):
            raise HttpError(
                f"{node.ip}:{node.port} timed out less than {_TIMEOUT_PENALTY:.0f} s ago",
                False,
                timed_out=True,
            )
        own = [
            ("User-Agent", f"swift-s3-sync/{__version__}"),
            ("X-Backend-Storage-Policy-Index", str(placement.policy)),
        ]
        try:
            return self._pool(node).request(method, placement.target(node), [*own, *headers], body)
        except NoFreeConnection:
            raise
        except HttpError as error:
            if error.timed_out:
                self._suspended_until[node.ip, node.port] = time.monotonic() + _TIMEOUT_PENALTY
            raise

    def close(self) -> None:
        with self._lock:
            for pool in self._pools.values():
                pool.close()
            self._pools.clear()

    def _is_suspended(self, node: Node) -> bool:
        return self._suspended_until.get((node.ip, node.port), 0.0) > time.monotonic()

    def _pool(self, node: Node) -> ConnectionPool:
        address = (node.ip, node.port)
        pool = self._pools.get(address)
        if pool is None:
            with self._lock:
                new = ConnectionPool(
                    Origin(*address),
                    size=self._connections,
                    timeouts=_TIMEOUTS,
                    receiving=_RECEIVING,
                )
                pool = self._pools.setdefault(address, new)
        return pool
