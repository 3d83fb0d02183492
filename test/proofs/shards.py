"""A container that is sharded, as are its shards when they grow, while clients write to it all the time.

Four nodes with a daemon each; three of them hold the container's own databases, and any three those of each
shard. At the end everything has arrived, and nothing was sent twice but for what two daemons had in flight at
the same moment.
"""

from __future__ import annotations

import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from servers.local import Local
from servers.nodes import Nodes
from servers.pair import Pair, Store, new_pair
from servers.process import wait_until
from servers.shards import Sharding
from servers.sink import Sink
from servers.swift import SwiftCluster

NODES = (1, 2, 3, 4)
WORKERS = 5
#: daemons look for shards more often than they do elsewhere
HASTE = {
    "s3_sync.sync.container_crawl:REPLICA_LIST_TTL": 1.0,
    "s3_sync.cluster.databases:SHARDED_INTERVAL": 1.0,
    "s3_sync.cluster.databases:UNSHARDED_INTERVAL": 2.0,
}


_begun = time.monotonic()


def say(what: str) -> None:
    print(f"{time.monotonic() - _begun:6.0f} s  {what}", flush=True)


def prove(objects: int, seed: int) -> bool:
    with SwiftCluster(nodes=len(NODES)) as cluster, Sink() as sink, tempfile.TemporaryDirectory() as place:
        pair = new_pair(cluster, Store.server(sink))
        with Nodes(cluster, pair, Path(place), workers=WORKERS) as nodes:
            nodes.configure(verification_slack=60)
            nodes.alter(NODES, values=HASTE)
            clients = _Clients(pair, objects, random.Random(seed))
            for node in NODES:
                nodes.daemon(node).start()
            clients.start()
            sharding = Sharding(pair, _holders(cluster, pair))
            _while_it_is_sharded(sharding, clients)
            clients.end()
            _settle(sharding, nodes)
            say("Swift has moved and replicated everything")
            return _judge(pair, nodes, clients)


def _while_it_is_sharded(sharding: Sharding, clients: _Clients) -> None:
    clients.make(50)
    sharding.allow()
    say(f"sharded after {_passes(sharding, 'sharded')} passes of the sharder")
    sharding.allow()  # from now on rows go to the shards
    clients.make(100)
    for _ in range(3):  # shards that grow are sharded, too
        sharding.sharder(*NODES)
    clients.make(50)
    say(f"{len(sharding.ranges())} shards")


def _passes(sharding: Sharding, state: str) -> int:
    """The replicator tells the other nodes of what was decided on the first."""
    for number in range(1, 31):
        for node in sharding.nodes:
            sharding.cluster.run_daemon(node, "container-replicator")
        sharding.sharder(*NODES)
        if all(sharding.state(node) == state for node in sharding.nodes):
            return number
    raise AssertionError([sharding.state(node) for node in sharding.nodes])


def _settle(sharding: Sharding, nodes: Nodes) -> None:
    """What Swift still has to move and to replicate."""
    for _ in range(2):
        sharding.sharder(*NODES)
        nodes.replicate(*NODES)


def _holders(cluster: SwiftCluster, pair: Pair) -> Iterable[int]:
    """The nodes with a database of the container, that of its first replica first: it decides."""
    found = {}
    for node in NODES:
        with Local(cluster, node) as local:
            for replica in local.brokers.replicas(local.account, pair.container):
                found[replica.ordinal] = node
    return [found[ordinal] for ordinal in range(3)]


def _judge(pair: Pair, nodes: Nodes, clients: _Clients) -> bool:
    def has_all() -> bool:
        return sorted(pair.arrived()) == sorted(pair.swift.names(pair.container))

    wait_until(has_all, 120, "everything")
    pair.check()
    sent = Counter(name for node in NODES for name in nodes.stored(node))
    twice = sum(max(0, sent[name] - clients.puts[name]) for name in sent)
    asked = nodes.asked_of_all(dict.fromkeys(NODES, 0))
    say(f"{clients.puts.total()} PUTs, {clients.others} POSTs and DELETEs by clients")
    say(f"asked of the store: {dict(asked)}")
    say(f"sent by two daemons at the same moment: {twice}")
    good = twice <= WORKERS * len(NODES)
    say("everything has arrived" if good else "NOT AS IT SHOULD BE")
    return good


class _Clients:
    """Objects are written once before anything else; then there are changes, until the end."""

    def __init__(self, pair: Pair, objects: int, chance: random.Random) -> None:
        self.pair = pair
        self.puts: Counter[str] = Counter()
        self.others = 0
        self._chance = chance
        self._there = [f"o{number:05d}" for number in range(objects)]
        self._new = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        for name in self._there:
            self._put(name)
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()

    def make(self, changes: int) -> None:
        """Wait until there are so many more."""
        goal = self.puts.total() + self.others + changes
        wait_until(lambda: self.puts.total() + self.others >= goal, 300, "changes")

    def _run(self) -> None:
        while not self._over.is_set():
            self._change()
            time.sleep(0.1)

    def _change(self) -> None:
        kind = self._chance.random()
        name = self._chance.choice(self._there)
        if kind < 0.4:
            self._new += 1
            name = f"{name}-{self._new}"
            self._there.append(name)
            self._put(name)
        elif kind < 0.6:
            self._put(name)
        elif kind < 0.8:
            self.others += 1
            self.pair.post(name, {"X-Object-Meta-Number": str(self.others)})
        elif len(self._there) > 100:
            self._there.remove(name)
            self.others += 1
            self.pair.delete(name)

    def _put(self, name: str) -> None:
        self.puts[name] += 1
        self.pair.put(name, f"{self.puts[name]} of {name}".encode())
