"""Segments that lie among the objects that move."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from s3_sync.errors import AccessDenied
from s3_sync.sync.passes import database
from unit.sync.large import ONE, TWO, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


SEGMENTS = {"seg/1": ONE, "seg/2": TWO}


def test_segments_of_an_slo_move_after_it_under_their_own_names(world: World) -> None:
    world.swift.put("plain", b"x")
    world.swift.put_slo("o", world.two("seg/1", "seg/2"))
    world.run()
    assert world.here == []
    assert world.bucket.content() == {"o": ONE + TWO, "plain": b"x", **SEGMENTS}
    assert "segment 2" in world.node.crawl.summary(True)
    assert world.deletes[:2] == ["plain", "o"]
    world.run()
    assert world.bucket.content() == {"o": ONE + TWO, "plain": b"x", **SEGMENTS}


def test_segments_of_a_dlo_move_after_it_under_their_own_names(world: World) -> None:
    world.two("seg/1", "seg/2")
    world.swift.put("segment", b"x")
    world.swift.put_dlo("o", "c/seg/")
    world.run()
    assert world.here == []
    assert world.bucket.content() == {"o": ONE + TWO, "segment": b"x", **SEGMENTS}


def test_segment_refused_by_the_store_stays_until_a_retry_succeeds(world: World) -> None:
    world.swift.put_slo("o", world.two("seg/1", "seg/2"))

    def refuse(method: str, name: str) -> Exception | None:
        return AccessDenied("no") if name == "seg/1" and method == "put" else None

    world.bucket.before = refuse
    world.run()
    assert world.here == ["seg/1"]
    assert set(world.node.unsettled()) == {"seg/1"}
    world.bucket.before = lambda method, name: None
    world.run()
    assert world.here == []
    assert world.bucket.content() == {"o": ONE + TWO, **SEGMENTS}


def test_dlo_whose_prefix_matches_its_own_name_moves_with_its_segments(world: World) -> None:
    world.two("o/1", "o/2")
    world.swift.put_dlo("o", "c/o/")
    world.run()
    assert (world.here, world.bucket.content()) == ([], {"o": ONE + TWO, "o/1": ONE, "o/2": TWO})
    world.two("p1", "p2")
    world.swift.put_dlo("p", "c/p")  # which is one of its own segments, in Swift's listing
    world.run()
    assert (world.here, world.bucket.content()["p"]) == ([], ONE + TWO)


def test_segments_of_an_excluded_manifest_stay(world: World) -> None:
    world.node.edit(retain_local=False, exclude=re.compile("o"))
    world.swift.put_slo("o", world.two("1", "2"))
    world.run()
    assert world.here == ["1", "2", "o"]
    assert world.bucket.content() == {}
    assert world.node.unsettled() == {}


def test_segments_named_through_symlinks_stay_with_an_excluded_manifest(world: World) -> None:
    world.node.edit(retain_local=False, exclude=re.compile("o"))
    world.two("1", "2")
    world.swift.put("part/1", b"", x_object_sysmeta_symlink_target="c/link")
    world.swift.put("link", b"", x_object_sysmeta_symlink_target="c/1")
    world.swift.put("other", b"", x_object_sysmeta_symlink_target="c/2")
    world.swift.put_dlo("o", "c/part/")
    world.run()
    assert world.here == ["1", "link", "o", "other", "part/1"]
    world.swift.put("link", b"", x_object_sysmeta_symlink_target="c/link")
    world.run()
    world.two("1", "2")
    world.run()
    assert world.here == ["link", "o", "other", "part/1"]


@pytest.mark.parametrize("end", ["delete", "overwrite", "other segments"])
def test_segments_move_once_no_excluded_manifest_names_them(world: World, end: str) -> None:
    """Then they are objects like any other, at their next change."""
    world.node.edit(retain_local=False, exclude=re.compile("o"))
    world.swift.put_slo("o", world.two("1", "2"))
    world.run()
    if end == "delete":
        world.swift.delete("o")
    elif end == "overwrite":
        world.swift.put("o", b"plain")
    else:
        world.swift.put_slo("o", ["/c/2"])
    world.run()
    world.two("1", "2")
    world.run()
    assert set(world.bucket.content()) == ({"1"} if end == "other segments" else {"1", "2"})


def test_object_that_a_post_makes_a_dlo_keeps_segments_until_it_is_due(world: World) -> None:
    world.node.edit(retain_local=False, copy_after=100)
    world.node.options["once"] = False
    world.node.restart()
    world.swift.put("o", b"")
    world.swift.put("seg/1", b"x")
    world.node.settle()
    world.swift.clock.sleep(90)
    world.swift.post("o", x_object_manifest="c/seg/")
    world.node.later(30)
    assert world.here == ["o", "seg/1"]
    world.node.later(300)
    world.node.later(300)
    assert (world.here, world.bucket.content()) == ([], {"o": b"x", "seg/1": b"x"})


def test_segments_stay_after_an_older_database_has_grown_again(world: World) -> None:
    """Their manifest has the number of a row that was read before."""
    world.node.options["once"] = False
    world.node.edit(retain_local=False, exclude=re.compile("o"))
    db = world.swift.dbs[0]
    for number in range(3):
        world.swift.put(f"o{number}")
    world.node.settle()
    rows, last = dict(db.rows), db.last
    for number in range(5):
        world.swift.put(f"o{number}")
    world.node.settle()
    db.rows, db.last = rows, last
    world.swift.put_slo("o", world.two("1", "2"))
    for number in range(10, 15):
        world.swift.put(f"o{number}")
    world.node.settle()
    assert {"1", "2", "o"} <= set(world.here)
    assert world.bucket.content() == {}


def test_unreadable_manifest_delays_all_moves_of_the_container(world: World) -> None:
    world.swift.put("a", b"x")
    world.swift.put_slo("o", world.two("1", "2"))
    world.swift.lost.add("o")
    world.run()
    assert "a" in world.here
    assert world.node.crawl.is_failing
    world.swift.lost.clear()
    world.run()
    assert (world.here, set(world.bucket.content())) == ([], {"a", "o", "1", "2"})


def test_index_that_takes_long_is_built_in_slices_before_any_move(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s3_sync.sync.lifecycle.segment_index.ROWS_PER_READ", 3)
    for number in range(10):
        world.swift.put(f"empty{number}", b"")
    world.swift.put_slo("o", world.two("1", "2"))

    def slow(what: str, name: str) -> None:
        if what == "looked":
            world.swift.clock.sleep(database.INDEX_SLICE / 2)

    world.swift.meanwhile = slow
    assert world.node.step().has_more
    assert len(world.here) == 13
    world.node.settle()
    world.swift.meanwhile = lambda what, name: None
    world.node.settle()
    assert world.here == []
    assert len(world.bucket.content()) == 13


def test_mapping_that_retains_objects_builds_no_index(world: World) -> None:
    world.node.edit()
    world.swift.put_slo("o", world.two("1", "2"))
    world.swift.heads.clear()
    world.run()
    assert set(world.bucket.content()) == {"o", "1", "2"}
    assert world.swift.heads == []


def test_malformed_manifest_names_no_segments_and_others_move(world: World) -> None:
    world.swift.put("o", b"rubbish", x_static_large_object="True")
    world.swift.put("a", b"x")
    world.run()
    assert world.here == ["o"]
    assert world.node.unsettled() == {"o": "slo_malformed"}
