"""Storage policies, their object rings, the placement of objects, and the nodes that a ring names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from swift.common.ring import Ring
from swift.common.storage_policy import POLICIES, REPL_POLICY
from swift.common.utils import whataremyips

from s3_sync.errors import LocalError, LocalUnavailable


@dataclass(frozen=True, slots=True)
class Node:
    """One device of an object ring, and the address of its object server."""

    ip: str
    port: int
    device: str

    @classmethod
    def of(cls, device: Mapping[str, Any]) -> Node:
        return cls(device["ip"], device["port"], device["device"])


@dataclass(frozen=True, slots=True)
class Placement:
    """The devices of one object name in one policy. ``handoffs()``: all other devices, in ring order.

    Primaries are distinct devices: a ring with fewer devices than replicas has fewer primaries.
    """

    policy: int
    primaries: tuple[Node, ...]
    handoffs: Callable[[], Iterator[Node]]
    #: quoted ``/partition/account/container/object``
    path: str

    def target(self, node: Node) -> str:
        """Return the request target for a node's object server."""
        return f"/{quote(node.device)}{self.path}"


class ObjectRings:
    """The object rings of all policies; each is reloaded when its file changes."""

    def __init__(self, swift_dir: str) -> None:
        self._swift_dir = swift_dir

    def policies(self) -> list[int]:
        return [int(policy) for policy in POLICIES]

    def is_replicated(self, policy: int) -> bool:
        """Return whether each replica is the whole object, as opposed to an erasure-coded fragment."""
        found = POLICIES.get_by_index(policy)
        return found is not None and found.policy_type == REPL_POLICY

    def is_growing(self, policy: int) -> bool:
        """Return whether the policy's partition power is being increased: object servers then place each
        object twice. Raises LocalUnavailable."""
        try:
            ring = POLICIES.get_object_ring(policy, self._swift_dir)
        except Exception as error:  # a damaged file can raise anything, from zlib's errors to array's
            raise LocalUnavailable(f"no object ring for storage policy {policy}: {error}") from error
        return getattr(ring, "next_part_power", None) is not None

    def placement(self, policy: int, account: str, container: str, name: str) -> Placement:
        """Raises LocalUnavailable if this node lacks the policy or its ring."""
        try:
            ring = POLICIES.get_object_ring(policy, self._swift_dir)
            partition, devices = ring.get_nodes(account, container, name)
        except Exception as error:  # a damaged file can raise anything, from zlib's errors to array's
            raise LocalUnavailable(f"no object ring for storage policy {policy}: {error}") from error
        return Placement(
            policy,
            tuple(Node.of(device) for device in devices),
            lambda: (Node.of(device) for device in ring.get_more_nodes(partition)),
            f"/{partition}{quote(f'/{account}/{container}/{name}')}",
        )


class ReplicaNodes:
    """The nodes that a ring assigns the replicas of a container to. It is reloaded when its file changes."""

    def __init__(self, swift_dir: str, ring_name: str, bind_ip: str) -> None:
        """Raises LocalError if there is no such ring."""
        self._ips = frozenset(whataremyips(bind_ip))
        try:
            self._ring = Ring(swift_dir, ring_name=ring_name)
        except Exception as error:  # a damaged file can raise anything, from zlib's errors to array's
            raise LocalError(f"no ring {ring_name} in {swift_dir}: {error}") from error

    def has_devices(self) -> bool:
        """Return whether the ring has a device on this node."""
        return any(device and device["ip"] in self._ips for device in self._ring.devs)

    def of(self, account: str, container: str) -> list[bool]:
        """Return for each node with a replica, in the ring's order, whether it is this one. A node is an
        address: two replicas on one node count once. Raises LocalUnavailable."""
        try:
            _, devices = self._ring.get_nodes(account, container)
        except Exception as error:  # its file has changed and is damaged
            raise LocalUnavailable(f"the ring cannot be read: {error!r}") from error
        return [ip in self._ips for ip in dict.fromkeys(device["ip"] for device in devices)]
