"""The search for manifests and links that name an object."""

from __future__ import annotations

from typing import Any

import pytest

from s3_sync.errors import LocalUnavailable
from s3_sync.largeobject.manifest import named_objects
from s3_sync.largeobject.naming import may_name
from unit.sync.cluster import Swift, local_objects


def test_walk_reads_the_containers_that_matter_last() -> None:
    """So that a manifest written there during the walk is most likely found."""
    swift = Swift()
    for container in ("a", "segs", "z", "\0r"):
        swift.put(f"/{container}/empty", b"")
        swift.put(f"/{container}/full", b"x")
    swift.put("empty", b"")
    references = local_objects(swift).references
    assert [*references.walk("AUTH_a", [("segs", "1")], {"c", "segs"})] == [set()] * 5
    assert swift.heads == ["/\0r/empty", "/a/empty", "/z/empty", "empty", "/segs/empty"]


def test_walk_skips_reserved_names_outside_of_reserved_containers() -> None:
    """Object servers refuse reserved names outside of reserved containers."""
    swift = Swift()
    swift.put("/segs/\0o", b"")
    swift.put("/\0segs/\0o", b"")
    references = local_objects(swift).references
    assert [*references.walk("AUTH_a", [("segs", "1")], ())] == [set()]
    assert swift.heads == ["/\0segs/\0o"]


def test_walk_of_missing_container_yields_nothing() -> None:
    swift = Swift()
    assert [*local_objects(swift).references.walk("AUTH_a", [("gone", "1")], {"gone"})] == []


def test_walk_of_an_incomplete_account_listing_raises_unavailable() -> None:
    """As of a replica that was unavailable: more containers may be missing."""
    swift = Swift()
    swift.put("/segs/1", b"x")
    local = local_objects(swift)
    client: Any = local.references._client
    client.containers = lambda account, after="", reserved=False: ["c"]
    with pytest.raises(LocalUnavailable, match="does not know of container segs"):
        list(local.references.walk("AUTH_a", [("segs", "1")], {"c", "segs"}))


@pytest.mark.parametrize("failures", [2, 3])
def test_walk_tries_a_failing_container_three_times(failures: int) -> None:
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


def test_walk_yields_wanted_names_below_the_prefix_of_a_dlo() -> None:
    swift = Swift()
    swift.put_dlo("o", "s%C3%A9gs/a%2F")
    wanted = [("ségs", name) for name in ("a", "a/", "a/1", "a/2", "a0", "b")] + [("segs", "a/1")]
    found = [*local_objects(swift).references.walk("AUTH_a", wanted, ())]
    assert found == [{("ségs", "a/"), ("ségs", "a/1"), ("ségs", "a/2")}]


def test_may_name_is_false_only_for_a_plain_entry_with_bytes() -> None:
    md5 = "0" * 32
    assert may_name(0, md5, "text/plain")
    assert may_name(9, f"{md5}; slo_etag={md5}", "text/plain")
    assert may_name(9, "cipher; swift_meta=%7B%7D", "text/plain")
    assert may_name(9, md5, "text/plain;swift_bytes=100")
    assert not may_name(9, md5, "text/plain")


def test_named_objects_ignores_malformed_entries_and_manifests() -> None:
    assert named_objects(
        b'[{"name": "/c/a/b", "sub_slo": true, "range": "0-1"}, {"data": "x"}, 7, {"name": 3}]'
    ) == {("c", "a/b")}
    assert named_objects(b"rubbish") == named_objects(b"{}") == named_objects(b"\xff") == set()
