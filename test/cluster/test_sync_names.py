"""Every name that Swift allows arrives to the letter, or is put aside with a reason; none is changed."""

from __future__ import annotations

import pytest

from conformance.known_quirks import QUIRKS
from conformance.names import NAMES
from servers.daemon import NewDaemon, SyncDaemon
from servers.landed import keys
from servers.pair import Pair, Store, new_pair, sync
from servers.raw_swift import RawSwift
from servers.swift import SwiftCluster

LONGEST = 1024  # bytes of a key
#: names that mean most where a key is nothing but the name
BARE = ("leading slash", "only slashes", "dot", "dots", "leading dot segment", "leading blank", "query")


def put_all(pair: Pair, names: list[str]) -> None:
    for number, name in enumerate(names):
        pair.put(name, b"body of %d" % number, {"X-Object-Meta-Number": str(number)})


def check_round(pair: Pair, daemon: SyncDaemon, names: list[str]) -> None:
    """Copies of all names, then POSTs and deletes."""
    put_all(pair, names)
    sync(daemon, pair)
    pair.check()
    assert sorted(pair.arrived()) == sorted(names)
    for name in names[1::2]:
        pair.post(name, {"X-Object-Meta-Posted": "yes"})
    for name in names[::2]:
        pair.delete(name)
    sync(daemon, pair)
    pair.check()
    assert sorted(pair.arrived()) == sorted(names[1::2])


def test_hostile_names_are_copied_posted_and_deleted(pair: Pair, daemon: SyncDaemon) -> None:
    check_round(pair, daemon, [*NAMES.values(), "f" * 64 + ".swift_slo_manifest"])


def test_hostile_names_without_prefix_are_copied_posted_and_deleted(
    swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
) -> None:
    pair = new_pair(swift, s3api, custom_prefix="")
    check_round(pair, new_daemon(pair), [NAMES[each] for each in BARE])


@pytest.mark.parametrize("store", ["moto_store", "rclone_store"], indirect=True)
def test_names_refused_by_the_store_stay_in_the_journal(
    swift: SwiftCluster, store: Store, new_daemon: NewDaemon
) -> None:
    """Nothing is stored under another name."""
    refused = {NAMES[each] for each in QUIRKS[store.name].refused_names}
    renamed = {NAMES[each] for each in QUIRKS[store.name].renamed}
    pair = new_pair(swift, store)
    put_all(pair, [name for name in NAMES.values() if name not in renamed])
    daemon = new_daemon(pair)
    assert daemon.once().returncode == 1
    pair.check(missing=refused)
    assert daemon.unsettled().keys() == refused
    reason = {"moto": "remote_answer", "rclone": "remote_refused"}[store.name]
    assert {entry[:2] for entry in daemon.unsettled().values()} == {("retry", reason)}


class TestNameLength:
    def test_name_too_long_for_a_key_is_quarantined_until_deleted(
        self, pair: Pair, daemon: SyncDaemon
    ) -> None:
        room = LONGEST - len(pair.prefix)
        fits = ["n" * room, "\U0001f40d" * (room // 4) + "x" * (room % 4)]
        too_long = ["m" * (room + 1), "ü" * (LONGEST // 2), "p" * LONGEST]
        put_all(pair, [*fits, *too_long, "short"])
        assert daemon.once().returncode == 1
        pair.check(missing=too_long)
        quarantined = {name: ("quarantine", "name_too_long", 1) for name in too_long}
        assert daemon.unsettled() == quarantined
        # another run does not try again
        assert daemon.once().returncode == 1
        assert daemon.unsettled() == quarantined
        # and nothing is left of the matter when the objects are gone
        for name in too_long:
            pair.delete(name)
        assert daemon.once().returncode == 0, daemon.log_text()
        assert daemon.unsettled() == {}
        pair.check()

    def test_longest_name_without_prefix_is_copied(
        self, swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
    ) -> None:
        pair = new_pair(swift, s3api, custom_prefix="")
        check_round(pair, new_daemon(pair), ["n" * LONGEST, "o" * LONGEST])


CONTAINERS = [
    "..",
    ".",
    "...",
    "with blank",
    " outer blanks ",
    "ünï☃\U0001f40d",
    "100%25",
    "a+b&c=d?e#f",
    "x" * 256,
]


def test_hostile_container_names_share_a_bucket_without_collision(
    swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
) -> None:
    """A second run finds the status files of the first."""
    accounts = [None, "AUTH_ünï ☃ %2F", "AUTH_a..b%"]
    raw = [RawSwift(swift, "admin:admin" if account else None, account) for account in accounts]
    mother = new_pair(swift, s3api)
    pairs = [Pair(raw[0], s3api, name, mother.bucket) for name in CONTAINERS]
    pairs += [Pair(other, s3api, name, mother.bucket) for other in raw[1:] for name in ("plain", "..")]
    for pair in pairs:
        pair.swift.put_container(pair.container)
        put_all(pair, ["o", "a/../b"])
    daemon = new_daemon(*pairs)
    assert daemon.once().returncode == 0, daemon.log_text()
    expected = {pair.prefix + name for pair in pairs for name in ("o", "a/../b")}
    assert set(keys(mother.s3, mother.bucket)) == expected
    for pair in pairs:
        for name in ("o", "a/../b"):
            pair.check_object(name)
        pair.delete("o")
    assert daemon.once().returncode == 0, daemon.log_text()
    assert set(keys(mother.s3, mother.bucket)) == {pair.prefix + "a/../b" for pair in pairs}
    assert "copied" not in daemon.log_text().split(": scanned")[-1]
