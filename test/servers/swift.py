"""A real OpenStack Swift on loopback addresses, with s3api, from the installed `swift` package.

    with SwiftCluster(nodes=3) as cluster:
        cluster.client().put_container("c")
        cluster.stop_node(2)

The choices are the fields of `servers.swift_spec.ClusterSpec`. Layout under `root`: `etc` (swift_dir),
`node<n>` (devices of node n), `log` (one file per process, and requests.log), `cache`.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import swiftclient

from servers.forks import ForkServer
from servers.process import LOOPBACK, UNMEASURED, Child, ReservedPort, child_environment, python_module
from servers.request_log import Request, RequestCount, RequestLog
from servers.s3 import s3_client
from servers.server import Server
from servers.swift_conf import HASH_PREFIX, HASH_SUFFIX, device_name, devices_of, write_etc
from servers.swift_spec import SERVICES, TESTER, USERS, ClusterSpec, Processes, SwiftServer

IMPORT_ROOT = Path(__file__).resolve().parent.parent
#: of the processes of a cluster
ENVIRONMENT = {**UNMEASURED, "PYTHONPATH": str(IMPORT_ROOT)}


@cache
def forks() -> ForkServer:
    return ForkServer("servers.preload:swift", child_environment(ENVIRONMENT))


class SwiftCluster(Server):
    """A cluster; see `ClusterSpec` for the options and `Server` for its life."""

    name = "swift"
    user = TESTER.name
    key = TESTER.key
    account = TESTER.account

    def __init__(self, *, root: Path | None = None, **options: Any) -> None:
        super().__init__(root)
        self.spec = ClusterSpec(**options)
        self.servers: list[SwiftServer] = []

    # Where things are

    @property
    def etc(self) -> Path:
        """The swift_dir."""
        return self.root / "etc"

    @property
    def internal_client_conf(self) -> Path:
        return self.etc / "internal-client.conf"

    @property
    def s3_endpoint(self) -> str:
        proxy = self.servers[0]
        return f"http://{proxy.ip}:{proxy.port}"

    @property
    def auth_url(self) -> str:
        return self.s3_endpoint + "/auth/v1.0"

    def devices(self, node: int = 1) -> Path:
        """The `devices` directory of a node; its only device is below."""
        return devices_of(self.root, node)

    def node_ip(self, node: int = 1) -> str:
        return f"127.0.0.{node}"

    def object_dir(self, node: int, container: str, name: str, policy: int = 0) -> Path:
        """Where a node has an object of `self.account`, or would have it: a directory of .data files."""
        folder = f"objects-{policy}" if policy else "objects"
        return self._place(node, folder, self.account, container, name)

    def container_dir(self, node: int, container: str, account: str | None = None) -> Path:
        """Where a node has a container, or would have it: a directory of .db files."""
        return self._place(node, "containers", account or self.account, container)

    def _place(self, node: int, folder: str, *path: str) -> Path:
        # As swift.common.utils.hash_path and Ring.get_part have it, without their global settings.
        digest = hashlib.md5(f"{HASH_PREFIX}/{'/'.join(path)}{HASH_SUFFIX}".encode()).hexdigest()
        partition = int(digest[:8], 16) >> (32 - self.spec.part_power)
        return self.devices(node) / device_name(node) / folder / str(partition) / digest[-3:] / digest

    def server(self, service: str, node: int = 1) -> SwiftServer:
        """The account, container or object server of a node, or the proxy."""
        wanted = "proxy" if service == "proxy" else f"{service}{node}"
        return next(server for server in self.servers if server.name == wanted)

    # Clients

    def client(self, user: str | None = None, account: str | None = None) -> swiftclient.Connection:
        """A swiftclient connection of `test:tester` or another user of `swift_spec.USERS`.

        It works in the user's own account unless one is named, which `admin:admin` may always do.
        Nothing is retried, except after an expired token.
        """
        name = user or self.user
        options = {"object_storage_url": f"{self.s3_endpoint}/v1/{account}"} if account else None
        return swiftclient.Connection(
            self.auth_url, name, USERS[name].key, auth_version="1", retries=0, os_options=options
        )

    def s3_client(self, user: str | None = None) -> Any:
        """A boto3 client for the cluster's s3api; a bucket is a container of that user's account."""
        name = user or self.user
        return s3_client(self.s3_endpoint, name, USERS[name].key)

    # Requests

    @property
    def request_log(self) -> RequestLog:
        return RequestLog(self.log_dir / "requests.log")

    def requests(self, server: str | None = None, method: str | None = None) -> list[Request]:
        """The requests so far that a kind of server (proxy, account, container, object) answered."""
        everything = self.request_log.read()
        return [r for r in everything if server in (None, r.server) and method in (None, r.method)]

    @contextmanager
    def count_requests(self, quiet: float = 0.0) -> Iterator[RequestCount]:
        """Count the requests inside the `with` block, and until `quiet` seconds bring no more."""
        with self.request_log.counting(quiet) as count:
            yield count

    # Servers that go and come back

    def stop_node(self, node: int) -> None:
        """End the account, container and object server of a node; its data stays."""
        for name in self._processes_of(node):
            self.children[name].stop()

    def start_node(self, node: int) -> None:
        """Bring a stopped node back, on the same ports."""
        self._start_children(self._processes_of(node))

    def stop_proxy(self) -> None:
        for name in self._processes_of(0):
            self.children[name].stop()

    def start_proxy(self) -> None:
        self._start_children(self._processes_of(0))

    def run_daemon(self, node: int, name: str, seconds: float = 120.0) -> str:
        """One pass of a Swift daemon, such as `container-sharder`, on a node; returns what it logged.

        Raises `subprocess.CalledProcessError` if it fails, `TimeoutExpired` if it takes too long.
        """
        log = self.log_dir / f"{name}-{node}.log"
        before = log.stat().st_size if log.exists() else 0
        child = self._child(f"{name}-{node}", "daemon", str(node), name)
        child.start()
        try:
            status = child.wait(seconds)
        finally:
            child.stop()
        output = log.read_bytes()[before:].decode(errors="replace")
        if status:
            raise subprocess.CalledProcessError(status, child.command, output)
        return output

    # Life

    def _prepare(self) -> None:
        self.servers = [self._new_server("proxy", 0, LOOPBACK)]
        for node in range(1, self.spec.nodes + 1):
            self.servers += [self._new_server(service, node, self.node_ip(node)) for service in SERVICES]
        write_etc(self.etc, self.spec, self.servers)
        layout = {
            "root": str(self.root),
            "client_timeout": self.spec.client_timeout,
            "servers": [asdict(server) for server in self.servers],
        }
        self._layout_file.write_text(json.dumps(layout, default=str, indent=1))
        # Backends before the proxy.
        for server in reversed(self.servers):
            if server.process not in self.children:
                self.children[server.process] = self._child(server.process, "serve", server.process)

    @property
    def _layout_file(self) -> Path:
        return self.root / "layout.json"

    def _new_server(self, service: str, node: int, ip: str) -> SwiftServer:
        name = f"{service}{node}" if node else service
        process = {
            Processes.ONE: "swift",
            Processes.NODE: f"node{node}" if node else "proxy",
            Processes.SERVER: name,
        }[self.spec.layout]
        conf = self.etc / f"{service}-server" / f"{node}.conf" if node else self.etc / "proxy-server.conf"
        return SwiftServer(name, service, node, ip, self._reserve(ip).port, conf, process)

    def _child(self, name: str, command: str, *arguments: str) -> Child:
        arguments = (command, str(self._layout_file), *arguments)
        environment = {**ENVIRONMENT, **self.spec.environment}
        log = self.log_dir / f"{name}.log"
        if self.keep or self.spec.environment:  # it may outlive us, or what is imported may depend on that
            program = python_module("servers.swift_child", *arguments)
            return Child(name, program, log, environment=environment, outlive=self.keep)
        return Child(
            name, ["servers.swift_child:main", *arguments], log, environment=environment, forks=forks()
        )

    def _listens(self, child: Child) -> list[ReservedPort]:
        mine = {(s.ip, s.port) for s in self.servers if s.process == child.name}
        return [port for port in self._ports if (port.ip, port.port) in mine]

    def _processes_of(self, node: int) -> list[str]:
        names = {server.process for server in self.servers if server.node == node}
        others = {server.process for server in self.servers if server.node != node}
        if not names or names & others:
            raise ValueError(f"node {node} has no process of its own: use processes='node'")
        return sorted(names)
