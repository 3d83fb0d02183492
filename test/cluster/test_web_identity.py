"""Keys for a web identity, as pods of Kubernetes have them: the daemon and the middleware, over a strict STS
and a store that admits nothing but its keys."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from faults.proxy import FaultProxy
from servers.daemon import NewDaemon
from servers.pair import Store, new_pair, sync
from servers.process import wait_until
from servers.server import AnyServer
from servers.shunted import SOON, Archive, Shunted
from servers.sts import Sts
from servers.swift import SwiftCluster

#: seconds that keys last
LIFETIME = 4.0
MODULE = "s3_sync.providers.s3.ambient_credentials"
#: a mapping whose keys are nowhere in its configuration
NO_KEYS = {"aws_identity": None, "aws_secret": None, "dialect": {"ambient_credentials": True}}


def leaked(sts: Sts, *texts: str) -> list[str]:
    return [secret for secret in sts.secrets if any(secret in text for text in texts)]


@pytest.mark.parametrize("store", ["moto_store"], indirect=True)
def test_daemon_renews_keys_with_the_current_token_while_it_works(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon, tmp_path: Path
) -> None:
    """It takes as long as the first keys last."""
    pair = new_pair(swift, store.behind(proxy.endpoint), **NO_KEYS)
    with Sts(tmp_path, LIFETIME) as sts:
        proxy.when(sts.guard)
        daemon = new_daemon(pair)
        daemon.environment |= sts.environment
        daemon.alter(
            values={f"{MODULE}:SHORT_INTERVAL": 0.25},
            pauses={"s3_sync.sync.app:_retry_pause": 0.5, "s3_sync.daemon.job_backoff:backoff_delay": 0.5},
        )
        pair.put("first", bytes(200_000))
        daemon.start("--log-level", "debug")
        sync(daemon, pair)
        rounds = 0
        while time.time() < sts.issued[sts.used[0]].expires:
            sts.rotate()
            pair.put(f"o{rounds}", b"%d" % rounds)
            pair.post("first", {"X-Object-Meta-Round": f"{rounds}"})  # a copy, which the SDK signs
            sync(daemon, pair)
            rounds += 1
        assert len(sts.used) >= 3
        assert sts.refused == []

        sts.rotate(write=False)
        sts.rotate(write=False)
        last = max(keys.expires for keys in sts.issued.values())
        wait_until(lambda: time.time() > last, SOON, "the keys have expired")
        pair.put("late", b"late")
        wait_until(
            lambda: daemon.unsettled().get("late", ("", "", 0))[1] == "remote_credentials", SOON, "late"
        )
        assert set(sts.refused) == {"ExpiredTokenException"}
        sts.rotate()
        wait_until(lambda: "late" in pair.arrived(), SOON, "late arrived")
        pair.check()
        daemon.stop()
        files = [path for path in daemon.directory.rglob("*") if path.is_file()]
        written = [path.read_bytes().decode(errors="replace") for path in files]
        assert leaked(sts, *written) == []
    log = daemon.log_text()
    assert "Cannot renew the keys for the store: AssumeRoleWithWebIdentity: 400 ExpiredTokenException" in log
    assert "AssumeRoleWithWebIdentity) with params" in log, "the SDK has logged its requests"
    assert "Traceback" not in log


@pytest.fixture(scope="module")
def sts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sts]:
    with Sts(tmp_path_factory.mktemp("sts")) as sts:
        yield sts


@pytest.fixture(scope="module")
def cluster(start_server: Callable[[AnyServer], Shunted], sts: Sts) -> Shunted:
    return start_server(Shunted(environment=sts.environment, options={"remote_timeout": 5}))


def test_middleware_reads_with_keys_of_a_web_identity_and_replaces_revoked_ones(
    cluster: Shunted, sts: Sts, moto_store: Store
) -> None:
    with FaultProxy.before(moto_store.endpoint) as remote:
        remote.when(sts.guard)
        archive = Archive(cluster, moto_store.behind(remote.endpoint), **NO_KEYS)
        archive.store("o", b"archived")
        assert archive.get("o").body == b"archived"
        assert archive.get(None).body == b"o\n"
        assert (len(sts.used), sts.refused) == (1, [])
        sts.rotate()
        sts.revoke()
        assert archive.get("o").status == 502
        wait_until(lambda: archive.get("o").status == 200, SOON, "other keys")
        assert archive.get(None).body == b"o\n"
    assert (len(sts.used), set(sts.refused)) == (2, {"ExpiredToken"})
    assert leaked(sts, cluster.proxy_log) == []
