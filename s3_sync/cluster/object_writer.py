"""Writes objects of the local cluster straight into its object servers, as Swift's proxy does.

A PUT through the internal client costs several times as much: it asks for account and container first, and
runs a proxy's whole pipeline. What only a proxy can do well is left to it: erasure coding, encryption,
sharded containers, expiring objects, unusual metadata, and any PUT for which not every primary server is
there, so that handoffs are needed. What is written here has a copy on every primary before it counts as
written, which is more than the majority that a proxy asks for.
"""

from __future__ import annotations

import io
import itertools
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from swift.common.constraints import (
    MAX_META_COUNT,
    MAX_META_NAME_LENGTH,
    MAX_META_OVERALL_SIZE,
    MAX_META_VALUE_LENGTH,
    MAX_OBJECT_NAME_LENGTH,
)
from swift.common.ring import Ring
from swift.common.utils import quorum_size
from swift.proxy.controllers.obj import num_container_updates

from s3_sync.cluster.client import LocalSwift
from s3_sync.cluster.client_writer import ClientWriter
from s3_sync.cluster.rings import Node, ObjectRings, Placement
from s3_sync.cluster.servers import ObjectServers
from s3_sync.cluster.swiftdir import swift_dir
from s3_sync.errors import BadDigest, LocalChanged, LocalUnavailable, SyncError
from s3_sync.http.pool import HttpError
from s3_sync.model.headers import is_field_name, is_field_value
from s3_sync.model.objects import STORED_HEADERS
from s3_sync.runtime.concurrency import Pool
from s3_sync.streams.fan_out import Branch, feed
from s3_sync.streams.reader import Body

log = logging.getLogger("s3-sync")

#: seconds for which a container is taken to exist, as in a proxy (``recheck_container_existence``)
CONTAINER_TTL = 60.0
_UNSHARDED = "unsharded"
#: status and ETag of a server that does not answer
_NO_ANSWER = (0, "")
_USER = "x-object-meta-"
_SYSTEM = ("x-object-transient-sysmeta-", "x-object-sysmeta-")
#: other headers that a proxy passes on as they are
_PLAIN = frozenset({*STORED_HEADERS, "x-timestamp", "etag", "x-static-large-object"})


@dataclass(frozen=True, slots=True)
class _Container:
    """Where the rows of a container are. ``policy`` None: objects must be written through the client."""

    policy: int | None
    updates: tuple[tuple[str, str], ...]
    partition: int
    until: float


class ObjectWriter(ClientWriter):
    """``branches``: threads that send an object to its primaries; there must be one for each primary of each
    object in flight, as the threads of one object wait for each other. ``direct``: whether object servers may
    be written to at all."""

    def __init__(
        self,
        client: LocalSwift,
        account: str,
        rings: ObjectRings,
        servers: ObjectServers,
        branches: Pool,
        direct: bool = True,
    ) -> None:
        super().__init__(client, account)
        self._rings = rings
        self._servers = servers
        self._branches = branches
        self._direct = direct
        self._containers: dict[str, _Container] = {}
        self._ring: Ring | None = None

    def put_object(
        self, container: str, name: str, body: Body, headers: Mapping[str, str], query: str = ""
    ) -> str:
        if not self._direct or query or not _is_simple(name, headers):
            return super().put_object(container, name, body, headers, query)
        place = self._container(container)
        if place.policy is None:
            return super().put_object(container, name, body, headers, query)
        placement = self._rings.placement(place.policy, self._account, container, name)
        answers = self._put_everywhere(placement, place, body, headers)
        what = f"PUT {container}/{name}"
        results = [status for status, _ in answers]
        if all(status == 201 for status in results):
            etags = {etag for _, etag in answers}
            if len(etags) > 1:
                raise BadDigest(f"{what}: the servers got different bytes")
            return etags.pop()
        if 422 in results:
            raise BadDigest(f"{what}: the MD5 of the bytes differs")
        if 409 in results or 412 in results:
            raise LocalChanged(f"{what}: an object exists that is as new (statuses {results})")
        try:
            body.rewind()
        except (OSError, io.UnsupportedOperation) as error:
            raise LocalUnavailable(f"{what}: statuses {results}") from error
        return self._put_with_handoffs(container, name, body, headers)

    def _put_everywhere(
        self, placement: Placement, place: _Container, body: Body, headers: Mapping[str, str]
    ) -> list[tuple[int, str]]:
        """Send the object to every primary. Returns status and ETag of each; 0 for no answer.

        Raises the error of ``body``; then no server keeps anything, as each has received too few bytes.
        """
        own = {header.title(): value for header, value in headers.items()}
        requests = [[*own.items(), *more] for more in _updates(place, len(placement.primaries))]
        first, *others = placement.primaries
        if not others:
            return [self._put(first, placement, requests[0], body)]
        branches = [Branch(body.length) for _ in placement.primaries]
        results = [_NO_ANSWER] * len(branches)
        done = _Countdown(len(branches))

        def send(index: int, node: Node) -> None:
            try:
                results[index] = self._put(node, placement, requests[index], branches[index])
            except SyncError:
                log.debug("PUT %s: the body has failed", placement.path)  # feed() raises it
            finally:
                branches[index].close()
                done.one()

        for index, node in enumerate(placement.primaries):
            self._branches.spawn(partial(send, index, node))
        try:
            feed(body, branches)
        finally:
            done.wait()
        return results

    def _put(
        self, node: Node, placement: Placement, headers: Sequence[tuple[str, str]], body: Body
    ) -> tuple[int, str]:
        try:
            with self._servers.request("PUT", node, placement, headers, body) as response:
                return response.status, (response.headers.get("etag") or "").strip('"')
        except HttpError:
            return _NO_ANSWER

    def _put_with_handoffs(self, container: str, name: str, body: Body, headers: Mapping[str, str]) -> str:
        """Have the proxy write what only some of the primaries have taken."""
        try:
            return super().put_object(container, name, body, headers)
        except LocalChanged:
            # the servers that have it refuse it as not newer
            found = self.find(container, name)
            if found is None or found.data_timestamp.internal != headers["x-timestamp"]:
                raise
            return found.etag

    def _container(self, container: str) -> _Container:
        """Return where the container is, from a request at most CONTAINER_TTL ago. Raises LocalUnavailable,
        and LocalChanged if it does not exist."""
        place = self._containers.get(container)
        if place is None or place.until < time.monotonic():
            place = self._containers[container] = self._find_container(container)
        return place

    def _find_container(self, container: str) -> _Container:
        status, headers = self.request("HEAD", container)
        if status == 404:
            raise LocalChanged(f"container {container} does not exist")
        policy = headers.get("X-Backend-Storage-Policy-Index", "")
        if status // 100 != 2 or not policy.isdigit():
            raise LocalUnavailable(f"HEAD {container}: status {status}")
        until = time.monotonic() + CONTAINER_TTL
        index = int(policy)
        is_plain = headers.get("X-Backend-Sharding-State", _UNSHARDED) == _UNSHARDED
        if not is_plain or not self._rings.is_replicated(index) or self._rings.is_growing(index):
            return _Container(None, (), 0, until)
        try:
            if self._ring is None:
                self._ring = Ring(swift_dir(), ring_name="container")
            partition, nodes = self._ring.get_nodes(self._account, container)
        except Exception as error:  # a damaged file can raise anything, from zlib's errors to array's
            raise LocalUnavailable(f"the container ring cannot be read: {error!r}") from error
        updates = tuple((f"{node['ip']}:{node['port']}", str(node["device"])) for node in nodes)
        return _Container(index, updates, partition, until)


def _updates(place: _Container, objects: int) -> list[list[tuple[str, str]]]:
    """Return for each of so many object servers which container servers it has to tell about the object: as
    many as make the new row durable (``ObjectController._backend_requests``)."""
    containers = len(place.updates)
    needed = num_container_updates(containers, quorum_size(containers), objects, quorum_size(objects))
    told: list[list[tuple[str, str]]] = [[] for _ in range(objects)]
    for number, update in zip(range(needed), itertools.cycle(place.updates), strict=False):
        told[number % objects].append(update)
    return [
        [
            ("X-Container-Partition", str(place.partition)),
            ("X-Container-Host", ",".join(host for host, _ in each)),
            ("X-Container-Device", ",".join(device for _, device in each)),
            ("X-Container-Root-Db-State", _UNSHARDED),
        ]
        if each
        else []
        for each in told
    ]


def _is_simple(name: str, headers: Mapping[str, str]) -> bool:
    """Return whether Swift's proxy would send these headers to the object servers as they are."""
    if len(name.encode("utf-8")) > MAX_OBJECT_NAME_LENGTH or not headers.get("content-type"):
        return False
    user = {key: value for key, value in headers.items() if key.startswith(_USER)}
    others = headers.keys() - user.keys() - _PLAIN
    if any(not each.startswith(_SYSTEM) for each in others):
        return False
    size = sum(len(key) + len(value.encode("utf-8")) for key, value in user.items())
    if len(user) > MAX_META_COUNT or size > MAX_META_OVERALL_SIZE:
        return False
    return all(
        len(key) - len(_USER) <= MAX_META_NAME_LENGTH
        and len(value.encode("utf-8")) <= MAX_META_VALUE_LENGTH
        and is_field_name(key)
        and is_field_value(value)
        for key, value in user.items()
    )


class Writers:
    """One writer per account, so that what is known of its containers is shared. See ``ObjectWriter``."""

    def __init__(
        self, client: LocalSwift, rings: ObjectRings, servers: ObjectServers, branches: Pool, direct: bool
    ) -> None:
        self._make = partial(
            ObjectWriter, client, rings=rings, servers=servers, branches=branches, direct=direct
        )
        self._writers: dict[str, ObjectWriter] = {}

    def of(self, account: str) -> ObjectWriter:
        return self._writers.setdefault(account, self._make(account))


class _Countdown:
    """Waits until something has happened so many times."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._changed = threading.Condition()

    def one(self) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def wait(self) -> None:
        with self._changed:
            while self._count:
                self._changed.wait()
