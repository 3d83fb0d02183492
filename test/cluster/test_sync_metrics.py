"""Metrics are the truth: what the daemon's port says, beside what the databases and the store say."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from servers.daemon import NewDaemon
from servers.metrics import MetricsOf
from servers.pair import IMPOSSIBLE, Pair, Store, new_pair, sync
from servers.process import wait_until
from servers.swift import SwiftCluster


@pytest.fixture
def metrics() -> Iterator[MetricsOf]:
    metrics = MetricsOf()
    yield metrics
    metrics.close()


def labels(pair: Pair) -> dict[str, str]:
    return {"account": pair.swift.account, "container": pair.container}


class TestRows:
    def test_are_counted_as_they_are(
        self, swift: SwiftCluster, rclone_store: Store, new_daemon: NewDaemon, metrics: MetricsOf
    ) -> None:
        pair = new_pair(swift, rclone_store, exclude_pattern="tmp")
        other = new_pair(swift, rclone_store)
        for number in range(20):
            pair.put(f"o{number}", b"12345")
        pair.put("tmp", b"not read")
        daemon = new_daemon(pair, other, **metrics.settings)
        sync(daemon, pair)
        here = labels(pair)
        first = metrics.read()
        assert first.one("rows_scanned_total", **here) == pair.database()[1] == 21
        assert first.one("rows_total", **here, outcome="copied") == len(pair.arrived()) == 20
        assert first.one("rows_total", **here, outcome="skipped", reason="excluded") == 1
        assert first.one("read_bytes_total", **here) == 100
        assert first.sum("rows_scanned_total", **labels(other)) == 0
        store = {"store": f"127.0.0.1:{rclone_store.endpoint.rpartition(':')[2]}"}
        assert first.one("request_seconds_count", **store, operation="put_object") == 20
        assert first.sum("request_errors_total", **store, operation="put_object") == 0
        pair.put("impossible", headers=IMPOSSIBLE)
        pair.delete("o1")
        pair.post("o2", {"X-Object-Meta-New": "yes"})
        wait_until(lambda: metrics.read().sum("rows_total", **here, outcome="updated") > 0, 30, "POST")
        wait_until(lambda: metrics.read().sum("rows_total", **here, outcome="deleted") > 0, 30, "DELETE")
        wait_until(lambda: metrics.read().sum("rows_total", **here, outcome="failed") > 0, 30, "a failure")
        for _ in range(20):  # whatever the moment
            scrape = metrics.read()
            assert scrape.one("rows_scanned_total", **here) == scrape.sum("rows_total", **here)
