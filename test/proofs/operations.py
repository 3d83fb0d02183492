"""Some minutes in the life of three nodes: everything that an operator does, with clients that never rest.

Fifty containers, one of them sharded, one erasure coded, one with very many rows, on a cluster with
encryption. A node is killed and comes back, another one's configuration gets a mapping more while it runs, a
mapping is reset. In the end both sides must agree, by verify-data of every node and by clients that are not
ours; the metrics must be true; and no version was sent twice, but for what was in flight at the kill.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.filling import Content, put_objects
from faults.proxy import FaultProxy
from servers.daemon import SyncDaemon
from servers.landed import keys
from servers.moto import MotoServer
from servers.operations import operation
from servers.pair import Pair, Store
from servers.process import Child, wait_until
from servers.raw_swift import RawSwift, Refused
from servers.shards import Sharding
from servers.swift import SwiftCluster

NODES = (1, 2, 3)
#: which one is killed, which one's configuration changes, which one's operator resets
KILLED, RELOADED, RESET = 2, 1, 3
WORKERS, PROCESSES, WRITERS = 8, 2, 3
MANY, CODED, SHARDED = "c00", "c01", "c02"
SHARDED_OBJECTS = 60
#: seconds; longer than a turn through all containers takes, and much shorter than MANY takes
SLACK = 20
PATIENCE = 900.0  # seconds until everything has arrived


@dataclass
class Writer:
    """Changes objects of its own in all containers, and takes no for an answer."""

    swift: RawSwift
    containers: list[str]
    number: int
    stop: threading.Event
    done: Counter[str] = field(default_factory=Counter)

    def run(self) -> None:
        chance = random.Random(self.number)
        while not self.stop.wait(0.02):
            container, name = chance.choice(self.containers), f"w{self.number}/ü {chance.randrange(5)}"
            kind = chance.choices(("put", "post", "delete"), (6, 2, 2))[0]
            try:
                if kind == "put":
                    body = chance.randbytes(chance.choice((0, 10, 5000)))
                    self.swift.put(container, name, body, {"X-Object-Meta-N": str(self.done["put"])})
                elif kind == "post":
                    self.swift.post(container, name, {"X-Object-Meta-N": f"post {self.done['post']}"})
                else:
                    self.swift.delete(container, name)
            except (Refused, OSError):
                kind = "refused"
            self.done[kind] += 1


@dataclass
class NodeView:
    """The cluster, the store, and a daemon for each node."""

    cluster: SwiftCluster
    store: Store
    pairs: list[Pair]
    proxies: dict[int, FaultProxy]
    daemons: dict[int, SyncDaemon]
    directory: Path
    running: dict[int, Child] = field(default_factory=dict)

    def start(self, node: int) -> None:
        self.running[node] = self.daemons[node].start()

    def stored(self) -> int:
        return sum(len(proxy.stored()) for proxy in self.proxies.values())

    def ctl(self, node: int, *arguments: str) -> tuple[int, list[Any]]:
        """The exit code, and what it said, a JSON object for each line."""
        done = self.daemons[node].ctl(*arguments, "--json", seconds=300)
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

    def recon(self, node: int) -> list[dict[str, Any]]:
        """The state of each mapping in each process, as the running daemon tells it."""
        files = self.daemons[node].status_dir.glob("*.recon")
        return [each for file in files for each in json.loads(file.read_text())["mappings"]]


def prove(rows: int, containers: int, seed: int) -> bool:
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - begun:6.0f} s  {text}", flush=True)

    with ExitStack() as stack:
        site = _site(stack, rows, containers, say)
        stop = threading.Event()
        stack.callback(stop.set)
        names = [pair.container for pair in site.pairs]
        writers = [Writer(RawSwift(site.cluster), names, seed * 100 + n, stop) for n in range(WRITERS)]
        threads = [threading.Thread(target=writer.run, daemon=True) for writer in writers]
        for thread in threads:
            thread.start()
        _events(site, rows, say)
        stop.set()
        for thread in threads:
            thread.join()
        written = sum((writer.done for writer in writers), Counter[str]())
        say(f"writers stop: {dict(written)}")
        _settle(site, say)
        right = _judge(site, say)
    if right:
        shutil.rmtree(site.directory)
    return right


def _site(stack: ExitStack, rows: int, containers: int, say: Callable[[str], None]) -> NodeView:
    cluster = stack.enter_context(SwiftCluster(nodes=3, ec_policies=("coded",), encryption=True))
    store = Store.server(stack.enter_context(MotoServer(min_part=1)))
    swift = RawSwift(cluster)
    pairs = [Pair(swift, store, f"c{number:02}", "archive") for number in range(containers)]
    pairs[0].s3.create_bucket(Bucket="archive")
    for pair in pairs:
        swift.put_container(pair.container, {"X-Storage-Policy": "coded"} if pair.container == CODED else {})
    say(f"making {rows} objects in {MANY}")
    put_objects(cluster, MANY, [f"many/{number:06}" for number in range(rows)], Content(1000), age=60.0)
    sharded = next(pair for pair in pairs if pair.container == SHARDED)
    for number in range(SHARDED_OBJECTS):
        sharded.put(f"o{number:02}", b"sharded")
    sharding = Sharding(sharded, NODES)
    sharding.allow()
    sharding.finish()
    say(f"{SHARDED} has {len(sharding.ranges())} shards")
    proxies = {node: stack.enter_context(FaultProxy.before(store.endpoint)) for node in NODES}
    directory = Path(tempfile.mkdtemp(prefix="operations-"))
    say(f"the daemons' files are below {directory}, and stay there if something is wrong")
    daemons = {}
    for node, proxy in proxies.items():
        mappings = [{**pair.mapping, "aws_endpoint": proxy.endpoint} for pair in pairs]
        daemon = SyncDaemon(
            cluster, directory / f"node{node}", mappings, node=node, workers=WORKERS, processes=PROCESSES,
            verification_slack=SLACK, poll_interval=0.5,
        )  # fmt: skip
        stack.callback(daemon.stop)
        daemons[node] = daemon
    # the one that is reloaded gets its last mapping then
    daemons[RELOADED].settings["containers"] = daemons[RELOADED].settings["containers"][:-1]
    return NodeView(cluster, store, pairs, proxies, daemons, directory)


def _events(site: NodeView, rows: int, say: Callable[[str], None]) -> None:
    for node in NODES:
        site.start(node)
    wait_until(lambda: site.stored() > rows // 4, PATIENCE, "a quarter of the rows")
    site.running[KILLED].signal(signal.SIGKILL)
    site.cluster.stop_node(KILLED)
    say(f"node {KILLED} is gone, after {site.stored()} copies")
    reloaded = site.daemons[RELOADED]
    last = site.pairs[-1]
    proxy = site.proxies[RELOADED]
    reloaded.settings["containers"].append({**last.mapping, "aws_endpoint": proxy.endpoint})
    reloaded.write()
    site.running[RELOADED].signal(signal.SIGHUP)
    wait_until(lambda: bool(reloaded.status(last.swift.account, last.container)), 60, "the new mapping")
    say(f"node {RELOADED} has read its configuration again, with a mapping more")
    code, _ = site.ctl(RESET, "reset", f"{last.swift.account}/c03")
    say(f"c03 is reset on node {RESET}: {code}")
    wait_until(lambda: site.stored() > rows // 2, PATIENCE, "half of the rows")
    site.cluster.start_node(KILLED)
    site.start(KILLED)
    say(f"node {KILLED} is back, after {site.stored()} copies")
    wait_until(lambda: site.stored() > rows, PATIENCE, "as many copies as rows")


def _settle(site: NodeView, say: Callable[[str], None]) -> None:
    """Swift repairs itself; then the daemons are given the time that they need."""
    # the last two again: what one node has learned, others have to learn from it
    repairs = ("object-updater", "object-replicator", "container-replicator", "container-sharder")
    for name in (*repairs, "object-reconstructor", "object-reconstructor", "container-replicator"):
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda node, name=name: site.cluster.run_daemon(node, name), NODES))
    say("Swift has repaired itself")

    def quiet() -> bool:
        return all(_status(site, node)[0] == (0, 0, 0) for node in NODES)

    try:
        wait_until(quiet, PATIENCE, "the end of all that is pending")
    except TimeoutError:
        _tell_pending(site, say)
        raise
    say(f"nothing is pending any more, after {site.stored()} copies")


def _tell_pending(site: NodeView, say: Callable[[str], None]) -> None:
    for node in NODES:
        for each in _status(site, node)[1]:
            behind = {key: each[key] for key in ("rows_behind", "rows_unverified", "objects_pending")}
            if any(behind.values()):
                say(f"node {node}, {each['mapping']}: {behind} {each['state']} {each['reasons']}")
        _, failed = site.ctl(node, "failed")
        for each in failed:
            say(f"node {node} has not settled {each}")


def _status(site: NodeView, node: int) -> tuple[tuple[int, int, int], list[dict[str, Any]]]:
    """Rows behind, not verified yet, and objects that fail."""
    _, [status] = site.ctl(node, "status")
    found = status["mappings"]
    total = [
        sum(each[key] or 0 for each in found) for key in ("rows_behind", "rows_unverified", "objects_pending")
    ]
    return (total[0], total[1], total[2]), found


def _judge(site: NodeView, say: Callable[[str], None]) -> bool:
    problems = [*_differences(site), *_unverified(site, say), *_untrue_metrics(site), *_sent_twice(site, say)]
    for problem in problems:
        say(f"WRONG: {problem}")
    for node in NODES:
        if "Traceback" in site.daemons[node].log_text():
            problems.append("a traceback")
            say(f"WRONG: node {node} has logged a traceback")
    say("everything is as it should be" if not problems else f"{len(problems)} things are wrong")
    return not problems


def _differences(site: NodeView) -> Iterator[str]:
    """By clients that are not ours."""
    found = set(keys(site.pairs[0].s3, "archive"))
    expected = {pair.prefix + name for pair in site.pairs for name in pair.swift.names(pair.container)}
    for key in sorted(expected ^ found)[:10]:
        yield f"{key} is only {'in Swift' if key in expected else 'stored'}"
    small = [pair for pair in site.pairs if pair.container != MANY]
    for pair in small:
        for name in pair.swift.names(pair.container):
            try:
                pair.check_object(name)
            except AssertionError:
                yield f"{pair.container}/{name} differs"


def _unverified(site: NodeView, say: Callable[[str], None]) -> Iterator[str]:
    for node in NODES:
        names = 0
        for pair in site.pairs:
            code, [*found, summary] = site.ctl(
                node, "verify-data", f"{pair.swift.account}/{pair.container}", "--pending"
            )
            names += summary["names"]
            if code or found:
                yield f"verify-data of {pair.container} on node {node}: {code}, {found[:3]}, {summary}"
        say(f"verify-data on node {node}: {names} names in {len(site.pairs)} containers")


def _untrue_metrics(site: NodeView) -> Iterator[str]:
    for node in NODES:
        told = site.recon(node)
        for each in told:
            kinds = dict(each["rows"])
            if kinds.pop("scanned") != sum(kinds.values()):
                yield f"node {node}, {each['container']}: counters do not add up: {each['rows']}"
        if node == KILLED:
            continue  # it has counted from its return on only
        copied = sum(each["rows"]["copied"] for each in told)
        taken = len(site.proxies[node].stored())
        if copied != taken:
            yield f"node {node} has counted {copied} copies, the store has taken {taken}"
        deleted = sum(each["rows"]["deleted"] for each in told)
        asked = sum(operation(c) in ("DeleteObject", "DeleteObjects") for c in site.proxies[node].calls())
        if bool(deleted) != bool(asked) or deleted < asked:
            yield f"node {node} has counted {deleted} deletes in {asked} requests"


def _sent_twice(site: NodeView, say: Callable[[str], None]) -> Iterator[str]:
    """The store took one copy of each version of each object."""
    senders: dict[tuple[str, str | None], list[int]] = {}
    for node, proxy in site.proxies.items():
        for call in proxy.calls("PUT"):
            if operation(call) == "PutObject" and call.status == 200:
                version = call.path, call.headers.get("x-amz-meta-swift-timestamp")
                senders.setdefault(version, []).append(node)
    twice = {version: nodes for version, nodes in senders.items() if len(nodes) > 1}
    again = sum(len(nodes) - 1 for nodes in twice.values())
    say(f"{sum(map(len, senders.values()))} copies of {len(senders)} versions")
    for (many, nodes), times in Counter(
        (f"/{MANY}/" in path, tuple(sorted(nodes))) for (path, _), nodes in twice.items()
    ).items():
        say(f"{times} of {MANY if many else 'others'} were sent by nodes {nodes}")
    for path, written in list(twice)[:5]:
        say(f"for example {path} of {written}")
    if again > WORKERS * PROCESSES:
        yield f"{again} copies were sent again, of at most {WORKERS * PROCESSES} in flight"
