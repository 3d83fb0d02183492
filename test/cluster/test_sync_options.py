"""The options of a mapping, each against what it promises. One run of the daemon serves many mappings."""

from __future__ import annotations

import hashlib
import time

import pytest

from faults.proxy import FaultProxy
from servers.daemon import NewDaemon, SyncDaemon
from servers.operations import counting, counting_each
from servers.pair import Pair, Store, new_pair, sync
from servers.process import wait_until
from servers.swift import SwiftCluster

CRITERIA = {
    "AND": [
        {"content-type": "TEXT/PLAIN"},
        {"OR": [{"X-Object-Meta-Ward": "ÄRZTE"}, {"x-object-meta-ward": "pflege"}]},
        {"NOT": {"x-object-meta-hold": "yes"}},
    ]
}


def test_selection_criteria_copy_only_matching_objects(
    swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
) -> None:
    pair = new_pair(swift, s3api, selection_criteria=CRITERIA)
    daemon = new_daemon(pair)
    text = {"Content-Type": "text/plain"}
    pair.put("matches", headers={**text, "X-Object-Meta-Ward": "ärzte"})
    pair.put("matches too", headers={**text, "X-Object-Meta-Ward": "Pflege", "X-Object-Meta-Hold": "no"})
    pair.put("held", headers={**text, "X-Object-Meta-Ward": "pflege", "X-Object-Meta-Hold": "YES"})
    pair.put("no ward", headers=text)
    pair.put("other type", headers={"Content-Type": "text/html", "X-Object-Meta-Ward": "pflege"})
    sync(daemon, pair)
    pair.check(missing=["held", "no ward", "other type"])
    # a POST makes one match; another one that stops matching stays as it was copied
    pair.post("held", {"X-Object-Meta-Ward": "pflege"})
    before = pair.landed("matches")
    pair.post("matches", {"X-Object-Meta-Ward": "Küche"})
    pair.put("no ward", b"still none", text)
    sync(daemon, pair)
    pair.check_object("held")
    assert sorted(pair.arrived()) == ["held", "matches", "matches too"]
    assert pair.landed("matches") == before
    assert daemon.unsettled() == {}


def test_exclude_pattern_omits_matching_names_and_their_deletes(
    swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
) -> None:
    """The pattern matches at the start of names."""
    pairs = [
        new_pair(swift, s3api, exclude_pattern=pattern)
        for pattern in ("^tmp/|ü", "tmp", "", "^$", "^.*\\.log$")
    ]
    names = ["tmp/a", "tmpb", "data/tmp/c", "über", "x.log", "x.log2"]
    left_out = [{"tmp/a", "über"}, {"tmp/a", "tmpb"}, set(), set(), {"x.log"}]
    for pair in pairs:
        for name in names:
            pair.put(name)
    daemon = new_daemon(*pairs)
    sync(daemon, *pairs)
    for pair, missing in zip(pairs, left_out, strict=True):
        pair.check(missing=missing)
    # copied while nothing was excluded, deleted afterwards
    unrestricted = pairs[2]
    daemon.stop()
    unrestricted.mapping["exclude_pattern"] = "tmp"
    unrestricted.delete("tmp/a")
    unrestricted.delete("x.log")
    sync(daemon, unrestricted)
    assert set(unrestricted.arrived()) == set(names) - {"x.log"}


def test_delete_is_propagated_only_while_the_option_is_set(
    swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
) -> None:
    pair = new_pair(swift, s3api, propagate_delete=False)
    daemon = new_daemon(pair)
    for name in ("deleted", "deleted and put again", "kept"):
        pair.put(name, b"old")
    sync(daemon, pair)
    pair.delete("deleted")
    pair.delete("deleted and put again")
    sync(daemon, pair)
    assert sorted(pair.arrived()) == ["deleted", "deleted and put again", "kept"]
    pair.put("deleted and put again", b"new")
    sync(daemon, pair)
    pair.check_object("deleted and put again")
    # an edit of the policy repeats nothing, and counts for what is deleted from then on
    daemon.stop()
    pair.mapping["propagate_delete"] = True
    pair.delete("kept")
    sync(daemon, pair)
    assert sorted(pair.arrived()) == ["deleted", "deleted and put again"]


def test_copy_after_delays_copies_over_several_runs(
    swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
) -> None:
    waiting, at_once = new_pair(swift, s3api, copy_after=3600), new_pair(swift, s3api)
    daemon = new_daemon(waiting, at_once)
    for pair in (waiting, at_once):
        for name in ("a", "b", "c"):
            pair.put(name)
    assert daemon.once().returncode == 0  # not due is no failure
    assert waiting.arrived() == []
    at_once.check()
    assert [rows for _, rows in daemon.due_ranges()] == [(1, 3)]
    waiting.delete("b")
    # half an hour later there is still nothing to do
    daemon.alter(clock=1800)
    assert daemon.once().returncode == 0
    assert waiting.arrived() == []
    daemon.alter(clock=4000)
    assert daemon.once().returncode == 0
    assert waiting.arrived() == ["a", "c"]
    waiting.check()
    assert daemon.due_ranges() == []
    assert daemon.unsettled() == {}


def test_copy_after_delays_copies_of_a_running_daemon(pair: Pair, daemon: SyncDaemon) -> None:
    pair.mapping["copy_after"] = 2
    sync(daemon, pair)
    pair.put("o")
    pair.put("deleted in time")
    pair.delete("deleted in time")
    written = time.time()
    wait_until(lambda: pair.arrived() == ["o"], 20, "the copy")
    assert time.time() - written > 1.9
    pair.check()


@pytest.mark.parametrize("skew", [-1200, 1200])
def test_changes_are_copied_with_a_clock_off_by_twenty_minutes(
    pair: Pair, daemon: SyncDaemon, skew: int
) -> None:
    daemon.alter(clock=skew)
    for name in ("posted", "overwritten", "deleted"):
        pair.put(name)
    sync(daemon, pair)
    pair.check()
    pair.post("posted", {"X-Object-Meta-New": "yes"})
    pair.put("overwritten", b"new")
    pair.delete("deleted")
    sync(daemon, pair)
    pair.check()


def test_small_batches_copy_and_delete_everything(pair: Pair, daemon: SyncDaemon) -> None:
    daemon.settings |= {"items_chunk": 3, "workers": 2}
    for number in range(20):
        pair.put(f"o{number}")
        pair.put("again and again", b"%d" % number)
    assert daemon.once().returncode == 0, daemon.log_text()
    pair.check()
    assert daemon.log_text().count("Processing 3 rows") == 7
    for number in range(20):
        pair.delete(f"o{number}")
    assert daemon.once().returncode == 0, daemon.log_text()
    pair.check()


@pytest.mark.parametrize("store", ["moto_store"], indirect=True)
def test_storage_class_is_set_and_kept_by_posts(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon
) -> None:
    pair = new_pair(swift, store.behind(proxy.endpoint), storage_class="STANDARD_IA")
    daemon = new_daemon(pair, altered={"limits": {"max_put": 6 << 20, "min_part": 5 << 20}})
    pair.put("small")
    pair.put("in parts", bytes(7 << 20))

    def classes() -> set[str]:
        heads = [pair.s3.head_object(Bucket=pair.bucket, Key=pair.prefix + name) for name in pair.arrived()]
        return {head["StorageClass"] for head in heads}

    sync(daemon, pair)
    assert classes() == {"STANDARD_IA"}
    for name in ("small", "in parts"):
        pair.post(name, {"X-Object-Meta-New": "yes"})
    with counting(proxy) as requests:
        sync(daemon, pair)
    assert requests["CopyObject"] == 2
    assert classes() == {"STANDARD_IA"}
    pair.check()


@pytest.mark.parametrize("store", ["moto_store"], indirect=True)
def test_post_to_copy_in_archive_class_uploads_it_again(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon
) -> None:
    """A copy in GLACIER cannot be copied onto itself; one in GLACIER_IR can."""
    pairs = [
        new_pair(swift, store.behind(proxy.endpoint), storage_class=name)
        for name in ("GLACIER", "GLACIER_IR")
    ]
    daemon = new_daemon(*pairs)
    for pair in pairs:
        pair.put("posted", b"bytes")
        pair.put("put again", b"bytes")
    sync(daemon, *pairs)
    with counting_each(proxy) as requests:
        for pair in pairs:
            pair.post("posted", {"X-Object-Meta-New": "yes"})
            pair.put("put again", b"bytes")
        sync(daemon, *pairs)
    archived, at_hand = (requests[pair.bucket] for pair in pairs)
    assert (archived["CopyObject"], at_hand["CopyObject"]) == (0, 1)
    # one that is refused, because something is there already, is no upload
    assert len([path for path in proxy.stored() if path.startswith(f"/{pairs[0].bucket}/")]) == 3 + 1
    for pair in pairs:
        head = pair.s3.head_object(Bucket=pair.bucket, Key=f"{pair.prefix}posted")
        assert head["StorageClass"] == pair.mapping["storage_class"]
        assert head["Metadata"]["new"] == "yes"
        assert head["ETag"].strip('"') == hashlib.md5(b"bytes").hexdigest()


@pytest.mark.parametrize("store", ["s3api", "moto_store"], indirect=True)
def test_encryption_header_is_not_sent_to_stores_other_than_aws(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon
) -> None:
    """Swift's s3api would refuse it."""
    pair = new_pair(swift, store.behind(proxy.endpoint), encryption=True)
    pair.put("o")
    sync(new_daemon(pair), pair)
    pair.check()
    assert not [call for call in proxy.calls() if "x-amz-server-side-encryption" in call.headers]
