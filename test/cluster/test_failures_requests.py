"""Every way in which a single request can fail: the object arrives all the same, intact and once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from faults.proxy import (
    Exchange,
    Fault,
    FaultProxy,
    answers,
    corrupts,
    cut_short,
    lost_answer,
    passes,
    reset_after,
    reset_before,
    reset_within,
)
from servers.daemon import NewDaemon, SyncDaemon
from servers.operations import counting
from servers.pair import Pair, Store, new_pair
from servers.swift import SwiftCluster

#: what goes away by itself: the request is repeated
PASSING: dict[str, Fault] = {
    "reset-before": reset_before,
    "reset-within": reset_within,
    "reset-after": reset_after,
    "lost-answer": lost_answer,
    "corrupted": corrupts,
    "500": answers(500, "InternalError"),
    "502-html": answers(502),
    "503-slow-down": answers(503, "SlowDown"),
    "429": answers(429, "TooManyRequests", retry_after=1),
    "408": answers(408, "RequestTimeout"),
}
#: what may be wrong for longer: it is tried again at another time
REFUSALS: dict[str, Fault] = {
    "status-400": answers(400, "InvalidRequest"),
    "status-403": answers(403, "AccessDenied"),
    "status-404": answers(404, "NoSuchBucket"),
    "status-409": answers(409, "SomethingNew"),
    "status-418": answers(418),
    "status-501": answers(501, "NotImplemented"),
}
#: the daemon tries again soon, and hardly slows down
QUICK: dict[str, Any] = {
    "retries": {"base": 0.1},
    "values": {"s3_sync.providers.wrappers.adaptive_throttle:MIN_RATE": 100.0},
}
CONDITIONAL = {"put_if_absent": True, "put_if_match": True}


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(getattr(request, "param", "s3api"))
    return found


@pytest.fixture
def watched(swift: SwiftCluster, store: Store, proxy: FaultProxy) -> Pair:
    return new_pair(swift, store.behind(proxy.endpoint))


@pytest.fixture
def daemon(watched: Pair, new_daemon: NewDaemon, store: Store) -> Iterator[SyncDaemon]:
    daemon = new_daemon(watched, workers=4)
    daemon.alter(**QUICK, **({"dialect": CONDITIONAL} if store.name == "moto" else {}))
    yield daemon
    daemon.stop()


def body_of(name: str) -> bytes:
    """Some are sent in one piece with the head, some are streamed."""
    return name.encode() * (20_000 if name.endswith("large") else 1)


def in_turn(*faults: Fault) -> Fault:
    """Every other request meets the next one of these, as long as there are any."""
    turns = count()

    def fault(exchange: Exchange) -> None:
        turn = next(turns)
        chosen = faults[turn // 2] if turn % 2 == 0 and turn // 2 < len(faults) else passes
        chosen(exchange)

    return fault


@pytest.mark.parametrize("store", ["s3api", "moto_store"], indirect=True)
def test_puts_with_transient_faults_succeed_in_one_run(
    watched: Pair, daemon: SyncDaemon, proxy: FaultProxy, store: Store
) -> None:
    """With a store that refuses to overwrite, a repeated PUT finds the object that the first one stored."""
    # moto checks no digest
    faults = {name: fault for name, fault in PASSING.items() if (store.name, name) != ("moto", "corrupted")}
    rules = {}
    for name, fault in faults.items():
        for size in ("small", "large"):
            watched.put(f"{name}-{size}", body_of(f"{name}-{size}"))
            rules[f"{name}-{size}"] = proxy.when(fault, method="PUT", key=f"{name}-{size}", times=1)
    assert daemon.once().returncode == 0, daemon.log_text()
    assert {name for name, rule in rules.items() if not rule.hits} == set()
    watched.check()
    stored = Counter(path[len(f"/{watched.bucket}/{watched.prefix}") :] for path in proxy.stored())
    twice = {name for name, times in stored.items() if times > 1}
    lost = {"lost-answer-small", "lost-answer-large"}
    assert twice == (set() if store.name == "moto" else lost), "only what looked lost, and only unguarded"


def test_put_with_truncated_answer_succeeds_in_the_same_run(
    watched: Pair, daemon: SyncDaemon, proxy: FaultProxy
) -> None:
    """The store has the object; another request finds that out."""
    rule = proxy.when(cut_short, method="PUT", times=2)
    for number in range(4):
        watched.put(f"o{number}", body_of("large"))
    assert daemon.once().returncode == 0
    assert rule.hits == 2
    watched.check()


def test_refused_puts_are_journaled_with_reason_and_retried_later(
    watched: Pair, daemon: SyncDaemon, proxy: FaultProxy
) -> None:
    for name, fault in REFUSALS.items():
        watched.put(name)
        proxy.when(fault, method="PUT", key=name)
    for number in range(10):
        watched.put(f"good{number}")
    assert daemon.once().returncode == 1
    reasons = {name: reason for name, (_, reason, _) in daemon.unsettled().items()}
    assert reasons == {
        "status-400": "remote_refused",
        "status-403": "remote_denied",
        "status-404": "remote_not_found",
        "status-409": "remote_refused",
        "status-418": "remote_refused",
        "status-501": "remote_not_supported",
    }
    assert sorted(watched.arrived()) == [f"good{number}" for number in range(10)]
    proxy.heal()
    assert daemon.once().returncode == 0
    assert daemon.unsettled() == {}
    watched.check()


def test_heads_copies_and_deletes_with_transient_faults_succeed(
    watched: Pair, daemon: SyncDaemon, proxy: FaultProxy
) -> None:
    names = [f"{kind}{number}" for kind in ("gone", "meta", "over") for number in range(9)]
    for name in names:
        watched.put(name, b"1")
    assert daemon.once().returncode == 0
    for name in names:
        if name.startswith("gone"):
            watched.delete(name)
        elif name.startswith("meta"):
            watched.post(name, {"X-Object-Meta-Changed": "yes"})
        else:
            watched.put(name, b"2", {"X-Object-Meta-Changed": "yes"})
    faults = [fault for name, fault in PASSING.items() if name not in ("reset-within", "corrupted")]
    daemon.settings["workers"] = 1  # so that a repetition is the next request
    for method in ("HEAD", "POST", "PUT"):
        proxy.when(in_turn(*faults), method=method)
    with counting(proxy) as asked:
        assert daemon.once().returncode == 0, daemon.log_text()
    assert min(asked["HeadObject"], asked["DeleteObjects"], asked["CopyObject"]) > 9, "all faults were met"
    watched.check()


def test_failed_or_truncated_listing_is_not_taken_for_an_empty_one(
    watched: Pair, daemon: SyncDaemon, proxy: FaultProxy, new_daemon: NewDaemon
) -> None:
    for number in range(30):
        watched.put(f"o{number:02}")
    assert daemon.once().returncode == 0
    for number in range(10):
        watched.put(f"new{number}")
    newcomer = new_daemon(watched, workers=4)
    newcomer.alter(**QUICK)
    listing = in_turn(*(PASSING[name] for name in ("reset-after", "500", "429")), cut_short)
    rule = proxy.when(listing, method="GET")
    with counting(proxy) as asked:
        assert newcomer.once().returncode == 0, newcomer.log_text()
    assert rule.hits >= 4
    assert asked["PutObject"] == 10
    watched.check()


def test_put_that_is_always_corrupted_is_journaled_as_bad_digest(
    watched: Pair, daemon: SyncDaemon, proxy: FaultProxy
) -> None:
    watched.put("bad", b"bytes that matter")
    watched.put("good")
    proxy.when(corrupts, method="PUT", key="/bad")
    assert daemon.once().returncode == 1
    assert daemon.unsettled()["bad"][:2] == ("retry", "bad_digest")
    assert watched.arrived() == ["good"]
    proxy.heal()
    assert daemon.once().returncode == 0
    watched.check()
