"""The product's own view of a test cluster, as from one of the cluster's nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import final
from urllib.parse import quote

from s3_sync.cluster.brokers import Brokers, LocalReplica
from s3_sync.cluster.client import internal_client
from s3_sync.cluster.newest import LocalState, NewestState, Present
from s3_sync.cluster.objects import LocalObject
from s3_sync.cluster.reader import ObjectReader
from s3_sync.cluster.swiftdir import use_swift_dir
from s3_sync.config.settings import Settings
from s3_sync.http.pool import ConnectionPool, Origin
from servers.descriptors import open_descriptors
from servers.swift import SwiftCluster

#: what the fixture `opened` gives
Open = Callable[..., LocalObject]
_OPEN: list[Local] = []


@final
class Local:
    """`activate()` makes this process belong to the cluster: only one can be at a time."""

    def __init__(self, cluster: SwiftCluster, node: int = 1, internal_client_path: str | None = None) -> None:
        self.cluster = cluster
        self.account = cluster.account
        self.settings = Settings(
            devices=str(cluster.devices(node)),
            items_chunk=1000,
            status_dir=str(cluster.root / "status"),
            swift_bind_ip=cluster.node_ip(node),
            swift_dir=str(cluster.etc),
            internal_client_path=internal_client_path or str(cluster.internal_client_conf),
        )
        self.activate()
        self.client = internal_client(self.settings.internal_client_path, "test")
        self.reader = ObjectReader(self.settings, self.client)
        self.newest = NewestState(self.reader.rings, self.reader.servers)
        self.brokers = Brokers(self.settings)
        _OPEN.append(self)

    def activate(self) -> None:
        use_swift_dir(self.settings.swift_dir)

    def newest_of(self, container: str, name: str, policies: list[int] | None = None) -> LocalState:
        return self.newest.of(self.account, container, name, policies)

    def version(self, container: str, name: str) -> Present:
        """The newest state of what is there."""
        state = self.newest_of(container, name)
        assert isinstance(state, Present)
        return state

    def primary(self, container: str) -> LocalReplica:
        """The container's only primary replica on this node."""
        (replica,) = self.brokers.replicas(self.account, container)
        return replica

    def put(self, container: str, name: str, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> str:
        """A PUT with exactly this name (other clients resolve ``..``); returns the ETag, unquoted."""
        _, token = self.cluster.client().get_auth()
        proxy = self.cluster.server("proxy")
        pool = ConnectionPool(Origin(proxy.ip, proxy.port), size=1)
        target = quote(f"/v1/{self.account}/{container}/{name}")
        with pool.request("PUT", target, [("X-Auth-Token", token), *headers], body) as response:
            answer = response.read()
            if response.status != 201:
                raise RuntimeError(f"{response.status} {answer!r}")
        pool.close()
        return (response.headers.get("etag") or "").strip('"')

    def close(self) -> None:
        _OPEN.remove(self)
        self.reader.close()

    def __enter__(self) -> Local:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def left_open_here() -> list[str]:
    """The connections of this process to servers of a cluster, but for those that wait in a pool."""
    if not _OPEN:
        return []
    servers = [server for local in _OPEN for server in local.cluster.servers if server.name != "proxy"]
    addresses = {f"{server.ip}:{server.port}" for server in servers}
    left = Counter(peer for peer in open_descriptors() if peer in addresses)
    for pool in (pool for local in _OPEN for pool in local.reader.servers._pools.values()):
        left[pool._origin.authority] -= len(pool._idle)
    return sorted(+left)
