"""What leaves the daemon beside the copies: counters, syslog, and never a secret."""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from servers.daemon import NewDaemon, SyncDaemon
from servers.pair import IMPOSSIBLE, Pair, Store, new_pair
from servers.raw_swift import RawSwift
from servers.swift import SwiftCluster


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A UDP socket; what came before it is asked waits in its buffer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        server.settimeout(0.0)
        yield server


def received(listener: socket.socket) -> list[str]:
    packets = []
    while True:
        try:
            packets.append(listener.recv(65536).decode())
        except BlockingIOError:
            return packets


def counters(listener: socket.socket) -> Counter[str]:
    counted: Counter[str] = Counter()
    for packet in received(listener):
        for line in packet.splitlines():
            name, _, value = line.partition(":")
            assert re.fullmatch(r"\d+\|c", value), line
            counted[name] += int(value.removesuffix("|c"))
    return counted


class TestStatsd:
    def test_counters_have_escaped_names_and_exact_numbers(
        self, swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon, listener: socket.socket
    ) -> None:
        raw = RawSwift(swift, "admin:admin", "AUTH_accöunt.x")
        plain = Pair(raw, s3api, "c õnt.ainer").create()
        prefixed = new_pair(swift, s3api, custom_prefix="/myobjïcts/~")
        daemon = new_daemon(
            plain,
            prefixed,
            statsd_host="127.0.0.1",
            statsd_port=listener.getsockname()[1],
            statsd_prefix="1space.sync",
        )
        endpoint = f"http%3A%2F%2F127%2E0%2E0%2E1%3A{s3api.endpoint.rpartition(':')[2]}"
        account = quote(prefixed.swift.account, safe="")
        first = f"1space.sync.{endpoint}.AUTH_acc%C3%B6unt%2Ex.{plain.bucket}.c%20%C3%B5nt%2Eainer"
        bucket = f"{prefixed.bucket}%2F%2Fmyobj%C3%AFcts%2F%7E"
        second = f"1space.sync.{endpoint}.{account}.{bucket}.{prefixed.container}"
        plain.put("a", b"12345")
        plain.put("b", b"")
        plain.put("c", b"1234567")
        prefixed.put("d", b"123")
        assert daemon.once().returncode == 0, daemon.log_text()
        expected = {f"{first}.copied_objects": 3, f"{first}.bytes": 12}
        expected |= {f"{second}.copied_objects": 1, f"{second}.bytes": 3}
        assert counters(listener) == expected
        # a POST is no copy; nothing is counted for what had never been sent
        plain.post("a", {"X-Object-Meta-New": "yes"})
        plain.delete("b")
        plain.put("c", b"new")
        prefixed.delete("d")
        assert daemon.once().returncode == 0, daemon.log_text()
        expected = {f"{first}.copied_objects": 1, f"{first}.bytes": 3, f"{first}.deleted_objects": 1}
        assert counters(listener) == expected | {f"{second}.deleted_objects": 1}
        assert daemon.once().returncode == 0
        assert counters(listener) == {}

    def test_unreachable_statsd_and_syslog_do_not_stop_the_run(self, pair: Pair, daemon: SyncDaemon) -> None:
        daemon.settings |= {"statsd_host": "127.0.0.1", "statsd_port": 9}
        daemon.settings["syslog"] = {"host": "no.such.host.invalid", "proto": "tcp"}
        pair.put("o")
        assert daemon.once().returncode == 0, daemon.log_text()
        pair.check()


def test_syslog_receives_every_line_of_the_log(
    pair: Pair, daemon: SyncDaemon, listener: socket.socket
) -> None:
    daemon.settings["syslog"] = {"host": "127.0.0.1", "port": listener.getsockname()[1], "proto": "udp"}
    pair.put("ü ☃")
    pair.put("impossible", headers=IMPOSSIBLE)
    assert daemon.once().returncode == 1
    packets = received(listener)
    assert [packet.partition(">")[2] for packet in packets] == daemon.log_text().splitlines()
    severities = {packet.partition(">")[0][1:] for packet in packets}
    assert severities == {"14", "11"}  # facility user: info and error


class TestRunSummary:
    def test_scanned_equals_the_sum_of_all_outcomes(
        self, swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
    ) -> None:
        pair = new_pair(
            swift,
            s3api,
            exclude_pattern="tmp",
            selection_criteria={"NOT": {"x-object-meta-hold": "yes"}},
            copy_after=1000,
        )
        daemon = new_daemon(pair, altered={"clock": 2000})
        for name in ("posted", "deleted", "overwritten"):
            pair.put(name)
        assert daemon.once().returncode == 0, daemon.log_text()
        pair.post("posted", {"X-Object-Meta-New": "yes"})
        pair.delete("deleted")
        pair.put("overwritten", b"new")
        pair.put("tmp excluded")
        pair.put("held", headers={"X-Object-Meta-Hold": "yes"})
        pair.put("never copied")
        pair.delete("never copied")
        pair.put("impossible", headers=IMPOSSIBLE)
        pair.put("refused", headers={"X-Object-Meta-Long": "ü" * 128})
        assert daemon.once().returncode == 1
        summary = daemon.log_text().splitlines()[-1].partition(": scanned ")[2]
        scanned, _, kinds = summary.partition(": ")
        kinds = kinds.partition(" (")[0]
        counted = {kind: int(number) for kind, number in (each.split(" ") for each in kinds.split(", "))}
        assert int(scanned) == sum(counted.values())
        assert counted == {"copied": 1, "updated": 1, "deleted": 2, "skipped": 2, "pending": 2, "failed": 1}


class TestSecrets:
    """Secrets are in the configuration, and in no other file, line, packet or report."""

    SECRET = "se+cr/et=4u%2F"
    TOKEN = "t0ken s3cr3t+/="
    PASSWORD = "pr0xypassw0rd"

    def test_secrets_are_in_no_output_file_or_packet(
        self, swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon, listener: socket.socket
    ) -> None:
        secret, token, password = self.SECRET, self.TOKEN, self.PASSWORD
        good = new_pair(swift, s3api)
        denied = new_pair(swift, s3api)
        denied.mapping["aws_secret"] = secret
        denied.mapping["aws_session_token"] = token
        bad = {
            **denied.mapping,
            "container": "elsewhere",
            "aws_endpoint": f"http://me:{password}@127.0.0.1:9",
        }
        daemon = new_daemon(good, denied, workers=2)
        daemon.settings["containers"].append(bad)
        daemon.settings["https_proxy"] = f"http://user:{password}@127.0.0.1:9"
        daemon.settings["syslog"] = {"host": "127.0.0.1", "port": listener.getsockname()[1]}
        for pair in (good, denied):
            pair.put("o")
            pair.put("impossible", headers=IMPOSSIBLE)
        done = daemon.once("--log-level", "debug")
        assert done.returncode == 1
        assert "SignatureDoesNotMatch" in daemon.log_text()
        # progress first, so that objects fail and are journaled with what the store said
        daemon.settings["containers"] = [good.mapping]
        assert daemon.once().returncode == 1
        daemon.settings["containers"] = [{**good.mapping, "aws_secret": secret}]
        good.put("p")
        again = daemon.once("--log-level", "debug")
        assert daemon.unsettled()["p"][:2] == ("retry", "remote_denied")
        checked = daemon.once("--check-config")
        everything = [done.stdout, done.stderr, again.stdout, again.stderr, checked.stdout, checked.stderr]
        everything += received(listener)
        everything += [
            path.read_bytes().decode("utf-8", "replace")
            for path in daemon.directory.rglob("*")
            if path.is_file() and path != daemon.config
        ]
        for each in (secret, token, password):
            for form in (each, quote(each), quote(each, safe="")):
                assert not [text for text in everything if form in text], form
        # the right secret of `good` is a word of its own in none of them either
        assert not [text for text in everything if re.search(rf"(?<!\w){good.store.secret}(?!\w)", text)]
