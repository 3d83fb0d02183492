"""cloud-shunt over another Swift that fails: large objects and listings are whole, or there is an error."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cluster.test_swift_large_moves import Moves
from faults.proxy import Call, Exchange, Fault, FaultProxy, answers, cut_short, reset_before
from faults.rewritten import edited
from faults.strangers import empty_ok, nobody_here, web_server
from servers.large import SegmentFile
from servers.raw_swift import Answer
from servers.short_pages import short_pages
from servers.shunted import Shunted
from servers.swift import SwiftCluster
from servers.swift_archive import SwiftArchive

SIZES = (300_000, 400_000, 200_000)


def streams(exchange: Exchange) -> None:
    """What comes of an answer goes on at once, however it ends."""
    exchange.read_body()
    store = exchange._store()
    store.send(exchange.request.raw())
    try:
        while True:
            store._receive()
            exchange.client.send(bytes(store._buffer))
            store._buffer.clear()
    except ConnectionError:
        exchange.over = True


@dataclass
class Moved:
    """Large objects that are in the other Swift only, behind `proxy`; by name, their segments."""

    moves: Moves
    proxy: FaultProxy
    segments: dict[str, list[SegmentFile]]

    def body(self, name: str) -> bytes:
        return b"".join(each.body for each in self.segments[name])

    def get(self, name: str, **headers: str) -> Answer:
        return self.moves.pair.swift.ask("GET", self.moves.pair.container, name, headers=headers)

    def path(self, name: str, segment: int | None = None) -> str:
        """Those of what is requested of the other Swift."""
        large = self.moves.large
        place = f"{large.pair.bucket}/{name}"
        if segment is not None:
            place = f"{large.segments}/{self.segments[name][segment].name}"
        return f"/v1/{large.there.account}/{place}"

    def fail(self, fault: Fault, path: str, times: int | None = None) -> None:
        """For whoever reads bytes; manifests can be read."""

        def where(call: Call) -> bool:
            return call.path == path and "multipart-manifest=get" not in call.query

        self.proxy.when(fault, method="GET", times=times, where=where)

    def check_broken(self, name: str) -> None:
        """A GET ends before the last byte, and nothing is restored."""
        with pytest.raises(http.client.IncompleteRead) as broken:
            self.get(name)
        assert self.body(name).startswith(broken.value.partial)
        assert not self.moves.here(name)


@pytest.fixture(scope="module")
def all_moved(shunted: Shunted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moved]:
    with FaultProxy.before(shunted.s3_endpoint) as proxy:
        moves = Moves(shunted, tmp_path_factory.mktemp("moves"), through=proxy.endpoint)
        segments = {}
        for name in ("cut", "broken", "lost"):
            for kind in ("slo", "dlo"):
                prefix = f"{kind} {name}"
                mine = [moves.large.segment(f"{prefix}/{n}", size) for n, size in enumerate(SIZES)]
                segments[prefix] = mine
                if kind == "slo":
                    moves.large.put_slo(prefix, mine)
                else:
                    moves.large.put_dlo(prefix, f"{prefix}/")
        moves.run()
        assert moves.segments_here() == []
        yield Moved(moves, proxy, segments)


@pytest.fixture
def moved(all_moved: Moved) -> Iterator[Moved]:
    yield all_moved
    all_moved.proxy.heal()


@pytest.mark.parametrize("kind", ["slo", "dlo"])
class TestLargeObject:
    def test_get_that_is_cut_is_resumed_and_restored(self, moved: Moved, kind: str) -> None:
        name = f"{kind} cut"
        moved.fail(cut_short, moved.path(name, None if kind == "slo" else 1), times=1)
        answer = moved.get(name)
        assert (answer.status, answer.body) == (200, moved.body(name))
        moved.moves.restored(name)
        assert moved.get(name, **{"X-Cloud-Sync-Shunt-Bypass": "yes"}).body == moved.body(name)

    @pytest.mark.parametrize("fault", [answers(503), answers(404), reset_before])
    def test_get_that_cannot_go_on_ends_early_without_restore(
        self, moved: Moved, kind: str, fault: Fault
    ) -> None:
        name = f"{kind} broken"
        moved.get(name, Range="bytes=0-9")  # with an unknown manifest, the GET would begin with that
        if kind == "slo":
            moved.fail(cut_short, moved.path(name), times=1)
            moved.fail(fault, moved.path(name))
        else:
            moved.fail(fault, moved.path(name, 1))
        moved.check_broken(name)


def test_slo_whose_last_segment_is_lost_there_ends_early(moved: Moved) -> None:
    large, segment = moved.moves.large, moved.segments["slo lost"][2].name
    moved.get("slo lost", Range="bytes=0-9")
    large.there.delete(large.segments, segment)
    moved.fail(streams, moved.path("slo lost"))
    moved.check_broken("slo lost")


@pytest.mark.parametrize("fault", [answers(503), cut_short, nobody_here, empty_ok])
def test_dlo_whose_segments_cannot_be_listed_is_503(moved: Moved, fault: Fault) -> None:
    moved.fail(fault, moved.path("dlo broken", 0).rpartition("_segments/")[0] + "_segments")
    answer = moved.get("dlo broken")
    assert answer.status == 503
    assert "retry-after" in answer.headers


def is_listing(call: Call) -> bool:
    return "format=json" in call.query


class TestListing:
    @pytest.fixture
    def proxy(self, swift: SwiftCluster) -> Iterator[FaultProxy]:
        with FaultProxy.before(swift.s3_endpoint) as proxy:
            yield proxy

    @pytest.fixture
    def new(self, shunted: Shunted, swift: SwiftCluster, proxy: FaultProxy) -> Callable[..., SwiftArchive]:
        def new(**options: Any) -> SwiftArchive:
            archive = SwiftArchive(shunted, swift, through=proxy.endpoint, **options)
            archive.swift.put(archive.container, "here", b"x")
            for name in ("there 1", "there 2"):
                archive.store(name)
            return archive

        return new

    def test_listing_with_failing_store_is_503_or_marked_local_only(
        self, new: Callable[..., SwiftArchive], proxy: FaultProxy
    ) -> None:
        whole, part = new(), new(retain_local=True)
        faults = (answers(503), answers(403), answers(401), cut_short, web_server, empty_ok, nobody_here)
        for fault in faults:
            proxy.when(fault, method="GET", where=is_listing)
            failed = whole.ask("GET")
            assert failed.status == 503
            assert "retry-after" in failed.headers
            got = part.ask("GET")
            assert (got.status, got.body) == (200, b"here\n")
            assert got.headers["x-cloud-sync-shunt-listing"] == "local-only"
            proxy.heal()
        for archive in (whole, part):
            answer = archive.ask("GET")
            assert (answer.status, answer.body) == (200, b"here\nthere 1\nthere 2\n")
            assert "x-cloud-sync-shunt-listing" not in answer.headers

    @pytest.mark.parametrize("fault", [answers(503), reset_before, nobody_here])
    def test_listing_whose_second_page_fails_is_503(
        self, new: Callable[..., SwiftArchive], proxy: FaultProxy, fault: Fault
    ) -> None:
        archive = new()
        proxy.when(fault, method="GET", where=lambda call: is_listing(call) and "marker" in call.query)
        proxy.when(edited(short_pages(1)), method="GET", where=is_listing)
        assert archive.ask("GET").status == 503


def test_mapped_account_is_listed_read_and_restored(shunted: Shunted, tmp_path: Path) -> None:
    """Two containers, whose copies are in two; segments have rows of their own in a third one."""
    moves = Moves(shunted, tmp_path, account=True)
    swift, first, second = moves.pair.swift, moves.pair.container, "other ü"
    swift.put_container(second)
    for container in (first, second):
        swift.put(container, "a/ü", container.encode() * 100, {"X-Object-Meta-Colour": "blü"})
        swift.put(container, "gone", b"x")
    segments = [moves.large.segment(f"s/{number}", 1000) for number in range(2)]
    moves.large.put_slo("slo", segments)
    whole = b"".join(each.body for each in segments)
    moves.run()
    for container, names in ((first, ["a/ü", "gone", "slo"]), (second, ["a/ü", "gone"])):
        assert not moves.here("a/ü", container)
        listed = json.loads(swift.request("GET", container, query="format=json").body)
        assert [record["name"] for record in listed] == names
        (plain, *_) = listed
        assert (plain["bytes"], len(plain["content_location"])) == (100 * len(container.encode()), 1)
        assert swift.request("GET", container, query="prefix=a/&delimiter=/").body == "a/ü\n".encode()
        assert swift.ask("DELETE", container, "gone").status == 204
        got = swift.request("GET", container, "a/ü")
        assert (got.body, got.headers["x-object-meta-colour"]) == (container.encode() * 100, "blü")
    assert swift.request("GET", first, "slo").body == whole
    assert swift.ask("GET", "nowhere", "a/ü").status == swift.ask("GET", "nowhere").status == 404
    moves.restored("slo")
    assert swift.request("GET", first, "slo", headers={"X-Cloud-Sync-Shunt-Bypass": "yes"}).body == whole
    for container in (first, second):
        assert "gone" not in swift.names(container)
