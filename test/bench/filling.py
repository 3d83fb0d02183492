"""Putting very many objects, or rows, into a Swift without waiting for its proxy.

An object is put straight into the object server of every node, as a proxy would; its row goes into the
container's databases through the container broker's own API.
"""

from __future__ import annotations

import hashlib
import http.client
import itertools
import json
import random
import subprocess
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from servers.process import child_environment, python_module
from servers.swift import IMPORT_ROOT, SwiftCluster
from servers.swift_conf import HASH_PREFIX, HASH_SUFFIX, device_name

THREADS = 4
MIB = 1024 * 1024


@dataclass(frozen=True)
class Entry:
    """One row. ``written`` in seconds since the epoch."""

    name: str
    size: int
    md5: str
    written: float
    deleted: bool = False


class Content:
    """Bytes of which no two objects have the same; made of one block, so that making them costs nothing."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._block = random.Random(7).randbytes(min(size, MIB))

    def pieces(self, name: str) -> Iterable[bytes]:
        head = hashlib.sha256(name.encode()).digest()[: self.size]
        yield head + self._block[len(head) :]
        for left in range(self.size - len(self._block), 0, -MIB):
            yield self._block[:left]

    def md5(self, name: str) -> str:
        digest = hashlib.md5(usedforsecurity=False)
        for piece in self.pieces(name):
            digest.update(piece)
        return digest.hexdigest()


def object_path(cluster: SwiftCluster, node: int, container: str, name: str) -> str:
    """Where a node's object server has an object of policy 0: the request's path."""
    return _path(cluster, node, f"{cluster.account}/{container}/{name}")


def container_path(cluster: SwiftCluster, node: int, container: str) -> str:
    """Where a node's container server has a container: the request's path."""
    return _path(cluster, node, f"{cluster.account}/{container}")


def _path(cluster: SwiftCluster, node: int, path: str) -> str:
    digest = hashlib.md5(f"{HASH_PREFIX}/{path}{HASH_SUFFIX}".encode()).hexdigest()
    partition = int(digest[:8], 16) >> (32 - cluster.spec.part_power)
    return f"/{device_name(node)}/{partition}/{quote(path)}"


def put_objects(
    cluster: SwiftCluster,
    container: str,
    names: Sequence[str],
    content: Content,
    age: float = 0.0,
    rows: bool = True,
) -> list[Entry]:
    """Objects with their rows, all written `age` seconds ago; the container is made if need be."""
    cluster.client().put_container(container)
    written = time.time() - age
    with ThreadPoolExecutor(THREADS) as pool:
        parts = [names[start::THREADS] for start in range(THREADS)]
        put = list(pool.map(lambda part: _put(cluster, container, part, content, written), parts))
    known = dict(itertools.chain.from_iterable(put))
    entries = [Entry(name, content.size, known[name], written) for name in names]
    if rows:
        add_rows(cluster, container, entries)
    return entries


def _put(
    cluster: SwiftCluster, container: str, names: Sequence[str], content: Content, written: float
) -> list[tuple[str, str]]:
    """Name and MD5 of each."""
    known: list[tuple[str, str]] = []
    for node in range(1, cluster.spec.nodes + 1):
        server = cluster.server("object", node)
        connection = http.client.HTTPConnection(server.ip, server.port, timeout=60)
        for name in names:
            headers = {
                "X-Timestamp": f"{written:016.05f}",
                "Content-Type": "application/octet-stream",
                "Content-Length": str(content.size),
                "X-Backend-Storage-Policy-Index": "0",
            }
            path = object_path(cluster, node, container, name)
            # in one piece where it is small: two sends would wait for each other
            body = b"".join(content.pieces(name)) if content.size <= MIB else content.pieces(name)
            connection.request("PUT", path, body, headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 201:
                raise RuntimeError(f"PUT {path}: {answer.status}")
            known.append((name, (answer.getheader("etag") or "").strip('"')))
        connection.close()
    return known


def delete_objects(cluster: SwiftCluster, container: str, names: Sequence[str]) -> None:
    """As clients' DELETEs would leave it: tombstones and rows."""
    written = time.time()
    for node in range(1, cluster.spec.nodes + 1):
        server = cluster.server("object", node)
        connection = http.client.HTTPConnection(server.ip, server.port, timeout=60)
        for name in names:
            headers = {"X-Timestamp": f"{written:016.05f}", "X-Backend-Storage-Policy-Index": "0"}
            connection.request("DELETE", object_path(cluster, node, container, name), headers=headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 204:
                raise RuntimeError(f"DELETE {name}: {answer.status}")
        connection.close()
    add_rows(cluster, container, [Entry(name, 0, "noetag", written, deleted=True) for name in names])


def add_rows(cluster: SwiftCluster, container: str, entries: Iterable[Entry]) -> None:
    """Into the container's database on every node. The container must be there."""
    databases = [
        str(next(cluster.container_dir(node, container).glob("*.db")))
        for node in range(1, cluster.spec.nodes + 1)
    ]
    rows = [
        [each.name, f"{each.written:016.05f}", each.size, each.md5, int(each.deleted)] for each in entries
    ]
    order = {"root": str(cluster.root), "databases": databases, "rows": rows}
    subprocess.run(
        python_module("bench.row_writer"),
        input=json.dumps(order).encode(),
        env=child_environment({"PYTHONPATH": str(IMPORT_ROOT)}),
        cwd=Path(cluster.root),
        check=True,
    )


class RowSender:
    """Rows one by one, as object servers send them to the container server of node 1."""

    def __init__(self, cluster: SwiftCluster, container: str) -> None:
        self._path = container_path(cluster, 1, container)
        server = cluster.server("container")
        self._connection = http.client.HTTPConnection(server.ip, server.port, timeout=60)

    def send(self, entry: Entry) -> None:
        headers = {
            "X-Timestamp": f"{entry.written:016.05f}",
            "X-Size": str(entry.size),
            "X-Etag": entry.md5,
            "X-Content-Type": "application/octet-stream",
            "X-Backend-Storage-Policy-Index": "0",
        }
        self._connection.request("PUT", f"{self._path}/{quote(entry.name)}", headers=headers)
        answer = self._connection.getresponse()
        answer.read()
        if answer.status != 201:
            raise RuntimeError(f"row of {entry.name}: {answer.status}")

    def __enter__(self) -> RowSender:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
