"""Progress that is found, in whatever state: of an earlier version, damaged, gone. Nothing is sent twice."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest

from faults.proxy import FaultProxy
from servers.daemon import NewDaemon, SyncDaemon
from servers.landed import keys
from servers.operations import counting, counting_each
from servers.pair import Pair, Store, new_pair
from servers.process import wait_until
from servers.swift import SwiftCluster

NAMES = [f"o{number:02}" for number in range(12)]


@pytest.fixture
def proxy(s3api: Store) -> Any:
    with FaultProxy.before(s3api.endpoint) as proxy:
        yield proxy


@pytest.fixture
def pair(swift: SwiftCluster, s3api: Store, proxy: FaultProxy) -> Pair:
    return new_pair(swift, s3api.behind(proxy.endpoint))


def status_file(daemon: SyncDaemon, pair: Pair) -> Path:
    return daemon.status_dir / pair.swift.account / pair.container


def put_as_before(pair: Pair, name: str, body: bytes, **options: Any) -> None:
    """As an earlier version stored it: without marks."""
    pair.s3.put_object(Bucket=pair.bucket, Key=pair.prefix + name, Body=body, **options)


def fill(pair: Pair) -> None:
    """Objects on both sides, as an earlier version leaves them."""
    for name in NAMES:
        pair.put(name, name.encode(), {"Content-Type": "text/plain"})
        put_as_before(pair, name, name.encode(), ContentType="text/plain")


def wait_for_younger_copies() -> None:
    """Stores tell the times of copies in whole seconds, some of them rounded up, and only a copy that is
    surely younger than the row needs no second look."""
    now = time.time()
    wait_until(lambda: time.time() > now + 2, 5, "two seconds")


def run(daemon: SyncDaemon) -> None:
    assert daemon.once().returncode == 0, daemon.log_text()


class TestEarlierVersion:
    """A status file of an earlier version, and a bucket that it filled."""

    def write(self, daemon: SyncDaemon, pair: Pair, content: Any) -> None:
        path = status_file(daemon, pair)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))

    def test_each_form_of_status_file_is_continued(
        self, swift: SwiftCluster, s3api: Store, proxy: FaultProxy, new_daemon: NewDaemon
    ) -> None:
        """A policy that has changed since does not matter."""
        pairs = [new_pair(swift, s3api.behind(proxy.endpoint)) for _ in range(4)]
        daemon = new_daemon(*pairs)
        policy = {"copy_after": 77, "retain_local": True, "propagate_delete": False}
        cursors = {}
        for form, pair in enumerate(pairs):
            fill(pair)
            cursors[pair] = identity, last = pair.database()
            entry: dict[str, Any] = {"last_row": last}
            if form > 1:
                entry |= {"aws_bucket": pair.bucket, "policy": policy}
            if form > 2:
                entry |= {"last_verified_row": last, "metadata_hash": "d751713988987e9331980363e24189ce"}
            self.write(daemon, pair, {identity: entry} if form else entry)
        with counting(proxy) as requests:
            run(daemon)
        assert requests == {}
        for pair in pairs:
            pair.put("new", b"new")
            pair.delete(NAMES[0])
        with counting_each(proxy) as each:
            run(daemon)
        # the first rows that it finds may have been handled by the other one already
        expected = {"HeadObject": 2, "PutObject": 1, "DeleteObjects": 1}
        assert each == {pair.bucket: expected for pair in pairs}
        for pair in pairs:
            pair.put("newer", b"newer")
            pair.delete(NAMES[1])
        with counting_each(proxy) as each:
            run(daemon)
        assert each == {pair.bucket: {"PutObject": 1, "DeleteObjects": 1} for pair in pairs}
        for pair, (identity, last) in cursors.items():
            assert sorted(pair.arrived()) == sorted(["new", "newer", *NAMES[2:]])
            pair.check_object("new")
            saved = daemon.status(pair.swift.account, pair.container)[identity]
            assert saved["last_row"] == saved["last_verified_row"] == last + 4
        assert saved["metadata_hash"] == "d751713988987e9331980363e24189ce"

    def test_rows_after_the_saved_progress_are_compared_and_not_resent(
        self, swift: SwiftCluster, pair: Pair, daemon: SyncDaemon, proxy: FaultProxy
    ) -> None:
        """Progress was saved after each batch; what was sent of the next one is in the bucket."""
        fill(pair)
        identity, last = pair.database()
        pair.put("missing", b"not sent before")
        self.write(daemon, pair, {identity: {"last_row": last - 10, "aws_bucket": pair.bucket}})
        with counting(proxy) as requests:
            run(daemon)
        assert requests["PutObject"] == 1
        assert set(requests) <= {"ListObjects", "HeadObject", "PutObject"}
        pair.check_object("missing")

    def test_progress_of_another_bucket_is_ignored(
        self, swift: SwiftCluster, pair: Pair, daemon: SyncDaemon, proxy: FaultProxy
    ) -> None:
        fill(pair)
        identity, last = pair.database()
        self.write(daemon, pair, {identity: {"last_row": last, "aws_bucket": "another"}})
        pair.s3.delete_object(Bucket=pair.bucket, Key=pair.prefix + NAMES[3])
        with counting(proxy) as requests:
            run(daemon)
        assert requests["PutObject"] == 1
        pair.check_object(NAMES[3])

    def test_delete_deletes_the_stored_manifest_too(self, pair: Pair, daemon: SyncDaemon) -> None:
        """Earlier versions stored one for each large object, beside the data."""
        fill(pair)
        identity, last = pair.database()
        self.write(daemon, pair, {identity: {"last_row": last, "aws_bucket": pair.bucket}})
        place = f"{pair.prefix.partition('/')[0]}/.manifests/{pair.swift.account}/{pair.container}/"
        digests = {name: hashlib.sha256(name.encode()).hexdigest() for name in NAMES[:2]}
        manifests = {name: f"{place}{digest}.swift_slo_manifest" for name, digest in digests.items()}
        for key in manifests.values():
            pair.s3.put_object(Bucket=pair.bucket, Key=key, Body=b"[]")
        pair.delete(NAMES[0])
        run(daemon)
        found = keys(pair.s3, pair.bucket)
        assert sorted(found) == sorted([manifests[NAMES[1]], *(pair.prefix + name for name in NAMES[1:])])

    def test_metadata_in_each_earlier_encoding_is_not_sent_again(
        self, pair: Pair, daemon: SyncDaemon, proxy: FaultProxy
    ) -> None:
        """It is raw, in encoded words or percent-quoted, beside headers of that version's own."""
        written = {
            "raw": ("plain text", "plain text"),
            "words": ("grün", "=?UTF-8?Q?gr=C3=BCn?="),
            "quoted": ("grün 100%", "gr%C3%BCn%20100%25"),
        }
        for name, (value, stored) in written.items():
            pair.put(name, b"same", {"Content-Type": "text/plain"})
            pair.post(name, {"Content-Type": "text/plain", "X-Object-Meta-Value": value})
            options = {"ContentType": "text/plain", "CacheControl": "max-age=1"}
            put_as_before(pair, name, b"same", Metadata={"value": stored}, **options)
        pair.put("differs", b"same")
        pair.post("differs", {"X-Object-Meta-Value": "here"})
        put_as_before(pair, "differs", b"same", Metadata={"value": "there"})
        with counting(proxy) as requests:
            run(daemon)
        assert (requests["PutObject"], requests["CopyObject"]) == (0, 1)
        pair.check_object("differs")


class TestLostProgress:
    #: one listing tells that something is there, one which stored manifests are, one compares; HEADs are for
    #: what listings do not tell
    COMPARED: ClassVar = {"ListObjects": 3, "HeadObject": 3}

    def copy(self, pair: Pair) -> None:
        for name in NAMES:
            pair.put(name, name.encode() * 1000)
        for name in NAMES[:3]:
            pair.post(name, {"X-Object-Meta-Posted": "yes"})

    def test_missing_or_damaged_status_file_costs_one_comparison(
        self, swift: SwiftCluster, s3api: Store, proxy: FaultProxy, new_daemon: NewDaemon
    ) -> None:
        damage = [None, b"", b'{"cut', b"[]"]
        pairs = [new_pair(swift, s3api.behind(proxy.endpoint)) for _ in damage]
        daemon = new_daemon(*pairs)
        for pair in pairs:
            self.copy(pair)
        wait_for_younger_copies()
        run(daemon)
        for pair, content in zip(pairs, damage, strict=True):
            status_file(daemon, pair).unlink()
            if content is not None:
                status_file(daemon, pair).write_bytes(content)
        with counting_each(proxy) as each:
            run(daemon)
        assert each == {pair.bucket: self.COMPARED for pair in pairs}
        for pair, content in zip(pairs, damage, strict=True):
            pair.check()
            path = status_file(daemon, pair)
            if content is not None:
                assert path.with_name(path.name + ".corrupted.1").read_bytes() == content
            assert json.loads(path.read_text())

    def test_missing_or_damaged_journal_costs_one_comparison(
        self, pair: Pair, daemon: SyncDaemon, proxy: FaultProxy
    ) -> None:
        self.copy(pair)
        wait_for_younger_copies()
        run(daemon)
        for path in daemon.status_dir.glob(".journal*"):
            path.unlink()
        with counting(proxy) as requests:
            run(daemon)
        assert requests == self.COMPARED
        (daemon.status_dir / ".journal.sqlite").write_bytes(b"not a database" * 1000)
        with counting(proxy) as requests:
            run(daemon)
        assert requests == self.COMPARED
        assert (daemon.status_dir / ".journal.sqlite.corrupted.1").exists()
        pair.check()

    def test_lost_progress_with_changes_sends_only_the_changes(
        self, pair: Pair, daemon: SyncDaemon, proxy: FaultProxy
    ) -> None:
        self.copy(pair)
        run(daemon)
        for path in daemon.status_dir.rglob("*"):
            if path.is_file():
                path.unlink()
        pair.put(NAMES[5], b"changed")
        pair.put("new")
        pair.delete(NAMES[6])
        pair.put(NAMES[7], NAMES[7].encode() * 1000, {"X-Object-Meta-Same-Bytes": "other metadata"})
        with counting(proxy) as requests:
            run(daemon)
        assert (requests["PutObject"], requests["CopyObject"], requests["DeleteObjects"]) == (2, 1, 1)
        pair.check()
