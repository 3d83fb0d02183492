"""The newest state of an object over all its replicas, deletions included."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from s3_sync.cluster.rings import Node, ObjectRings, Placement
from s3_sync.cluster.servers import ObjectServers
from s3_sync.errors import LocalUnavailable
from s3_sync.http.pool import HttpError, Response
from s3_sync.model.timestamps import Timestamp

#: an expired object that nobody has reaped is still there; older versions know the second header only
_OPEN_EXPIRED = [("X-Backend-Open-Expired", "true"), ("X-Backend-Replication", "true")]


@dataclass(frozen=True, slots=True)
class Present:
    """``data_timestamp``: when the bytes were written; ``timestamp``: when anything last changed.

    ``expired``: its X-Delete-At has passed, so that clients do not see it any more. ``headers`` (lower-case
    names) are the object server's own: ciphertext's on an encrypted cluster, a fragment's with erasure
    coding, the link's for a symlink. ``node`` is one that holds this state.
    """

    timestamp: Timestamp
    data_timestamp: Timestamp
    policy: int
    headers: Mapping[str, str]
    expired: bool
    node: Node


@dataclass(frozen=True, slots=True)
class Deleted:
    """A tombstone is the newest thing known of this name."""

    timestamp: Timestamp

    @property
    def by_client(self) -> bool:
        """Deleted by a client, or reaped after expiry; not moved away by this product or the reconciler."""
        return self.timestamp.offset == 0


@dataclass(frozen=True, slots=True)
class Unknown:
    """No server has the object, or a tombstone of it: never there, or reclaimed."""


LocalState = Present | Deleted | Unknown


class NewestState:
    """Asks every primary server, since any one of them may hold an old truth.

    When is an answer complete? Swift acknowledges a write once more than half of the replicas have it,
    each on a primary or, in place of one that is down, on a handoff. So:

    - More than half of the primaries must answer themselves: then at least one of them took part in
      every acknowledged write that reached primaries only.
    - For each silent primary one handoff must answer, in the order of the ring: a write that found some
      primaries down went to the first handoffs, and the primaries that took part in it may be the ones
      that are silent now.
    - A ring without so many handoffs has nothing else to ask: then every handoff must have answered. In
      a cluster of three nodes and three replicas that is none, and the majority alone decides.

    Anything less raises LocalUnavailable: nothing is moved, overwritten or deleted on a guess.
    """

    def __init__(
        self, rings: ObjectRings, servers: ObjectServers, now: Callable[[], float] = time.time
    ) -> None:
        self._rings = rings
        self._servers = servers
        self._now = now

    def of(
        self, account: str, container: str, name: str, policies: Sequence[int] | None = None
    ) -> LocalState:
        """The newest state in the given policies, or in all of them. Raises LocalUnavailable.

        Newest is the greatest time of data or tombstone, then of metadata: a POST that reached a replica
        which had missed a DELETE does not bring the object back.
        """
        newest: LocalState = Unknown()
        for policy in self._rings.policies() if policies is None else policies:
            for state in self._ask_all(self._rings.placement(policy, account, container, name)):
                newest = max(newest, state, key=_age)
        return newest

    def _ask_all(self, placement: Placement) -> list[LocalState]:
        states: list[LocalState] = []
        silent: list[str] = []
        for node in placement.primaries:
            self._ask(node, placement, states, silent)
        missing = len(silent)
        if 2 * len(states) <= len(placement.primaries):
            raise LocalUnavailable(f"{placement.path}: no majority of answers: {'; '.join(silent)}")
        if missing:
            self._ask_handoffs(missing, placement, states)
        return states

    def _ask_handoffs(self, wanted: int, placement: Placement, states: list[LocalState]) -> None:
        silent: list[str] = []
        enough = len(states) + wanted
        for node in placement.handoffs():
            self._ask(node, placement, states, silent)
            if len(states) == enough:
                return
            if len(silent) > len(placement.primaries):
                break
        if silent:
            raise LocalUnavailable(f"{placement.path}: too few handoffs answered: {'; '.join(silent)}")

    def _ask(self, node: Node, placement: Placement, states: list[LocalState], silent: list[str]) -> None:
        try:
            with self._servers.request("HEAD", node, placement, _OPEN_EXPIRED) as response:
                states.append(_state(response, node, placement.policy, self._now()))
        except (HttpError, ValueError) as error:
            silent.append(f"{node.ip}:{node.port}: {error}")


def _state(response: Response, node: Node, policy: int, now: float) -> LocalState:
    """Raises ValueError for anything but a proper answer."""
    headers = response.headers
    if response.status == 404:
        deleted = Timestamp.parse(headers.get("x-backend-timestamp") or "0")
        return Deleted(deleted) if deleted.raw else Unknown()
    if response.status != 200:
        raise ValueError(f"status {response.status}")
    data = Timestamp.parse(headers.get("x-backend-data-timestamp") or "")
    last = Timestamp.parse(headers.get("x-backend-timestamp") or "")
    delete_at = headers.get("x-delete-at") or ""
    expired = delete_at.isdigit() and int(delete_at) <= now
    return Present(max(data, last), data, policy, dict(headers.items()), expired, node)


def _age(state: LocalState) -> tuple[Timestamp, bool, Timestamp]:
    """What 'newest' compares. At equal times an object outweighs a tombstone: nothing is lost by keeping."""
    if isinstance(state, Present):
        return state.data_timestamp, True, state.timestamp
    if isinstance(state, Deleted):
        return state.timestamp, False, state.timestamp
    return Timestamp(0), False, Timestamp(0)
