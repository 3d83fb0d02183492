"""Many deletes: each one proved, few requests sent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from s3_sync.errors import AccessDenied, NotSupported, RemoteUnavailable
from s3_sync.sync.rows.bulk_deletes import MIN_BULK_DELETES, PROOF_TTL
from unit.sync.worlds import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path, items_chunk=1000)
    world.fill(100)
    world.node.settle()
    world.bucket.counts()
    return world


def test_many_deletes_are_one_request(world: World) -> None:
    for number in range(100):
        world.swift.delete(f"o{number:05d}")
    world.node.settle()
    assert world.bucket.counts() == {"delete_objects": 1}
    assert world.bucket.content() == {}
    assert world.node.tally()["deleted"] == 100


def test_a_store_that_deletes_one_by_one(tmp_path: Path) -> None:
    world = World(tmp_path, items_chunk=1000)
    world.bucket.features = replace(world.bucket.features, bulk_delete=0)
    world.fill(20)
    world.node.settle()
    assert world.converged()
    world.bucket.counts()
    for number in range(20):
        world.swift.delete(f"o{number:05d}")
    world.node.settle()
    assert world.bucket.counts() == {"delete": 20}
    assert world.bucket.content() == {}


def test_deletes_at_a_store_that_turns_out_not_to_know_them_in_bulk_go_one_by_one(world: World) -> None:
    def unknown(method: str, name: str) -> NotSupported | None:
        if method != "delete_objects":
            return None
        world.bucket.features = replace(world.bucket.features, bulk_delete=0)
        return NotSupported("501 NotImplemented")

    world.bucket.before = unknown
    for number in range(100):
        world.swift.delete(f"o{number:05d}")
    world.node.settle()
    assert world.bucket.counts() == {"delete_objects": 1, "delete": 100}
    assert (world.converged(), world.node.unsettled()) == (True, {})
    assert world.node.tally()["deleted"] == 100


def test_few_deletes_are_sent_one_by_one(world: World) -> None:
    for number in range(MIN_BULK_DELETES - 1):
        world.swift.delete(f"o{number:05d}")
    world.node.settle()
    assert world.bucket.counts() == {"delete": MIN_BULK_DELETES - 1}


def test_what_is_not_proved_is_not_among_them(world: World) -> None:
    """Written again, moved away by us, and forgotten by every object server."""
    for number in range(50):
        world.swift.delete(f"o{number:05d}", offset=1 if number == 7 else 0)
    world.swift.put("o00003", b"again")
    del world.swift.objects["o00009", 0]
    world.node.settle()
    kept = {"o00003": b"again", "o00007": b"o00007", "o00009": b"o00009"}
    rest = {f"o{number:05d}": b"o%05d" % number for number in range(50, 100)}
    assert world.bucket.content() == kept | rest
    assert world.node.unsettled() == {"o00009": "delete_unproven"}


def test_one_that_fails_is_tried_again(world: World) -> None:
    world.fail_names(AccessDenied("kept by a rule"), "o00005")
    for number in range(20):
        world.swift.delete(f"o{number:05d}")
    world.node.settle()
    assert world.node.unsettled() == {"o00005": "remote_denied"}
    assert "o00005" in world.bucket.content()
    world.bucket.before = lambda method, name: None
    world.node.later(7200.0)
    assert world.node.unsettled() == {}
    assert world.converged()


def test_a_request_that_fails_leaves_all_of_them(world: World) -> None:
    down = RemoteUnavailable("down")
    world.bucket.before = lambda method, name: down if method in ("delete_objects", "list") else None
    for number in range(20):
        world.swift.delete(f"o{number:05d}")
    world.node.step()
    assert len(world.bucket.content()) == 100
    assert len(world.node.unsettled()) == 20
    world.bucket.before = lambda method, name: None
    world.node.later(7200.0)
    assert world.converged()


def test_a_proof_that_is_old_is_made_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the last ones were being proved, which took long, a client wrote the first one again."""
    for number in range(20):
        world.swift.delete(f"o{number:05d}")
    asked: list[str] = []
    real = world.swift.of

    def slow(account: str, container: str, name: str, *rest: object) -> object:
        found = real(account, container, name, *rest)  # type: ignore[arg-type]
        asked.append(name)
        if len(asked) == 20:
            world.swift.clock.sleep(PROOF_TTL + 1)
            world.swift.put("o00000", b"again")
        return found

    monkeypatch.setattr(world.swift, "of", slow)
    world.node.step()
    assert world.bucket.counts()["delete_objects"] == 0
    assert "o00000" in world.bucket.content()
    world.node.settle()
    assert world.converged()
