"""remote_delete_after: one rule of ours in the bucket, whatever becomes of the option and of the mapping."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from faults.proxy import Exchange, FaultProxy, answers, passes
from servers.daemon import NewDaemon
from servers.large import Large
from servers.operations import counting
from servers.pair import Pair, Store, new_pair
from servers.swift import SwiftCluster

DAY = 86400
MIB = 1 << 20
THEIRS = {
    "ID": "theirs",
    "Filter": {"Prefix": ""},
    "Status": "Enabled",
    "NoncurrentVersionExpiration": {"NoncurrentDays": 90},
}


@pytest.fixture
def pair(swift: SwiftCluster, store: Store, proxy: FaultProxy) -> Pair:
    return new_pair(swift, store.behind(proxy.endpoint), remote_delete_after=30 * DAY)


def rules(pair: Pair) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pair.s3.get_bucket_lifecycle_configuration(Bucket=pair.bucket)["Rules"]
    return found


def of_lifecycle(proxy: FaultProxy) -> Counter[str]:
    return Counter(call.method for call in proxy.calls() if call.query.startswith("lifecycle"))


def denies_lifecycle(exchange: Exchange) -> None:
    about_it = exchange.call.query.startswith("lifecycle")
    (answers(403, "AccessDenied") if about_it else passes)(exchange)


def ours(pair: Pair) -> list[tuple[str, int, str]]:
    return [
        (rule["Filter"]["Prefix"], rule["Expiration"]["Days"], rule["Status"])
        for rule in rules(pair)
        if rule["ID"].startswith("swift-s3-sync")
    ]


@pytest.mark.parametrize("store", ["moto_store"], indirect=True)
def test_lifecycle_rule_follows_the_option_and_keeps_foreign_rules(
    pair: Pair, proxy: FaultProxy, new_daemon: NewDaemon
) -> None:
    configuration = {"Rules": [THEIRS]}
    pair.s3.put_bucket_lifecycle_configuration(Bucket=pair.bucket, LifecycleConfiguration=configuration)
    large = Large(pair)
    pair.put("o", b"bytes")
    large.put_slo("slo", [large.segment(f"s{number}", 5 * MIB) for number in range(2)])
    daemon = new_daemon(pair)
    assert daemon.once().returncode == 0, daemon.log_text()
    manifests = pair.prefix.replace("/", "/.manifests/", 1)
    both = [(prefix, 30, "Enabled") for prefix in (pair.prefix, manifests)]
    assert (rules(pair)[0], ours(pair)) == (THEIRS, both)
    assert of_lifecycle(proxy) == {"GET": 2, "PUT": 1}  # the rules are read again to see that they are there
    assert f'under "{pair.prefix}" in bucket "{pair.bucket}" 30 days after' in daemon.log_text()

    # put again with the same bytes, and posted: their lives begin anew, and the manifest's with its object's
    pair.put("o", b"bytes")
    pair.post("slo", {"X-Object-Meta-A": "b"})
    with counting(proxy) as requests:
        assert daemon.once().returncode == 0
    assert (requests["CopyObject"], requests["PutObject"]) == (2, 1)
    assert [key for key in proxy.stored() if "/.manifests/" in key][1:], "the manifest after its object"
    assert of_lifecycle(proxy)["PUT"] == 1, "nothing to write where it is in place"

    pair.mapping["remote_delete_after"] = 6 * DAY + 1
    assert daemon.once().returncode == 0
    assert ours(pair) == [(prefix, 7, "Enabled") for prefix in (pair.prefix, manifests)]

    daemon.settings["containers"] = []  # the mapping goes: nothing is touched any more
    before = len(proxy.calls())
    assert daemon.once().returncode == 0
    assert len(proxy.calls()) == before

    del pair.mapping["remote_delete_after"]
    daemon.settings["containers"] = [pair.mapping]
    assert daemon.once().returncode == 0
    assert ours(pair) == [(prefix, 7, "Disabled") for prefix in (pair.prefix, manifests)]
    assert rules(pair)[0] == THEIRS
    before = sum(of_lifecycle(proxy).values())
    assert daemon.once().returncode == 0
    assert sum(of_lifecycle(proxy).values()) == before
    assert "DELETE" not in of_lifecycle(proxy)
    pair.check()


@pytest.mark.parametrize("store", ["moto_store", "s3api", "rclone_store"], indirect=True)
def test_store_without_lifecycle_rules_gets_copies_and_an_error(
    pair: Pair, store: Store, proxy: FaultProxy, new_daemon: NewDaemon
) -> None:
    if store.name == "moto":
        proxy.when(denies_lifecycle)
    pair.put("o")
    daemon = new_daemon(pair)
    assert daemon.once().returncode == 1
    assert daemon.log_text().count("the lifecycle rule for remote_delete_after") == 1, daemon.log_text()
    pair.check()
