"""Requests to object servers, over connections that are kept alive."""

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

_TIMEOUTS = Timeouts(connect=2.0, read=30.0)
#: a server that finds it full turns to its other clients meanwhile; enough for a network of a cluster's own
_RECEIVING = Receiving(buffer=256 * 1024)
#: how long a server that let us wait in vain is not asked again, in seconds
_REST = 10.0


class ObjectServers:
    """``connections``: at most so many to each server. ``local_ips``: which servers are on this host.

    A thread that reads an object may need a second connection to the same server meanwhile:
    ``connections`` must be at least twice the number of such threads.
    """

    def __init__(self, connections: int, local_ips: Collection[str]) -> None:
        self._connections = connections
        self._local_ips = frozenset(local_ips)
        self._pools: dict[tuple[str, int], ConnectionPool] = {}
        self._resting: dict[tuple[str, int], float] = {}
        self._lock = Lock()

    def order(self, nodes: Sequence[Node], first: Node | None = None) -> list[Node]:
        """The order in which to ask: ``first``, local ones, then the others at random to spread load.

        Servers that did not answer in time a moment ago come last.
        """
        return sorted(
            nodes,
            key=lambda node: (
                self._is_resting(node),
                node != first,
                node.ip not in self._local_ips,
                random.random(),
            ),
        )

    def request(
        self, method: str, node: Node, placement: Placement, headers: Sequence[tuple[str, str]] = ()
    ) -> Response:
        """Ask one server about one object. Raises HttpError.

        A server that let us wait in vain is not asked again for a while: with its host down, every
        object would otherwise cost the time-out.
        """
        if self._is_resting(node):
            raise HttpError(f"{node.ip}:{node.port} did not answer a moment ago", False, timed_out=True)
        own = [
            ("User-Agent", f"swift-s3-sync/{__version__}"),
            ("X-Backend-Storage-Policy-Index", str(placement.policy)),
        ]
        try:
            return self._pool(node).request(method, placement.target(node), [*own, *headers])
        except NoFreeConnection:
            raise
        except HttpError as error:
            if error.timed_out:
                self._resting[node.ip, node.port] = time.monotonic() + _REST
            raise

    def close(self) -> None:
        with self._lock:
            for pool in self._pools.values():
                pool.close()
            self._pools.clear()

    def _is_resting(self, node: Node) -> bool:
        return self._resting.get((node.ip, node.port), 0.0) > time.monotonic()

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
