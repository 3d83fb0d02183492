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

#: an expired object still exists until it is reaped; older Swift versions know only the second header
_OPEN_EXPIRED = [("X-Backend-Open-Expired", "true"), ("X-Backend-Replication", "true")]


@dataclass(frozen=True, slots=True)
class Present:
    """``data_timestamp``: when the bytes were written; ``timestamp``: when anything last changed.

    ``expired``: its X-Delete-At has passed, so clients no longer see it. ``headers`` (lower-case names) are
    the object server's own: for the ciphertext on an encrypted cluster, a fragment with erasure coding, the
    link for a symlink. ``node`` is one that has this state.
    """

    timestamp: Timestamp
    data_timestamp: Timestamp
    policy: int
    headers: Mapping[str, str]
    expired: bool
    node: Node


@dataclass(frozen=True, slots=True)
class Deleted:
    """A tombstone is the newest state of this name."""

    timestamp: Timestamp

    @property
    def by_client(self) -> bool:
        """Whether a client deleted it, or it was reaped after expiry; not moved by this product or the
        reconciler."""
        return self.timestamp.offset == 0


@dataclass(frozen=True, slots=True)
class Unknown:
    """No server has the object or a tombstone: it never existed, or the tombstone was reclaimed."""


LocalState = Present | Deleted | Unknown


class NewestState:
    """Asks every primary server, because any single one may have a stale state.

    When is the result complete? Swift acknowledges a write once more than half of the replicas have it, each
    on a primary or, in place of one that is down, on a handoff. So:

    - More than half of the primaries must answer: then at least one of them took part in every acknowledged
      write that reached primaries only.
    - For each silent primary one handoff must answer, in ring order: a write that found some primaries down
      went to the first handoffs, and the primaries that took part in it may be the ones that are silent now.
    - If the ring has fewer handoffs, all of them must answer. In a cluster of three nodes and three replicas
      there are none, and the majority alone decides.

    Otherwise LocalUnavailable is raised: nothing is moved, overwritten or deleted on a guess.
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
        """Return the newest state in the given policies, or in all of them. Raises LocalUnavailable.

        Newest means the greatest timestamp of data or tombstone, then of metadata: a POST to a replica that
        had missed a DELETE does not bring the object back.
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
    """Interpret a response. Raises ValueError for an invalid one."""
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
    """Return the sort key for 'newest'. At equal times an object outranks a tombstone: keeping it loses
    nothing."""
    if isinstance(state, Present):
        return state.data_timestamp, True, state.timestamp
    if isinstance(state, Deleted):
        return state.timestamp, False, state.timestamp
    return Timestamp(0), False, Timestamp(0)
