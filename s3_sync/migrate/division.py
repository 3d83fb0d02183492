"""Divides the work of one container among the nodes that have a replica of it.

Each of them lists the whole container, and copies first what is its own. What the others have left undone it
copies after that, in the order of its rank for each name: with one node down, the two others divide the share
of that one between them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from s3_sync.cluster.rings import ReplicaNodes
from s3_sync.model.rows import owner_ordinal

Item = TypeVar("Item")

#: one in so many names is looked up while none is found; so many are after one was found: see ``Lookups``
SAMPLE = 8


@dataclass(frozen=True, slots=True)
class Share:
    """The share of this node in a container: it is the one with the number ``ordinal``, from 0, of ``nodes``.
    The first one creates the container, and deletes what is gone at the source."""

    ordinal: int = 0
    nodes: int = 1

    def rank_of(self, name: str) -> int:
        """Return this node's rank for an object name: 0 for its owner; node ``n`` helps once those of lower
        rank have had their time."""
        return (self.ordinal - owner_ordinal(name, self.nodes)) % self.nodes


def in_order(rank: int, items: Sequence[Item]) -> Sequence[Item]:
    """Return the names of a page in the order in which a node of this rank for them copies them.

    The owner begins at the start of a page and the first helper at its end: where both work on one page they
    meet once. Further helpers, which may work on it at the same time, go through it in random order.
    """
    if rank < 2:
        return items[::-1] if rank else items
    shuffled = list(items)
    random.Random(rank).shuffle(shuffled)
    return shuffled


class Division:
    """The shares of this node."""

    def __init__(self, nodes: ReplicaNodes) -> None:
        self._nodes = nodes

    def share(self, account: str, bucket: str) -> Share | None:
        """Return this node's share in the migration of a bucket; None: other nodes do it. A node with several
        addresses in the ring has the first one's share. Raises LocalUnavailable."""
        is_here = self._nodes.of(account, bucket)
        return Share(is_here.index(True), len(is_here)) if True in is_here else None


class Lookups:
    """Decides which names to look up before they are downloaded.

    Another node may have copied them, or a client may have deleted them, since they were listed; or the
    listing is old. Looking up each name costs a part of the speed. So where several nodes share the work the
    first ones are, then one in SAMPLE; and wherever one is found that needs no download, the following ones.
    ``always``: each name.
    """

    def __init__(self, share: Share, always: bool) -> None:
        self.always = always
        self._is_shared = share.nodes > 1
        self._count = 0
        self._more = SAMPLE

    def is_due(self) -> bool:
        """Whether to look up the next name."""
        self._count += 1
        self._more -= 1
        return self.always or (self._is_shared and (self._more >= 0 or self._count % SAMPLE == 0))

    def learn(self, found: bool) -> None:
        """``found``: whether the name that was looked up needs no download."""
        if found:
            self._more = SAMPLE
