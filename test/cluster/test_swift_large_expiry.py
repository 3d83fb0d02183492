"""Large objects at another Swift that expire: their segments live as long as what names them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from cluster.test_swift_large import Mirror
from cluster.test_swift_large_moves import Moves, put
from servers.daemon import NewDaemon
from servers.shunted import Shunted
from servers.swift import SwiftCluster
from servers.swift_large import SwiftLarge

DAY = 86400


def expiry(large: SwiftLarge, name: str) -> tuple[int | None, list[int | None]]:
    """X-Delete-At of a manifest there, and of all segments."""

    def of(container: str, name: str) -> int | None:
        headers = large.there.request("HEAD", container, name, query="multipart-manifest=get").headers
        return int(headers["x-delete-at"]) if "x-delete-at" in headers else None

    return of(large.pair.bucket, name), [of(large.segments, each) for each in large.names(large.segments)]


@pytest.mark.parametrize("also", [{}, {"remote_delete_after": 30 * DAY}])
def test_segments_are_not_deleted_before_the_manifest(
    swift: SwiftCluster, new_daemon: NewDaemon, also: dict[str, Any]
) -> None:
    options = {"propagate_expiration": True, "propagate_expiration_offset": 50, **also}
    mirror = Mirror(swift, new_daemon, **options)
    then = int(time.time()) + 300 * DAY
    segments = mirror.three()
    mirror.large.put_slo("slo", segments, {"X-Delete-At": str(then)})
    mirror.large.put_dlo("dlo", "s/", {"X-Delete-At": str(then - DAY)})
    mirror.run()
    for later in (0, 10 * DAY):
        mirror.pair.post("slo", {"X-Delete-At": str(then + later)})
        mirror.run()
        manifest, dates = expiry(mirror.large, "slo")
        assert manifest == then + later + 50
        assert all(date is None or date >= manifest for date in dates)
        assert expiry(mirror.large, "dlo")[0] == then - DAY + 50
        mirror.large.check_there("slo", "dlo")
    assert mirror.compare_again() == {}


def test_segments_expire_at_their_own_dates(swift: SwiftCluster, new_daemon: NewDaemon) -> None:
    """As they do here, where whoever made the large object has given them."""
    mirror = Mirror(swift, new_daemon, propagate_expiration=True)
    then = int(time.time()) + 300 * DAY
    segments = mirror.three()
    for each in segments:
        mirror.pair.swift.post(each.container, each.name, {"X-Delete-At": str(then)})
    mirror.large.put_slo("slo", segments, {"X-Delete-At": str(then)})
    mirror.run()
    assert expiry(mirror.large, "slo") == (then, [then] * 3)


def test_move_of_an_expiring_large_object_keeps_it_whole_until_then(
    swift: SwiftCluster, new_daemon: NewDaemon
) -> None:
    options = {"propagate_expiration": True, "propagate_expiration_offset": 50}
    mirror = Mirror(
        swift, new_daemon, retain_local=False, propagate_delete=False, remote_delete_after=30 * DAY, **options
    )
    then = int(time.time()) + 300 * DAY
    segments = mirror.three()
    mirror.large.put_slo("slo", segments, {"X-Delete-At": str(then)})
    mirror.run()
    assert mirror.pair.swift.names(mirror.pair.container) == []
    manifest, dates = expiry(mirror.large, "slo")
    assert manifest == then + 50
    assert all(date is not None and date >= manifest for date in dates)
    assert mirror.large.read("slo").body == b"".join(each.body for each in segments)


@pytest.mark.parametrize("kind", ["slo", "dlo"])
def test_post_to_a_moved_large_object_prolongs_its_segments(
    shunted: Shunted, tmp_path: Path, kind: str
) -> None:
    options = {"propagate_post": True, "propagate_expiration": True, "propagate_expiration_offset": 50}
    moves = Moves(shunted, tmp_path, remote_delete_after=30 * DAY, **options)
    put(moves, kind, "o")
    swift, container = moves.pair.swift, moves.pair.container
    before = swift.request("GET", container, "o").body
    moves.run()
    then = int(time.time()) + 300 * DAY
    swift.post(container, "o", {"X-Delete-At": str(then)})
    assert not moves.here("o")
    manifest, dates = expiry(moves.large, "o")
    assert manifest == then + 50
    assert dates == [manifest + DAY] * 3
    assert moves.large.read("o").body == before
