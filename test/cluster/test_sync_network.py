"""How the store is reached, and with which credentials: the daemon over real servers that look at it."""

from __future__ import annotations

import json
import time
from collections import Counter

import pytest

from faults.proxy import Exchange, FaultProxy, answers, passes
from servers.daemon import NewDaemon
from servers.operations import operation
from servers.pair import Store, new_pair, sync
from servers.process import wait_until
from servers.scripted_s3 import Answer, ScriptedS3
from servers.swift import SwiftCluster

MIB = 1 << 20
#: what must not matter to a mapping that says everything itself
SURROUNDINGS = {
    "HTTP_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
    "AWS_ACCESS_KEY_ID": "another",
    "AWS_SECRET_ACCESS_KEY": "another",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_DEFAULT_REGION": "mars-1",
}


@pytest.mark.parametrize("store", ["s3api"], indirect=True)
def test_virtual_addressing_through_a_proxy_is_signed_correctly(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon
) -> None:
    """Signatures cover the host's name, and this store checks them."""
    pair = new_pair(swift, store, aws_endpoint="http://s3.test", addressing_style="virtual")
    url = proxy.endpoint.replace("http://", "http://user:p%40ss@")
    daemon = new_daemon(pair, http_proxy=url)
    daemon.environment |= SURROUNDINGS
    pair.put("small", b"x", {"X-Object-Meta-A": "b"})
    pair.put("ü large", bytes(3 * MIB))
    sync(daemon, pair)
    pair.post("small", {"X-Object-Meta-A": "c"})
    pair.delete("ü large")
    sync(daemon, pair)
    assert pair.arrived() == ["small"]
    pair.check()
    calls = proxy.calls()
    assert {call.headers["host"] for call in calls} == {f"{pair.bucket}.s3.test"}
    assert {call.headers["proxy-authorization"] for call in calls} == {"Basic dXNlcjpwQHNz"}
    assert {operation(call) for call in calls} >= {"PutObject", "CopyObject", "ListObjects"}
    assert "p%40ss" not in daemon.log_text()


class Role(ScriptedS3):
    """Gives out credentials for a container, other ones every half second, which last for LIFETIME."""

    PERIOD, LIFETIME = 0.5, 5.0

    def __init__(self) -> None:
        super().__init__()
        self.started = time.time()

    @property
    def number(self) -> int:
        return int((time.time() - self.started) / self.PERIOD)

    def next_answer(self) -> Answer:
        soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + self.LIFETIME))
        keys = {"AccessKeyId": f"ROLE{self.number}", "SecretAccessKey": "s", "Token": "t", "Expiration": soon}
        return Answer(200, {"Content-Type": "application/json"}, json.dumps(keys).encode())


@pytest.mark.parametrize("store", ["moto_store"], indirect=True)
def test_role_credentials_are_renewed_before_they_expire(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon
) -> None:
    """As with AWS itself; the proxy refuses credentials that have expired."""
    pair = new_pair(
        swift,
        store,
        aws_endpoint="http://s3.us-east-1.amazonaws.com",
        aws_identity=None,
        aws_secret=None,
        region="us-east-1",
    )
    used: Counter[str] = Counter()
    with Role() as role:

        def guard(exchange: Exchange) -> None:
            key = exchange.call.headers["authorization"].split("Credential=ROLE")[1].split("/")[0]
            used[key] += 1
            fresh = int(key) >= role.number - role.LIFETIME / role.PERIOD
            assert exchange.call.headers["x-amz-security-token"] == "t"
            (passes if fresh else answers(403, "ExpiredToken"))(exchange)

        proxy.when(guard)
        daemon = new_daemon(pair, http_proxy=proxy.endpoint)
        daemon.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"{role.endpoint}/role"
        pair.put("first", bytes(200_000))
        sync(daemon, pair)
        for number in range(2):
            seen = role.number
            wait_until(lambda seen=seen: role.number > seen + 9, 30, "other credentials")
            pair.put(f"later{number}", b"%d" % number, {"X-Object-Meta-A": "b"})
            pair.post("first", {"X-Object-Meta-N": f"{number}"})
            sync(daemon, pair)
    pair.check()
    assert len(used) >= 3
    assert {call.headers["host"] for call in proxy.calls()} == {f"{pair.bucket}.s3.us-east-1.amazonaws.com"}
    assert not [call for call in proxy.calls() if call.status in (0, 403)], "nothing was signed with old ones"
    there = pair.s3.head_object(Bucket=pair.bucket, Key=f"{pair.prefix}later0")
    assert there["ServerSideEncryption"] == "AES256"
    large = next(call for call in proxy.calls("PUT", key="first"))
    assert large.headers["x-amz-content-sha256"].startswith("STREAMING-AWS4"), "plain http: chunks are signed"


@pytest.mark.parametrize("store", ["moto_store"], indirect=True)
def test_throttling_store_slows_all_workers_and_loses_nothing(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon
) -> None:
    allowed, count = 40, 160
    taken: list[float] = []

    def limited(exchange: Exchange) -> None:
        now = time.monotonic()
        taken[:] = [moment for moment in taken if moment > now - 1.0]
        if len(taken) >= allowed:
            answers(503, "SlowDown")(exchange)
            return
        taken.append(now)
        passes(exchange)

    proxy.when(limited)
    pair = new_pair(swift, store.behind(proxy.endpoint))
    for number in range(count):
        pair.put(f"o{number:03}")
    daemon = new_daemon(pair, workers=16)
    assert daemon.once().returncode == 0, daemon.log_text()
    assert len(pair.arrived()) == count
    refused = sum(call.status == 0 for call in proxy.calls())
    print(f"{refused} of {len(proxy.calls())} requests refused")
    assert 0 < refused < count / 3
    assert daemon.log_text().count("throttles requests: slowing down") == 1
    assert "Failed" not in daemon.log_text()
    assert daemon.unsettled() == {}


@pytest.mark.parametrize("store", ["s3api", "rclone_store"], indirect=True)
def test_conditional_put_is_used_only_if_the_store_honours_it(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon
) -> None:
    """The daemon tries the conditions first; s3api knows one of them, rclone none."""
    pair = new_pair(swift, store.behind(proxy.endpoint), conditional_put=True)
    daemon = new_daemon(pair)
    pair.put("old")
    sync(daemon, pair)
    before = len(proxy.calls())
    pair.put("new")
    pair.put("old", b"other bytes")
    sync(daemon, pair)
    pair.check()
    puts = [call for call in proxy.calls("PUT", since=before) if operation(call) == "PutObject"]
    conditional = {call.path.rsplit("/", 1)[1] for call in puts if call.headers.get("if-none-match") == "*"}
    assert conditional == ({"new", "old"} if store.name == "s3api" else set())
    assert ("ignores If-None-Match" in daemon.log_text()) == (store.name != "s3api")
    assert sorted(pair.arrived()) == ["new", "old"], "and nothing else was left"
