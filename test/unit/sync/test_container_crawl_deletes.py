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


def test_many_deletes_cost_one_bulk_request(world: World) -> None:
    for number in range(100):
        world.swift.delete(f"o{number:05d}")
    world.node.settle()
    assert world.bucket.counts() == {"delete_objects": 1}
    assert world.bucket.content() == {}
    assert world.node.tally()["deleted"] == 100


def test_store_without_bulk_deletes_gets_one_request_per_object(tmp_path: Path) -> None:
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


def test_refused_bulk_delete_is_repeated_one_by_one(world: World) -> None:
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


def test_bulk_delete_leaves_out_unproven_moved_and_rewritten_objects(world: World) -> None:
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


def test_failed_object_of_a_bulk_delete_is_retried(world: World) -> None:
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


def test_failed_bulk_delete_is_retried_for_all_objects(world: World) -> None:
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


def test_outdated_proof_is_repeated_before_the_bulk_delete(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
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
