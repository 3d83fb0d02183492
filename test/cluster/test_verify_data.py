"""`swift-s3-ctl verify-data`: what differs between both sides, and what is only on its way."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from faults.proxy import FaultProxy, answers, cut_short, garbles
from servers.daemon import NewDaemon, SyncDaemon
from servers.large import Large
from servers.pair import IMPOSSIBLE, Pair, Store, new_pair, sync
from servers.raw_swift import RawSwift
from servers.swift import SwiftCluster

FINE, FAILED, FOUND = 0, 1, 3


def verified(daemon: SyncDaemon, *arguments: str, code: int) -> tuple[dict[str, tuple[str, bool]], Any]:
    """What was found: name -> (what, whether it is pending); and the summary."""
    done = daemon.ctl("verify-data", "0", "--pending", "--json", *arguments)
    assert (done.returncode, done.stderr) == (code, ""), done
    *found, summary = [json.loads(line) for line in done.stdout.splitlines()]
    return {each["name"]: (each["what"], bool(each["pending"])) for each in found}, summary


def test_verify_data_finds_each_kind_of_difference(pair: Pair, daemon: SyncDaemon) -> None:
    large = Large(pair)
    segments = [large.segment(str(number), 1000) for number in range(3)]
    for name in ("changed", "gone", "lost", "meta", "same", "ü/☃ é"):
        pair.put(name, name.encode(), {"X-Object-Meta-Colour": "red"})
    pair.put("empty", b"")
    large.put_slo("slo", segments)
    large.put_slo("slo bare", segments)
    large.put_dlo("dlo", "1")
    sync(daemon, pair)
    found, summary = verified(daemon, "--content", code=FINE)
    assert (found, summary["names"], summary["wrong"]) == ({}, 10, {})
    daemon.stop()

    s3, bucket = pair.s3, pair.bucket
    s3.delete_object(Bucket=bucket, Key=pair.prefix + "lost")
    s3.put_object(Bucket=bucket, Key=pair.prefix + "changed", Body=b"CHANGED")
    s3.put_object(Bucket=bucket, Key=pair.prefix + "somebody's", Body=b"x")
    s3.put_object(
        Bucket=bucket, Key=pair.prefix + "meta", Body=b"meta", ContentType="application/octet-stream"
    )
    s3.delete_object(Bucket=bucket, Key=large.manifest_key("slo bare"))
    orphan = large.manifest_key("nobody's")
    s3.put_object(Bucket=bucket, Key=orphan, Body=b"[]")
    s3.create_multipart_upload(Bucket=bucket, Key=pair.prefix + "begun")
    pair.delete("gone")
    pair.put("new")
    pair.put("impossible", headers=IMPOSSIBLE)
    expected = {
        "begun": ("open_upload", True),
        "changed": ("different", False),
        "gone": ("deleted", True),
        "impossible": ("refused", False),
        "lost": ("missing", False),
        "new": ("missing", True),
        orphan: ("orphaned_manifest", False),
        "slo bare": ("no_manifest", False),
        "somebody's": ("extra", False),
    }
    found, summary = verified(daemon, code=FOUND)
    assert found == expected
    assert sum(summary["wrong"].values()) == 6
    assert sum(summary["pending"].values()) == 3
    found, _ = verified(daemon, "--metadata", code=FOUND)
    assert found == expected | {"meta": ("metadata", False)}
    assert daemon.once().returncode == 1  # for the impossible one
    found, _ = verified(daemon, code=FOUND)
    assert found.keys() == expected.keys() - {"gone", "new"}, "what was pending is done"
    assert [path for path in daemon.status_dir.iterdir() if "verify" in path.name] == []


def test_verify_data_accepts_moved_objects_while_container_exists(
    swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
) -> None:
    pair = new_pair(swift, s3api, retain_local=False)
    daemon = new_daemon(pair)
    for number in range(5):
        pair.put(f"o{number}")
    assert daemon.once().returncode == 0
    assert pair.swift.names(pair.container) == []
    for depth in ([], ["--content"]):
        found, summary = verified(daemon, *depth, code=FINE)
        assert (found, summary["names"]) == ({}, 5)
    pair.put("new")
    found, _ = verified(daemon, code=FINE)
    assert found == {"new": ("missing", True)}
    pair.delete("new")
    pair.swift.request("DELETE", pair.container)
    found, summary = verified(daemon, code=FAILED)
    assert (found, summary["names"]) == ({"": ("unsure", False)}, 5), "nobody knows what was in there"


def test_verify_data_with_content_finds_changed_bytes(
    swift: SwiftCluster, rclone_store: Store, new_daemon: NewDaemon
) -> None:
    with FaultProxy.before(rclone_store.endpoint) as proxy:
        pair = new_pair(swift, rclone_store.behind(proxy.endpoint))
        daemon = new_daemon(pair)
        for name in ("wrong\t\u202e", "good", "short"):
            pair.put(name, b"12345" * 1000)
        assert daemon.once().returncode == 0
        proxy.when(garbles, method="GET", key="wrong")
        proxy.when(cut_short, method="GET", key="short", times=1)
        assert verified(daemon, "--metadata", code=FINE)[0] == {}
        done = daemon.ctl("verify-data", "0", "--content")
        [line, summary] = done.stdout.splitlines()
        assert line.split("\t")[:2] == ["different", f"{pair.container}/wrong\\t\\u202e"]
        assert (done.returncode, summary) == (FOUND, "3 names compared: different 1")


@pytest.fixture
def faults(s3api: Store) -> Iterator[FaultProxy]:
    with FaultProxy.before(s3api.endpoint) as proxy:
        yield proxy


@pytest.fixture
def account(swift: SwiftCluster, s3api: Store) -> Pair:
    """Every container of an account, and two of them."""
    name = f"AUTH_v{hashlib.md5(s3api.endpoint.encode()).hexdigest()[:8]}"
    raw = RawSwift(swift, "admin:admin", name)
    first, second = (Pair(raw, s3api, container).create() for container in ("a", "b"))
    second.mapping["aws_bucket"] = first.bucket
    first.mapping["container"] = "/*"
    for container in ("a", "b"):
        raw.put(container, f"in {container}")
    return first


def test_verify_data_of_account_resumes_after_store_errors(
    account: Pair, new_daemon: NewDaemon, faults: FaultProxy
) -> None:
    account.mapping["aws_endpoint"] = faults.endpoint
    daemon = new_daemon(account)
    assert daemon.once().returncode == 0, daemon.log_text()
    faults.when(answers(403, "AccessDenied"), where=lambda call: "%2Fb%2F" in call.query)
    found, summary = verified(daemon, code=FAILED)
    assert (found, summary["names"], len(summary["errors"])) == ({}, 1, 1)
    faults.heal()
    prefixes = {each: Pair(account.swift, account.store, each).prefix for each in "ab"}
    account.s3.delete_object(Bucket=account.bucket, Key=f"{prefixes['a']}in a")
    found, summary = verified(daemon, "--resume", code=FINE)
    assert (found, summary["names"]) == ({}, 2), "a was seen before"
    found, _ = verified(daemon, "--resume", code=FOUND)
    assert found == {"in a": ("missing", False)}
    account.swift.delete("b", "in b")
    account.swift.request("DELETE", "b")
    found, _ = verified(daemon, code=FOUND)
    assert found == {"in a": ("missing", False), "in b": ("deleted", True)}, "what is gone is not forgotten"
    account.mapping["aws_bucket"] = "there-is-none"
    daemon.write()
    found, summary = verified(daemon, code=FAILED)
    assert len(summary["errors"]) == 2
