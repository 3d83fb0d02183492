"""Deleting one version of an object: the requests, and the meaning of their answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest

from s3_sync.cluster.guarded_delete import GuardedDelete
from s3_sync.cluster.newest import Deleted, LocalState, Present, Unknown
from s3_sync.errors import LocalChanged, LocalUnavailable, SyncError
from s3_sync.model.timestamps import Timestamp

NODE: Any = None
WRITTEN, POSTED = Timestamp.parse("1700000000.00000"), Timestamp.parse("1700000005.00000")
VERSION = Present(POSTED, WRITTEN, 1, {}, False, NODE)


class Cluster:
    """Gives prepared states, one after another, and one status."""

    def __init__(self, status: int, *states: LocalState) -> None:
        self.states = list(states)
        self.status = status
        self.asked: list[Any] = []
        self.sent: list[tuple[str, str, Mapping[str, str]]] = []
        self.closed = 0

    def of(self, account: str, container: str, name: str, policies: list[int]) -> LocalState:
        self.asked.append((account, container, name, policies))
        return self.states.pop(0)

    def request(self, method: str, path: str, headers: Mapping[str, str]) -> Any:
        self.sent.append((method, path, headers))
        return self

    def close(self) -> None:
        self.closed += 1

    def remove(self) -> None:
        GuardedDelete(cast(Any, self), cast(Any, self)).delete_version("a", "c", "o/ü", VERSION)


def test_delete_version_sends_the_data_timestamp_with_an_offset() -> None:
    cluster = Cluster(204, VERSION)
    cluster.remove()
    assert cluster.asked == [("a", "c", "o/ü", [1])]
    headers = {"X-Timestamp": "1700000000.00000_0000000000000001", "X-Backend-Storage-Policy-Index": "1"}
    assert cluster.sent == [("DELETE", "a/c/o/ü", headers)]
    assert cluster.closed == 1


def test_delete_version_of_a_timestamp_with_an_offset_increments_it() -> None:
    version = Present(Timestamp(7, 2), Timestamp(7, 2), 0, {}, False, NODE)
    cluster = Cluster(204, version)
    GuardedDelete(cast(Any, cluster), cast(Any, cluster)).delete_version("a", "c", "o", version)
    assert cluster.sent[0][2]["X-Timestamp"] == Timestamp(7, 3).internal


@pytest.mark.parametrize(
    "now",
    [
        Present(Timestamp.parse("1700000006"), WRITTEN, 1, {}, False, NODE),  # a POST
        Present(Timestamp.parse("1700000006"), Timestamp.parse("1700000006"), 1, {}, False, NODE),  # a PUT
        Present(POSTED, WRITTEN, 0, {}, False, NODE),
        Deleted(Timestamp.parse("1700000006")),
        Unknown(),
    ],
)
def test_delete_version_that_is_no_longer_newest_sends_nothing(now: LocalState) -> None:
    cluster = Cluster(204, now)
    with pytest.raises(LocalChanged):
        cluster.remove()
    assert cluster.sent == []


@pytest.mark.parametrize(
    ("status", "error"), [(409, LocalChanged), (503, LocalUnavailable), (403, LocalUnavailable)]
)
def test_delete_version_refused_by_the_cluster_raises_and_closes(status: int, error: type[SyncError]) -> None:
    cluster = Cluster(status, VERSION)
    with pytest.raises(error):
        cluster.remove()
    assert cluster.closed == 1


@pytest.mark.parametrize("now", [Deleted(WRITTEN.after()), Deleted(Timestamp.parse("1700000009")), Unknown()])
def test_delete_version_not_found_succeeds_when_the_object_is_gone(now: LocalState) -> None:
    cluster = Cluster(404, VERSION, now)
    cluster.remove()
    assert cluster.states == []


def test_delete_version_not_found_raises_when_the_object_still_exists() -> None:
    """A proxy that has cached a missing container answers without a request to an object server."""
    cluster = Cluster(404, VERSION, VERSION)
    with pytest.raises(LocalUnavailable, match="still exists"):
        cluster.remove()
