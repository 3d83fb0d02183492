"""`swift-s3-ctl verify-data` and a store that differs from S3: what it finds is so, and what it cannot find
out it says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from servers.daemon import SyncDaemon
from servers.large import Large
from servers.moto import MotoServer
from servers.odd_store import DEVIATIONS, OddStore
from servers.pair import Pair, Store, new_pair
from servers.server import AnyServer
from servers.swift import SwiftCluster

FINE, FAILED, FOUND = 0, 1, 3
#: of what was copied
WRONG = {"changed": "different", "lost": "missing"}
#: `bin/prove odd-store` has more. What has other ETags has had them all along: see `odd_matrix`
NAMES = (
    *("a portal's page: all", "a portal's page: LIST", "a portal's page: HEAD", "a portal's page: GET"),
    *("an empty 200: LIST", "another document: LIST", "ListObjectsV2: 501", "LIST: 403"),
    *("LIST out of order", "LIST unparsable", "LIST without Size", "LIST begins with an empty page"),
    *("206 with half of it", "GET in chunks", "GET ends early", "HEAD without ETag"),
    *("Content-Length twice", "ETag twice", "two ETags", "301 to the same host: all"),
)


@dataclass
class Verified:
    odd: OddStore
    pair: Pair
    daemon: SyncDaemon

    def run(self) -> tuple[int, dict[str, str], list[str], str]:
        """The exit code, what was found by name, what could not be found out, and what was said of it."""
        done = self.daemon.ctl("verify-data", "0", "--content", "--metadata", "--json", altered=True)
        *found, summary = [json.loads(line) for line in done.stdout.splitlines()]
        named = {each["name"]: each["what"] for each in found if each["what"] != "unsure"}
        unsure = [each["name"] for each in found if each["what"] == "unsure"]
        return done.returncode, named, unsure, f"{summary.get('errors')} {done.stderr}"


@pytest.fixture(scope="module")
def verified(
    start_server: Callable[[AnyServer], AnyServer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Verified]:
    cluster = start_server(SwiftCluster(min_part_size=1))
    store = Store.server(start_server(MotoServer(min_part=1)))
    with ExitStack() as stack:
        odd = stack.enter_context(OddStore(store))
        pair = new_pair(cluster, odd.store)
        large = Large(pair)
        for name in ("a", "b/c", "changed", "lost", "z"):
            pair.put(name, name.encode() * 100, {"X-Object-Meta-Colour": "red"})
        large.put_slo("slo", [large.segment(str(number), 1000) for number in range(2)])
        daemon = SyncDaemon(
            cluster, tmp_path_factory.mktemp("verify"), [pair.mapping | {"read_timeout": 1.5}]
        )
        daemon.alter(
            limits={"min_part": 1},
            retries={"attempts": 2, "base": 0.05},
        )
        assert daemon.once().returncode == 0
        pair.s3.delete_object(Bucket=pair.bucket, Key=pair.prefix + "lost")
        key = pair.prefix + "changed"
        stored = pair.s3.get_object(Bucket=pair.bucket, Key=key)
        pair.s3.put_object(Bucket=pair.bucket, Key=key, Body=b"CHANGED" * 100, Metadata=stored["Metadata"])
        yield Verified(odd, pair, daemon)


@pytest.mark.parametrize("name", NAMES)
def test_verify_data_of_deviating_store_reports_no_false_difference(verified: Verified, name: str) -> None:
    verified.odd.turn_on(name)
    try:
        code, found, unsure, said = verified.run()
    finally:
        verified.odd.turn_off()
    false = {each: what for each, what in found.items() if what != WRONG.get(each)}
    hidden = WRONG.keys() - found.keys() - set(unsure)
    assert (false, code == FINE) == ({}, False), said
    assert not hidden or code == FAILED, f"{hidden} {said}"
    if DEVIATIONS[name].readable:
        assert (code, found, unsure) == (FOUND, WRONG, []), said
    assert "Traceback" not in said
    assert verified.odd.asked_elsewhere() == 0


def test_verify_data_after_the_deviations_finds_all_differences(verified: Verified) -> None:
    code, found, unsure, said = verified.run()
    assert (code, found, unsure) == (FOUND, WRONG, []), said
