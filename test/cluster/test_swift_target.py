"""Objects copied and moved to another Swift: what is there afterwards, through clients that are not ours."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.test_sync_metadata import KINDS
from conformance.names import NAMES
from s3_sync.http.pool import ConnectionPool, Origin
from servers.daemon import NewDaemon, SyncDaemon
from servers.landed import in_swift
from servers.pair import sync
from servers.raw_swift import Refused
from servers.swift import SwiftCluster
from servers.swift_pair import SwiftPair

MOVES: dict[str, Any] = {"retain_local": False, "propagate_delete": False}


@pytest.fixture
def pair(swift: SwiftCluster) -> SwiftPair:
    return SwiftPair.within(swift)


def run(daemon: SyncDaemon, code: int = 0) -> None:
    result = daemon.once()
    assert result.returncode == code, result.stderr + daemon.log_text()


def gone(pair: SwiftPair, name: str) -> bool:
    with pytest.raises(Refused, match=": 404"):
        pair.swift.request("HEAD", pair.container, name)
    return True


def test_odd_names_are_copied_posted_and_deleted(pair: SwiftPair, daemon: SyncDaemon) -> None:
    names = [*NAMES.values(), ".manifests/" + "f" * 64 + ".swift_slo_manifest", "n" * 1024]
    for number, name in enumerate(names):
        pair.put(name, b"body of %d" % number, {"X-Object-Meta-Number": str(number)})
    sync(daemon, pair)
    pair.check()
    assert sorted(pair.arrived()) == sorted(names)
    for name in names[1::2]:
        pair.post(name, {"X-Object-Meta-Posted": "Yes"})
    for name in names[::2]:
        pair.delete(name)
    sync(daemon, pair)
    pair.check()
    assert sorted(pair.arrived()) == sorted(names[1::2])


def test_metadata_of_each_kind_is_copied_and_replaced_by_post(pair: SwiftPair, daemon: SyncDaemon) -> None:
    more = {"X-Object-Meta-Case": "MiXed", "Content-Type": "Text/Plain", "X-Object-Meta-A=B": "only in Swift"}
    kinds = {**KINDS, "more": more}
    for name, headers in kinds.items():
        pair.put(name, name.encode(), headers)
    sync(daemon, pair)
    pair.check()
    assert pair.landed("more").user == {"case": "MiXed", "a=b": "only in Swift"}
    others = list(kinds.values())
    for name, headers in zip(kinds, others[1:] + others[:1], strict=True):
        pair.post(name, {"X-Object-Meta-Posted": "yes", **headers})
    sync(daemon, pair)
    pair.check()
    for name in kinds:
        pair.post(name, {})
    sync(daemon, pair)
    pair.check()
    assert pair.landed("many").user == {}


def test_metadata_name_that_is_not_ascii_is_copied(pair: SwiftPair, daemon: SyncDaemon) -> None:
    pair.put("odd", b"x", {"X-Object-Meta-Ünï": "grün", "X-Object-Meta-After": "1"})
    sync(daemon, pair)
    proxy = pair.remote.cluster.server("proxy")
    pool = ConnectionPool(Origin(proxy.ip, proxy.port), size=1)  # http.client cannot read such an answer
    target = f"/v1/{pair.remote.account}/{pair.bucket}/odd"
    with pool.request("HEAD", target, [("X-Auth-Token", pair.remote.token)]) as response:
        found = dict(response.headers.items())
    pool.close()
    assert (found["x-object-meta-ünï"], found["x-object-meta-after"]) == ("grün", "1")


def test_move_copies_objects_and_removes_them_from_swift(swift: SwiftCluster, new_daemon: NewDaemon) -> None:
    pair = SwiftPair.within(swift, storage_policy="silver", **MOVES)
    daemon = new_daemon(pair)
    bodies = {"a": b"", "b/ü ☃": b"x", "c": bytes(range(256)) * 1000}
    for name, body in bodies.items():
        pair.put(name, body, {"X-Object-Meta-Colour": "grün", "X-Delete-After": "86400"})
    expected = {name: in_swift(pair.swift, pair.container, name) for name in bodies}
    run(daemon)
    assert pair.remote.request("HEAD", pair.bucket).headers["x-storage-policy"] == "silver"
    assert pair.swift.names(pair.container) == []
    for name in bodies:
        assert gone(pair, name)
        assert pair.landed(name) == expected[name]
        assert "x-delete-at" not in pair.remote_headers(name)
    run(daemon)
    assert sorted(pair.arrived()) == sorted(bodies)
