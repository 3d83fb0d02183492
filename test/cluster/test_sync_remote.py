"""What a store asks for, and what it refuses: checksums, credentials, buckets, limits."""

from __future__ import annotations

import base64
import hashlib
import os
import zlib
from datetime import datetime, timedelta

import pytest

from faults.proxy import FaultProxy
from servers.daemon import NewDaemon, SyncDaemon
from servers.operations import counting, operation
from servers.pair import Pair, Store, new_pair
from servers.process import wait_until
from servers.swift import SwiftCluster

SMALL, LARGE = b"small", os.urandom(200_000)
DIGESTS = ("content-md5", "x-amz-checksum-crc32", "x-amz-checksum-crc64nvme", "x-amz-checksum-sha256")
SENT = {
    "md5": "content-md5",
    "none": None,
    "crc32": "x-amz-checksum-crc32",
    "crc64nvme": "x-amz-checksum-crc64nvme",
    "sha256": "x-amz-checksum-sha256",
}
#: what the header of SMALL must hold, computed by nobody of ours; the fifth is known by other tests
VALUES = {
    "content-md5": hashlib.md5(SMALL).digest(),
    "x-amz-checksum-crc32": zlib.crc32(SMALL).to_bytes(4, "big"),
    "x-amz-checksum-sha256": hashlib.sha256(SMALL).digest(),
}


both_stores = pytest.mark.parametrize("store", ["s3api", "moto_store"], indirect=True)


@both_stores
def test_each_checksum_mode_sends_only_its_own_digest(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon
) -> None:
    """Small bodies have the digest in a header, large ones in a trailer, except MD5."""
    pairs = {mode: new_pair(swift, store.behind(proxy.endpoint), checksum=mode) for mode in SENT}
    for pair in pairs.values():
        pair.put("small", SMALL)
        pair.put("large", LARGE)
    daemon = new_daemon(*pairs.values())
    assert daemon.once().returncode == 0, daemon.log_text()
    for mode, pair in pairs.items():
        pair.check()
        sent = {call.path.rpartition("/")[2]: call for call in proxy.calls("PUT", key=pair.bucket)}
        expected = [SENT[mode]] if SENT[mode] else []
        assert [name for name in DIGESTS if name in sent["small"].headers] == expected
        if expected and expected[0] in VALUES:
            assert base64.b64decode(sent["small"].headers[expected[0]]) == VALUES[expected[0]]
        trailer = sent["large"].headers.get("x-amz-trailer")
        assert trailer == (SENT[mode] if mode not in ("md5", "none") else None)
        assert ("content-md5" in sent["large"].headers) == (mode == "md5")


@both_stores
def test_session_token_is_sent_and_signed_in_every_request(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon
) -> None:
    """s3api checks the signature."""
    pair = new_pair(swift, store.behind(proxy.endpoint), aws_session_token="the session's token")
    pair.put("o")
    pair.put("p")
    daemon = new_daemon(pair)
    assert daemon.once().returncode == 0, daemon.log_text()
    pair.post("o", {"X-Object-Meta-New": "yes"})
    pair.delete("p")
    assert daemon.once().returncode == 0, daemon.log_text()
    pair.check()
    kinds = {operation(call) for call in proxy.calls()}
    assert kinds == {"ListObjects", "PutObject", "HeadObject", "CopyObject", "DeleteObjects"}
    assert {call.headers.get("x-amz-security-token") for call in proxy.calls()} == {"the session's token"}
    assert all("x-amz-security-token" in call.headers["authorization"] for call in proxy.calls())


def _logged_at(line: str) -> datetime:
    return datetime.strptime(line[1:24], "%Y-%m-%d %H:%M:%S,%f")


class TestUnusableStore:
    def test_wrong_secret_fails_the_run_and_saves_no_progress(self, pair: Pair, daemon: SyncDaemon) -> None:
        pair.put("o")
        right, pair.mapping["aws_secret"] = pair.mapping["aws_secret"], "a wrong secret"
        assert daemon.once().returncode == 1
        assert "SignatureDoesNotMatch" in daemon.log_text()
        assert daemon.status(pair.swift.account, pair.container) == {}
        pair.mapping["aws_secret"] = right
        assert daemon.once().returncode == 0, daemon.log_text()
        pair.check()

    def test_secret_that_becomes_wrong_journals_changes_until_corrected(
        self, pair: Pair, daemon: SyncDaemon
    ) -> None:
        pair.put("before")
        pair.put("deleted")
        assert daemon.once().returncode == 0
        right, pair.mapping["aws_secret"] = pair.mapping["aws_secret"], "a wrong secret"
        pair.put("meanwhile")
        pair.delete("deleted")
        assert daemon.once().returncode == 1
        waiting = {name: entry[:2] for name, entry in daemon.unsettled().items()}
        assert waiting == dict.fromkeys(("meanwhile", "deleted"), ("retry", "remote_denied"))
        assert sorted(pair.arrived()) == ["before", "deleted"]
        pair.mapping["aws_secret"] = right
        assert daemon.once().returncode == 0, daemon.log_text()
        pair.check()
        assert daemon.unsettled() == {}

    def test_missing_bucket_fails_the_run_until_it_is_created(self, pair: Pair, daemon: SyncDaemon) -> None:
        pair.s3.delete_bucket(Bucket=pair.bucket)
        pair.put("o")
        assert daemon.once().returncode == 1
        assert "NoSuchBucket" in daemon.log_text()
        pair.s3.create_bucket(Bucket=pair.bucket)
        assert daemon.once().returncode == 0, daemon.log_text()
        pair.check()

    def test_bucket_deleted_later_journals_changes_until_recreated(
        self, pair: Pair, daemon: SyncDaemon
    ) -> None:
        pair.put("first")
        assert daemon.once().returncode == 0
        pair.s3.delete_object(Bucket=pair.bucket, Key=pair.prefix + "first")
        pair.s3.delete_bucket(Bucket=pair.bucket)
        pair.put("second")
        assert daemon.once().returncode == 1
        assert daemon.unsettled()["second"][:2] == ("retry", "remote_not_found")
        pair.s3.create_bucket(Bucket=pair.bucket)
        assert daemon.once().returncode == 0, daemon.log_text()
        assert pair.arrived() == ["second"]

    def test_refused_connection_fails_the_run_until_corrected(self, pair: Pair, daemon: SyncDaemon) -> None:
        pair.put("o")
        right, pair.mapping["aws_endpoint"] = pair.mapping["aws_endpoint"], "http://127.0.0.1:9"
        assert daemon.once().returncode == 1
        pair.mapping["aws_endpoint"] = right
        assert daemon.once().returncode == 0, daemon.log_text()
        pair.check()

    def test_running_daemon_recovers_when_the_store_is_back(
        self, swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
    ) -> None:
        with FaultProxy.before(s3api.endpoint) as proxy:
            pair = new_pair(swift, s3api.behind(proxy.endpoint))
            daemon = new_daemon(pair)
            pair.put("before")
            daemon.start()
            wait_until(lambda: pair.arrived() == ["before"], 10, "the first copy")
            proxy.refuse()
            pair.delete("before")
            meanwhile = [f"meanwhile {number}" for number in range(9)]
            for name in meanwhile:
                pair.put(name)
            wait_until(lambda: "next try in" in daemon.log_text(), 30, "a pause of the mapping")
            proxy.accept()
            wait_until(lambda: pair.arrived() == meanwhile, 20, "the changes")
            wait_until(lambda: not daemon.unsettled(), 10, "an empty journal")
            pair.check()
            daemon.stop()
            # the pause began when nothing had got through, however long that took to see
            lines = daemon.log_text().splitlines()
            noticed = next(number for number, line in enumerate(lines) if "next try in" in line)
            assert _logged_at(lines[noticed + 1]) - _logged_at(lines[noticed]) > timedelta(seconds=1)


class TestStoreLimits:
    """Objects that the store cannot hold are not sent, until a client changes them."""

    def test_metadata_the_store_cannot_hold_is_quarantined_unsent(
        self, swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
    ) -> None:
        with FaultProxy.before(s3api.endpoint) as proxy:
            pair = new_pair(swift, s3api.behind(proxy.endpoint))
            daemon = new_daemon(pair)
            pair.put("fits", headers={"X-Object-Meta-A": "a" * 200})
            pair.put("too much", headers={f"X-Object-Meta-{number}": "m" * 250 for number in range(9)})
            pair.put(
                "encoded too much", headers={f"X-Object-Meta-{number}": "ü" * 120 for number in range(8)}
            )
            pair.put("odd name", headers={"X-Object-Meta-Ünï": "x"})
            with counting(proxy) as requests:
                assert daemon.once().returncode == 1
            assert requests == {"ListObjects": 1, "PutObject": 1}
            assert daemon.unsettled() == {
                "too much": ("quarantine", "metadata_too_large", 1),
                "encoded too much": ("quarantine", "metadata_too_large", 1),
                "odd name": ("quarantine", "metadata_name", 1),
            }
            with counting(proxy) as requests:
                assert daemon.once().returncode == 1
            assert requests == {}
            for name in daemon.unsettled():
                pair.post(name, {"X-Object-Meta-Short": "s"})
            assert daemon.once().returncode == 0, daemon.log_text()
            pair.check()
            assert daemon.unsettled() == {}

    def test_metadata_refused_by_the_store_is_journaled_for_retry(
        self, pair: Pair, daemon: SyncDaemon
    ) -> None:
        """Swift's s3api takes values of at most 256 characters, and encoding makes them longer."""
        pair.put("o", headers={"X-Object-Meta-Long": "ü" * 128})
        assert daemon.once().returncode == 1
        assert daemon.unsettled()["o"] == ("retry", "remote_refused", 2)
        assert "Metadata value longer than 256" in daemon.log_text()
        pair.post("o", {"X-Object-Meta-Long": "ü"})
        assert daemon.once().returncode == 0, daemon.log_text()
        pair.check()

    def test_user_metadata_named_like_marks_is_not_taken_for_them(
        self, pair: Pair, daemon: SyncDaemon
    ) -> None:
        forged = {"Swift-Timestamp": "9999999999.00000", "Swift-Etag": "0" * 32, "X-Delete-At": "1"}
        pair.put("o", b"first", {f"X-Object-Meta-{name}": value for name, value in forged.items()})
        assert daemon.once().returncode == 0
        assert pair.landed("o").marks == {
            "swift-timestamp": pair.swift.request("HEAD", pair.container, "o").headers["x-timestamp"]
        }
        pair.put("o", b"second")
        assert daemon.once().returncode == 0
        pair.check()
