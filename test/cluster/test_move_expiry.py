"""Objects that expire, moved or not: their copies go at the same time, and no others."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable

import pytest

from faults.proxy import FaultProxy
from faults.strangers import clock_ahead
from servers.daemon import NewDaemon, SyncDaemon
from servers.expiry import expire
from servers.large import Large
from servers.pair import Pair, Store, new_pair, sync
from servers.raw_swift import Refused
from servers.swift import SwiftCluster


@pytest.fixture(scope="module")
def swift(start_server: Callable[[SwiftCluster], SwiftCluster]) -> SwiftCluster:
    """A Swift of this file alone: the updater visits every container there is."""
    return start_server(SwiftCluster())


@pytest.fixture(scope="module")
def s3api(swift: SwiftCluster, other_store: Store | None) -> Store:
    return other_store or Store.s3api(swift)


@pytest.fixture
def pair(swift: SwiftCluster, s3api: Store) -> Pair:
    return new_pair(swift, s3api, retain_local=False, propagate_delete=False, propagate_expiration=True)


def run(daemon: SyncDaemon) -> None:
    result = daemon.once()
    assert result.returncode == 0, result.stderr + daemon.log_text()


def test_delete_by_swifts_expirer_deletes_the_copy(
    swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
) -> None:
    pair = new_pair(swift, s3api)
    daemon = new_daemon(pair)
    pair.put("short lived", b"x", {"X-Delete-After": "3600"})
    sync(daemon, pair)
    assert pair.arrived() == ["short lived"]
    expire(swift.client(), pair.container, "short lived")
    swift.run_daemon(1, "container-updater")
    swift.run_daemon(1, "object-expirer")
    sync(daemon, pair)
    assert pair.arrived() == []


def test_expired_copies_are_deleted_when_due_despite_kills(pair: Pair, daemon: SyncDaemon) -> None:
    for name, headers in {"a": {"X-Delete-After": "1000"}, "b": {"X-Delete-After": "2000"}, "c": {}}.items():
        pair.put(name, b"x", headers)
    large = Large(pair)
    large.segment("large/1", 10)
    large.put_dlo("large", "large/", {"X-Delete-After": "1000"})
    daemon.settings["workers"] = 1
    daemon.alter(
        kill={"at": "s3_sync.cluster.guarded_delete:GuardedDelete.delete_version", "moment": "before"}
    )
    assert daemon.once().returncode == -signal.SIGKILL
    daemon.alter()
    run(daemon)
    assert (pair.swift.names(pair.container), pair.arrived()) == ([], ["a", "b", "c", "large"])
    assert large.manifest("large") is not None
    daemon.alter(clock=1100, kill={"at": "s3_sync.state.expiries:Expiries.settle", "moment": "before"})
    assert daemon.once().returncode == -signal.SIGKILL
    daemon.alter(clock=1100)
    run(daemon)
    assert (pair.arrived(), large.manifest("large")) == (["b", "c"], None)
    daemon.alter(clock=10**7)
    run(daemon)
    assert pair.arrived() == ["c"]


def test_daemon_with_fast_clock_expires_copies_by_the_stores_clock(
    swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
) -> None:
    """For the daemon, the store's clock is slow."""
    options = {"retain_local": False, "propagate_delete": False, "propagate_expiration": True}
    with FaultProxy.before(s3api.endpoint) as remote:
        pair = new_pair(swift, s3api.behind(remote.endpoint), **options)
        daemon = new_daemon(pair)
        pair.put("a", b"x", {"X-Delete-After": "1000"})
        run(daemon)
        daemon.alter(clock=1100)
        remote.when(clock_ahead(-600))
        run(daemon)
        assert (pair.swift.names(pair.container), pair.arrived()) == ([], ["a"])
        assert len(re.findall(r"is 60\d s behind the clock of this machine", daemon.log_text())) == 1
        remote.heal()
        run(daemon)
        assert pair.arrived() == []


def test_restored_object_expires_in_swift_and_in_the_bucket(
    swift: SwiftCluster, pair: Pair, daemon: SyncDaemon
) -> None:
    """The expirer deletes like a client, but the timestamp of its tombstone is that of X-Delete-At."""
    for patience in (5, 40):  # a busy machine may need longer for the run
        delete_at = int(time.time()) + patience
        for name in ("a", "b"):
            pair.put(name, b"x", {"X-Delete-At": str(delete_at)})
        run(daemon)
        if time.time() < delete_at - 2:
            break
    assert (pair.swift.names(pair.container), pair.arrived()) == ([], ["a", "b"])
    pair.mapping["copy_after"] = 3600
    pair.put("a", b"x", {"X-Delete-At": str(delete_at)})
    with pytest.raises(Refused, match="404"):
        pair.delete("b")  # by a client, and it is not propagated
    time.sleep(max(0.0, delete_at + 1.1 - time.time()))
    run(daemon)
    assert pair.arrived() == ["a", "b"], "it is there still, if for nobody to see"
    swift.run_daemon(1, "container-updater")
    swift.run_daemon(1, "object-expirer")
    assert pair.swift.names(pair.container) == []
    daemon.alter(clock=1000)
    run(daemon)
    assert pair.arrived() == ["b"]
