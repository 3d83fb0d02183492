"""A source that tells whole seconds, as S3 does, is written again within a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s3_sync.migrate.division import Share
from s3_sync.providers.base import GetResult, ListPage, ListQuery
from unit.migrate.nodes import MigratorNode, Source
from unit.migrate.shared_cluster import START, FakeClock, LocalCluster


class WholeSeconds(Source):
    """``now``: when everything was last modified, whatever the clock says."""

    now = START

    def list_objects(self, query: ListQuery) -> ListPage:
        page = super().list_objects(query)
        return replace(page, objects=tuple(replace(each, last_modified=self.now) for each in page.objects))

    def get_object(self, *arguments: Any) -> GetResult:
        result = super().get_object(*arguments)
        result.info = replace(result.info, last_modified=self.now)
        return result


@pytest.fixture
def cluster() -> LocalCluster:
    return LocalCluster(FakeClock())


@pytest.fixture
def source(cluster: LocalCluster) -> WholeSeconds:
    return WholeSeconds(cluster.clock)


@pytest.fixture
def run(cluster: LocalCluster, source: Source, tmp_path: Path) -> Iterator[Callable[[], dict[str, str]]]:
    """``run()``: one pass; returns what has failed."""
    node = MigratorNode(cluster, source, tmp_path, Share())

    def one() -> dict[str, str]:
        node.run_pass()
        return node.failed()

    yield one
    node.close()


def test_second_and_third_write_within_a_second_are_copied_each_once(
    cluster: LocalCluster, source: WholeSeconds, run: Callable[[], dict[str, str]]
) -> None:
    cluster.clock.sleep(10.0)
    for number, data in enumerate((b"one", b"two", b"six"), 1):
        source.put("a", data)
        for _ in range(2):
            assert run() == {}
            assert cluster.content() == {"a": data}
        assert len(source.read) == number


def test_client_s_write_within_that_second_stays(
    cluster: LocalCluster, source: WholeSeconds, run: Callable[[], dict[str, str]]
) -> None:
    source.put("a", b"one")
    cluster.clock.sleep(10.0)
    assert run() == {}
    source.now = cluster.clock.now() // 1
    cluster.clock.time = source.now
    cluster.put("a", b"client's")  # half a second later
    source.put("a", b"two")
    cluster.clock.sleep(10.0)
    for _ in range(2):
        assert run() == {}
        assert cluster.content() == {"a": b"client's"}
