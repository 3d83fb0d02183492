"""Metrics are the truth: what the daemon's port says, beside what the databases and the store say."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from s3_sync.daemon import recon_file as recon
from servers.daemon import NewDaemon
from servers.metrics import MetricsOf, Scrape
from servers.pair import IMPOSSIBLE, Pair, Store, new_pair, sync
from servers.process import wait_until
from servers.swift import SwiftCluster

#: what is pending is counted so often, in seconds
OFTEN = {"values": {"s3_sync.daemon.monitor:UPDATE_INTERVAL": 0.2}}


@pytest.fixture
def metrics() -> Iterator[MetricsOf]:
    metrics = MetricsOf()
    yield metrics
    metrics.close()


def labels(pair: Pair) -> dict[str, str]:
    return {"account": pair.swift.account, "container": pair.container}


def scraped(metrics: MetricsOf, condition: Callable[[Scrape], bool], what: str) -> Scrape:
    """The first reading that is so."""
    found: list[Scrape] = []

    def is_so() -> bool:
        found[:] = [metrics.read()]
        return condition(found[0])

    wait_until(is_so, 30, what)
    return found[0]


class TestMetrics:
    """Each part begins with a start of the daemon: counters are 0, gauges have true values."""

    def test_metrics_equal_the_numbers_of_databases_and_store(
        self, swift: SwiftCluster, rclone_store: Store, new_daemon: NewDaemon, metrics: MetricsOf
    ) -> None:
        pair = new_pair(swift, rclone_store, exclude_pattern="tmp")
        other = new_pair(swift, rclone_store)
        for number in range(20):
            pair.put(f"o{number}", b"12345")
        pair.put("tmp", b"not read")
        daemon = new_daemon(pair, other, altered=OFTEN, **metrics.settings)
        sync(daemon, pair)
        self.counters_agree_with_database_and_bucket(pair, other, metrics)
        daemon.stop()
        for number in range(5):
            pair.put(f"later{number}", b"1234567")
        daemon.settings["containers"][0]["aws_secret"] = "wrong"
        daemon.start()
        self.what_is_outstanding_is_known(pair, metrics)
        daemon.stop()
        assert (
            recon.read(str(daemon.status_dir), "swift-s3-sync")[0]["mappings"][0]["pending"]["objects"] == 5
        )
        daemon.settings["containers"][0]["aws_secret"] = rclone_store.secret
        daemon.start()
        self.every_row_is_counted_at_any_time(pair, metrics)
        [failing] = metrics.read().all("objects_failing", **labels(pair))
        assert dict(failing)["reason"] == daemon.unsettled()["impossible"][1]

    def counters_agree_with_database_and_bucket(self, pair: Pair, other: Pair, metrics: MetricsOf) -> None:
        here = labels(pair)
        scrape = metrics.read()
        assert scrape.one("rows_scanned_total", **here) == pair.database()[1] == 21
        assert scrape.one("rows_total", **here, outcome="copied") == len(pair.arrived()) == 20
        assert scrape.one("rows_total", **here, outcome="skipped", reason="excluded") == 1
        assert scrape.one("read_bytes_total", **here) == 100
        assert scrape.one("rows_scanned_total", **labels(other)) == 0
        store = {"store": f"127.0.0.1:{pair.store.endpoint.rpartition(':')[2]}"}
        assert scrape.one("request_seconds_count", **store, operation="put_object") == 20
        assert scrape.sum("request_errors_total", **store, operation="put_object") == 0
        assert scrape.one("lane_threads", **store) == scrape.one("lane_threads_running", **store) == 2

    def what_is_outstanding_is_known(self, pair: Pair, metrics: MetricsOf) -> None:
        """Right after a restart, while the store refuses everything."""
        here = labels(pair)
        scrape = scraped(metrics, lambda now: now.sum("troubled", **here) == 1, "trouble")
        scrape = scraped(metrics, lambda now: now.sum("objects_pending", **here) > 0, "a count")
        assert scrape.one("objects_pending", **here) == 5
        assert scrape.one("bytes_pending", **here) == 35
        assert 0 < time.time() - scrape.one("oldest_pending_timestamp_seconds", **here) < 120

    def every_row_is_counted_at_any_time(self, pair: Pair, metrics: MetricsOf) -> None:
        here = labels(pair)
        scraped(metrics, lambda now: now.sum("rows_total", **here, outcome="copied") == 5, "copies")
        pair.put("impossible", headers=IMPOSSIBLE)
        pair.delete("o1")
        pair.post("o2", {"X-Object-Meta-New": "yes"})
        wanted = {"updated": 1, "deleted": 1, "failed": 1}

        def all_is_done(scrape: Scrape) -> bool:
            assert scrape.one("rows_scanned_total", **here) == scrape.sum("rows_total", **here)
            return all(scrape.sum("rows_total", **here, outcome=each) == wanted[each] for each in wanted)

        scraped(metrics, all_is_done, "all outcomes")
        scrape = scraped(metrics, lambda now: now.sum("objects_quarantined", **here) == 1, "a count")
        assert scrape.sum("objects_pending", **here) == 0
