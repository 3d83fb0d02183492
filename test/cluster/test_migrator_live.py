"""A client reads and writes through cloud-shunt while the migration runs."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from servers.live_migration import Live
from servers.migrator import Migrator
from servers.pair import Store
from servers.process import wait_until
from servers.shunted import Shunted
from servers.swift import SwiftCluster

NAMES = [f"o{number:02d}" for number in range(40)]
STEPS = 120


class Client:
    """Writes at random, and knows what must be there. ``truth``: name -> body, None for what it has deleted;
    ``colours``: what it has posted or put last."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.truth: dict[str, bytes | None] = {name: name.encode() for name in NAMES}
        self.colours: dict[str, str] = {}
        self._chosen = random.Random(7)

    def act(self, number: int) -> None:
        name = self._chosen.choice([*NAMES, f"new{number % 5}"])
        act = self._chosen.choice([self._get, self._put, self._post, self._delete])
        act(name, number)

    def check_all(self) -> None:
        for name in self.truth:
            self._get(name, 0)

    def _get(self, name: str, _: int) -> None:
        found, body = self.live.ask("GET", name), self.truth.get(name)
        assert (found.status, found.body if found.status == 200 else None) == (
            404 if body is None else 200,
            body,
        )
        if body is not None and name in self.colours:
            assert found.headers["x-object-meta-colour"] == self.colours[name]

    def _put(self, name: str, number: int) -> None:
        body = b"client %d" % number
        headers = {"X-Object-Meta-Colour": f"{number}"}
        assert self.live.ask("PUT", name, headers=headers, body=body).status == 201
        self.truth[name], self.colours[name] = body, f"{number}"

    def _post(self, name: str, number: int) -> None:
        answer = self.live.ask("POST", name, headers={"X-Object-Meta-Colour": f"{number}"})
        if self.truth.get(name) is None:
            assert answer.status == 404
        else:
            assert answer.status == 202
            self.colours[name] = f"{number}"

    def _delete(self, name: str, _: int) -> None:
        is_there = self.truth.get(name) is not None
        status = self.live.ask("DELETE", name).status
        # a source that keeps its objects has them to delete again
        assert status == 204 if is_there else status in (204, 404)
        self.truth[name] = None
        self.colours.pop(name, None)


@pytest.fixture(params=["swift", "s3"])
def live(request: pytest.FixtureRequest, shunted: Shunted, swift: SwiftCluster, moto_store: Store) -> Live:
    return Live.from_swift(shunted, swift) if request.param == "swift" else Live.from_s3(shunted, moto_store)


@pytest.fixture
def start(shunted: Shunted, live: Live, tmp_path: Path) -> Iterator[Callable[[], Migrator]]:
    migrator = Migrator(shunted, tmp_path, [live.entry], items_chunk=7, workers=2)

    def start() -> Migrator:
        migrator.start()
        return migrator

    yield start
    migrator.stop()


def test_no_write_of_a_client_is_lost_or_undone_and_both_sides_compare_equal(
    live: Live, start: Callable[[], Migrator]
) -> None:
    for name in NAMES:
        live.store(name, name.encode())
    client = Client(live)
    for number in range(STEPS // 4):
        client.act(number)
    migrator = start()
    for number in range(STEPS // 4, STEPS):
        client.act(number)
    wanted = sorted(name for name, body in client.truth.items() if body is not None)
    wait_until(lambda: _here(live) == wanted, 60, "the migration")
    client.check_all()
    migrator.stop()
    done = migrator.run("--compare")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    live.cluster.end_migration(live.entry)
    client.check_all()


def _here(live: Live) -> list[str]:
    """What the cluster itself has."""
    answer = live.ask("GET", None, headers={"X-Cloud-Sync-Shunt-Bypass": "yes"})
    return answer.body.decode().split()
