"""What the daemon makes of a store that differs from S3: for each deviation of `servers/odd_store.py` a
container that is copied, and another one that is moved.

`bin/prove odd-store` has all of them, and each document of somebody else for each verb.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from faults.odd_matrix import Stage
from servers.moto import MotoServer
from servers.pair import Store
from servers.server import AnyServer
from servers.swift import SwiftCluster

NAMES = (
    *("a portal's page: all", "a portal's page: writes", "a portal's page: complete"),
    *("weak ETags", "32 digits that are no MD5", "complete lost, then 404"),
    *("DeleteObjects: 405, a page", "DeleteObjects forgets one", "LIST without Size"),
    *("HEAD without Content-Length", "the clock is ahead", "301 to the same host: all"),
)


@pytest.fixture(scope="module")
def stage(
    start_server: Callable[[AnyServer], AnyServer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    cluster = start_server(SwiftCluster(min_part_size=1))
    store = Store.server(start_server(MotoServer(min_part=1)))
    with Stage(cluster, store, tmp_path_factory.mktemp("odd"), NAMES) as stage:
        stage.run()
        yield stage


@pytest.mark.parametrize("name", NAMES)
def test_each_object_is_copied_or_journaled_and_none_is_lost(stage: Stage, name: str) -> None:
    assert stage.cells[name].problems == []


@pytest.mark.parametrize("name", NAMES)
def test_deviation_occurs_in_requests_of_the_daemon(stage: Stage, name: str) -> None:
    """Otherwise the other tests prove nothing."""
    assert stage.cells[name].odd.met() > 0


def test_deviations_log_no_traceback(stage: Stage) -> None:
    assert "Traceback" not in stage.daemon.log_text()
