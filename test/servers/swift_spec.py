"""What a Swift cluster is made of: the choices of a test, and the servers, users and names that follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

SERVICES = ("account", "container", "object")

PIPELINE = (
    "catch_errors",
    "gatekeeper",
    "healthcheck",
    "proxy-logging",
    "cache",
    "listing_formats",
    "bulk",
    "tempurl",
    "formpost",
    "s3api",
    "tempauth",
    "staticweb",
    "copy",
    "container-quotas",
    "account-quotas",
    "slo",
    "dlo",
    "versioned_writes",
    "symlink",
)
CRYPTO = ("keymaster", "encryption")


class Processes(Enum):
    """How the servers are spread over child processes."""

    ONE = "one"  # everything in one
    NODE = "node"  # one for the proxy and one for each node
    SERVER = "server"  # one for each server


@dataclass(frozen=True)
class User:
    """A tempauth user; its account is `AUTH_<first half of the name>`."""

    name: str  # account:user, which is also the access key of s3api
    key: str
    groups: str

    @property
    def account(self) -> str:
        return "AUTH_" + self.name.partition(":")[0]


TESTER = User("test:tester", "testing", ".admin")
TESTER2 = User("test2:tester2", "testing2", ".admin")
READER = User("test:tester3", "testing3", "")
ADMIN = User("admin:admin", "admin", ".admin .reseller_admin")
USERS = {user.name: user for user in (TESTER, TESTER2, READER, ADMIN)}


@dataclass(frozen=True, kw_only=True)
class ClusterSpec:
    """The choices. Node n is 127.0.0.n with one device, in a zone of its own."""

    nodes: int = 1
    replicas: int | None = None  # as many as there are nodes, three at most
    policies: Sequence[str] = ("gold", "silver")  # the first is the default one
    ec_policies: Sequence[str] = ()  # further ones, erasure coded 2+1 over three nodes or more
    encryption: bool = False
    proxy_pipeline: Sequence[str] | None = None  # instead of default_pipeline(); without proxy-server
    proxy_extra: str = ""  # more text for proxy-server.conf, such as the section of an own filter
    processes: Processes | str | None = None  # ONE for a single node, else NODE
    min_part_size: int = 5 << 20  # bytes, for s3api's multipart uploads
    constraints: Mapping[str, int] = field(default_factory=dict)  # [swift-constraints], as max_file_size
    client_timeout: float = 60.0  # seconds until a server drops an idle or stalled connection
    environment: Mapping[str, str] = field(default_factory=dict)  # more for the servers' processes

    def __post_init__(self) -> None:
        if self.ec_policies and self.nodes < 3:
            raise ValueError("an erasure-coded policy needs three nodes")

    @property
    def replica_count(self) -> int:
        return self.replicas or min(3, self.nodes)

    @property
    def part_power(self) -> int:
        """The part power of every ring. Few partitions: rebalancing is the slow part of building a ring."""
        return 2 if self.nodes == 1 else 6

    @property
    def layout(self) -> Processes:
        if self.processes is None:
            return Processes.ONE if self.nodes == 1 else Processes.NODE
        return Processes(self.processes)

    def default_pipeline(self) -> list[str]:
        """The proxy's filters in order; a test inserts its own and passes them as `proxy_pipeline`."""
        return [*PIPELINE, *(CRYPTO if self.encryption else ()), "proxy-logging"]


@dataclass(frozen=True)
class SwiftServer:
    """One server: where it listens, its configuration file, and the process that runs it."""

    name: str  # proxy, account1, container1, object1, ...
    service: str
    node: int  # 0 for the proxy
    ip: str
    port: int
    conf: Path
    process: str
