"""Large objects that move to another Swift, what clients see of them there, and their way back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from servers.daemon import SyncDaemon
from servers.large import SegmentFile
from servers.process import wait_until
from servers.shunted import SOON, Shunted
from servers.swift_large import SwiftLarge

BYPASS = {"X-Cloud-Sync-Shunt-Bypass": "yes"}
SAME = ("etag", "content-length", "content-type", "x-object-meta-colour")


class Moves:
    """A mapping that moves, with the middleware in the proxy, and its daemon."""

    def __init__(self, cluster: Shunted, directory: Path, **options: object) -> None:
        policy = {
            "retain_local": False,
            "merge_namespaces": True,
            "propagate_delete": True,
            "restore_object": True,
            **options,
        }
        self.large = SwiftLarge(cluster, **policy)
        self.pair = self.large.pair
        cluster.add(self.pair.mapping)
        self.daemon = SyncDaemon(cluster, directory / "daemon", [self.pair.mapping])

    def run(self, code: int = 0) -> None:
        done = self.daemon.once()
        assert done.returncode == code, self.daemon.log_text()

    def here(self, name: str, container: str = "") -> bool:
        """Whether the cluster itself has it."""
        asked = self.pair.swift.ask("HEAD", container or self.pair.container, name, headers=BYPASS)
        return asked.status == 200

    def segments_here(self) -> list[str]:
        return self.pair.swift.names(self.large.container)

    def restored(self, name: str) -> None:
        wait_until(lambda: self.here(name), SOON, f"{name} restored")


@pytest.fixture
def moves(shunted: Shunted, tmp_path: Path) -> Moves:
    return Moves(shunted, tmp_path)


def three(moves: Moves) -> list[SegmentFile]:
    return [moves.large.segment(f"s/{name}", size) for name, size in (("1", 9000), ("ü", 70_000), ("3", 70))]


def put(moves: Moves, kind: str, name: str) -> list[SegmentFile]:
    """Returns its segments in order."""
    metadata = {"X-Object-Meta-Colour": "blü", "Content-Type": "text/x"}
    if kind == "plain":
        moves.pair.put(name, b"0123456789" * 2000, metadata)
        return []
    segments = three(moves)
    if kind == "slo":
        moves.large.put_slo(name, segments, metadata)
    else:
        segments.sort(key=lambda each: each.name)
        moves.large.put_dlo(name, "s/", metadata)
    return segments


@pytest.mark.parametrize("kind", ["plain", "slo", "dlo", "converted dlo"])
def test_moved_object_is_read_and_restored_byte_for_byte(shunted: Shunted, tmp_path: Path, kind: str) -> None:
    moves = Moves(shunted, tmp_path, convert_dlo=kind == "converted dlo")
    segments = put(moves, kind, "o/ü")
    swift, container = moves.pair.swift, moves.pair.container
    before = swift.request("GET", container, "o/ü")
    moves.run()
    assert not moves.here("o/ü")
    assert moves.segments_here() == []
    there = moves.large.read("o/ü").headers
    assert ("x-static-large-object" in there) == (kind in ("slo", "converted dlo"))
    head = swift.request("HEAD", container, "o/ü")
    for header in (*SAME, "x-static-large-object", "x-object-manifest"):
        assert head.headers.get(header) == before.headers.get(header), header
    part = swift.request("GET", container, "o/ü", headers={"Range": "bytes=8990-9010"})
    assert (part.status, part.body) == (206, before.body[8990:9011])
    if segments:
        manifest = json.loads(swift.request("GET", container, "o/ü", query="multipart-manifest=get").body)
        assert [(each["name"], each["bytes"], each["hash"]) for each in manifest] == [
            (f"/{each.container}/{each.name}", len(each.body), each.md5) for each in segments
        ]
    if kind == "slo":
        second = swift.request("GET", container, "o/ü", query="part-number=2")
        assert (second.status, second.body) == (206, segments[1].body)
    assert swift.names(container) == ["o/ü"]
    assert not moves.here("o/ü")  # ranges and parts restore nothing here

    assert swift.request("GET", container, "o/ü").body == before.body
    moves.restored("o/ü")
    after = swift.request("GET", container, "o/ü", headers=BYPASS)
    assert after.body == before.body
    for header in SAME:
        assert after.headers[header] == before.headers[header], header
    assert ("x-static-large-object" in after.headers) == (kind != "plain")
    assert moves.segments_here() == sorted(each.name for each in segments)

    moves.run()  # and again: the bytes are there
    assert not moves.here("o/ü")
    assert moves.segments_here() == []
    assert swift.request("GET", container, "o/ü", headers={"Range": "bytes=0-9"}).body == before.body[:10]


def test_combined_segments_come_back_as_segments(shunted: Shunted, tmp_path: Path) -> None:
    moves = Moves(shunted, tmp_path, min_segment_size=50_000)
    moves.large.put_slo("o", three(moves))
    swift, container = moves.pair.swift, moves.pair.container
    before = swift.request("GET", container, "o")
    moves.run()
    assert moves.segments_here() == []
    assert swift.request("GET", container, "o").body == before.body
    moves.restored("o")
    assert swift.request("GET", container, "o", headers=BYPASS).body == before.body
    moves.run()
    assert not moves.here("o")


def test_segment_lost_at_the_store_keeps_everything_here(moves: Moves) -> None:
    segments = three(moves)
    moves.large.put_slo("o", segments)
    moves.daemon.settings["containers"] = [{**moves.pair.mapping, "retain_local": True}]
    moves.run()
    moves.large.there.delete(moves.large.segments, "s/1")
    moves.large.there.put(moves.large.segments, "s/3", b"other")
    moves.daemon.settings["containers"] = [moves.pair.mapping]
    moves.pair.post("o", {"X-Object-Meta-Colour": "rot"})
    # the store loses it again, after everything has been sent
    place = "s3_sync.sync.lifecycle.release:Release.release"
    moves.daemon.alter(kill={"at": place})
    assert moves.daemon.once().returncode == -9
    moves.large.there.delete(moves.large.segments, "s/1")
    moves.daemon.alter(retries={"attempts": 1})
    moves.run()
    assert not moves.here("o")
    assert moves.segments_here() == []
    whole = b"".join(each.body for each in segments)
    assert moves.large.read("o").body == whole


def test_delete_through_the_proxy_deletes_the_copy_with_its_segments(moves: Moves) -> None:
    moves.large.put_slo("o", three(moves))
    moves.run()
    swift, container = moves.pair.swift, moves.pair.container
    assert swift.ask("DELETE", container, "o").status == 204
    assert swift.ask("GET", container, "o").status == 404
    moves.run()
    assert moves.large.names() == moves.large.names(moves.large.segments) == []
