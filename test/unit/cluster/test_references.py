"""Who names an object: what is looked at, in which order."""

from __future__ import annotations

from typing import Any

import pytest

from s3_sync.cluster.references import may_name
from s3_sync.errors import LocalUnavailable
from s3_sync.largeobject.manifest import named_objects
from unit.sync.cluster import Swift, local_objects


def test_the_containers_that_matter_come_last() -> None:
    """What is written there meanwhile is most likely seen."""
    swift = Swift()
    for container in ("a", "segs", "z", "\0r"):
        swift.put(f"/{container}/empty", b"")
        swift.put(f"/{container}/full", b"x")
    swift.put("empty", b"")
    references = local_objects(swift).references
    assert [*references.walk("AUTH_a", [("segs", "1")], {"c", "segs"})] == [set()] * 5
    assert swift.heads == ["/\0r/empty", "/a/empty", "/z/empty", "empty", "/segs/empty"]


def test_a_row_that_no_object_can_have() -> None:
    """Object servers refuse reserved names outside of reserved containers."""
    swift = Swift()
    swift.put("/segs/\0o", b"")
    swift.put("/\0segs/\0o", b"")
    references = local_objects(swift).references
    assert [*references.walk("AUTH_a", [("segs", "1")], ())] == [set()]
    assert swift.heads == ["/\0segs/\0o"]


def test_a_container_that_is_not_there() -> None:
    swift = Swift()
    assert [*local_objects(swift).references.walk("AUTH_a", [("gone", "1")], {"gone"})] == []


def test_an_incomplete_listing_of_the_account() -> None:
    """As of a replica that was away: who knows what else is missing."""
    swift = Swift()
    swift.put("/segs/1", b"x")
    local = local_objects(swift)
    client: Any = local.references._client
    client.containers = lambda account, after="", reserved=False: ["c"]
    with pytest.raises(LocalUnavailable, match="does not know of container segs"):
        list(local.references.walk("AUTH_a", [("segs", "1")], {"c", "segs"}))


@pytest.mark.parametrize("failures", [2, 3])
def test_a_container_server_that_is_slow_for_a_moment(failures: int) -> None:
    swift = Swift()
    swift.put("/segs/empty", b"")
    references = local_objects(swift).references
    client: Any = references._client
    answer, calls = client.container, iter(range(failures))

    def container(account: str, name: str) -> Any:
        for _ in calls:
            raise LocalUnavailable("HEAD: status 503")
        return answer(account, name)

    client.container = container
    if failures == 2:
        assert [*references.walk("AUTH_a", [("segs", "1")], ())] == [set()]
    else:
        with pytest.raises(LocalUnavailable, match="status 503"):
            list(references.walk("AUTH_a", [("segs", "1")], ()))


def test_below_a_prefix() -> None:
    swift = Swift()
    swift.put_dlo("o", "s%C3%A9gs/a%2F")
    wanted = [("ségs", name) for name in ("a", "a/", "a/1", "a/2", "a0", "b")] + [("segs", "a/1")]
    found = [*local_objects(swift).references.walk("AUTH_a", wanted, ())]
    assert found == [{("ségs", "a/"), ("ségs", "a/1"), ("ségs", "a/2")}]


def test_what_may_be_a_manifest() -> None:
    md5 = "0" * 32
    assert may_name(0, md5, "text/plain")
    assert may_name(9, f"{md5}; slo_etag={md5}", "text/plain")
    assert may_name(9, "cipher; swift_meta=%7B%7D", "text/plain")
    assert may_name(9, md5, "text/plain;swift_bytes=100")
    assert not may_name(9, md5, "text/plain")


def test_whatever_is_wrong_with_a_manifest() -> None:
    assert named_objects(
        b'[{"name": "/c/a/b", "sub_slo": true, "range": "0-1"}, {"data": "x"}, 7, {"name": 3}]'
    ) == {("c", "a/b")}
    assert named_objects(b"rubbish") == named_objects(b"{}") == named_objects(b"\xff") == set()
