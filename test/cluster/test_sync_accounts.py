"""Mappings of whole accounts (``/*``)."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from servers.daemon import NewDaemon, SyncDaemon
from servers.landed import key_prefix, keys
from servers.pair import Pair, Store, new_pair
from servers.process import wait_until
from servers.swift import SwiftCluster

QUICKLY = {
    "s3_sync.sync.account_crawl:LIST_INTERVAL": 0.2,
    "s3_sync.sync.account_crawl:LIST_REST_FACTOR": 0.0,
}


class Account:
    """An account of its own, mapped to a bucket of its own, with one container to begin with."""

    def __init__(self, swift: SwiftCluster, store: Store, **options: Any) -> None:
        self.pair = new_pair(swift, store, account=f"AUTH_{uuid4().hex}", **options)
        self.swift = self.pair.swift
        self.first = self.pair.container
        self.mapping = {**self.pair.mapping, "container": "/*"}

    def put(self, container: str, *names: str) -> None:
        self.swift.put_container(container)
        for name in names:
            self.swift.put(container, name, name.encode())

    def empty(self, container: str) -> None:
        for name in self.swift.names(container):
            self.swift.delete(container, name)
        self.swift.request("DELETE", container)

    def keys(self, **containers: str) -> list[str]:
        return sorted(
            f"{key_prefix(self.swift.account, container)}{name}"
            for container, names in containers.items()
            for name in names.split()
        )

    def arrives(self, daemon: SyncDaemon, **containers: str) -> None:
        expected = self.keys(**containers)
        wait_until(lambda: keys(self.pair.s3, self.pair.bucket) == expected, 30, f"keys {expected}")


@pytest.fixture
def daemon_of(new_daemon: NewDaemon) -> Any:
    def daemon_of(account: Account, *others: Pair, **settings: Any) -> SyncDaemon:
        daemon = new_daemon(account.pair, *others, **settings)
        daemon.settings["containers"][0] = account.mapping
        return daemon

    return daemon_of


def test_mapping_of_account_follows_new_and_deleted_containers(
    swift: SwiftCluster, s3api: Store, daemon_of: Any
) -> None:
    account = Account(swift, s3api)
    own = Pair(account.swift, s3api, "own").create()
    account.put("a", "1", "2")
    account.put("b", "1")
    own.put("o")
    daemon = daemon_of(account, own, altered={"values": QUICKLY})
    daemon.start()
    account.arrives(daemon, a="1 2", b="1", own="o")
    wait_until(lambda: own.arrived() == ["o"], 10, "the copy of its own mapping")
    account.put("new", "1")
    account.empty("b")
    account.arrives(daemon, a="1 2", new="1", own="o")
    daemon.stop()
    # what is deleted while nobody looks is in no listing any more
    account.empty("new")
    account.swift.delete("a", "1")
    assert daemon.once().returncode == 0, daemon.log_text()
    account.arrives(daemon, a="2", own="o")
    own.check()
    # without the mapping nothing happens at all
    daemon.settings["containers"] = [own.mapping]
    account.empty("a")
    assert daemon.once().returncode == 0
    account.arrives(daemon, a="2", own="o")


def test_broken_database_of_one_container_stops_no_other(
    swift: SwiftCluster, s3api: Store, daemon_of: Any
) -> None:
    account = Account(swift, s3api)
    account.put("bad", "1")
    account.put("good", "1")
    account.swift.names("bad")
    (database,) = swift.container_dir(1, "bad", account.swift.account).glob("*.db")
    aside = database.with_suffix(".aside")
    database.rename(aside)
    database.mkdir()  # which no database is, and which Swift does not put into quarantine
    daemon = daemon_of(account)
    assert daemon.once().returncode == 1
    account.arrives(daemon, good="1")
    assert "Failed to read a database of" in daemon.log_text()
    database.rmdir()
    aside.rename(database)
    assert daemon.once().returncode == 0, daemon.log_text()
    account.arrives(daemon, good="1", bad="1")


def test_move_of_account_takes_segments_but_keeps_versions(
    swift: SwiftCluster, s3api: Store, daemon_of: Any
) -> None:
    """Segments move with their manifest from another container of the account."""
    account = Account(swift, s3api, retain_local=False, propagate_delete=False, segment_containers=["parts"])
    account.put("plain", "o")
    account.put("parts", "p1", "p2", "other")
    account.put("media")
    account.put("media_segments", "alone")
    account.swift.put_container("versions")
    account.swift.put_container("kept", {"X-Versions-Location": "versions"})
    account.swift.put("kept", "o", b"1")
    account.swift.put("kept", "o", b"22")
    manifest = [{"path": f"/parts/{name}"} for name in ("p1", "p2")]
    account.swift.request(
        "PUT", "media", "slo", query="multipart-manifest=put", body=json.dumps(manifest).encode()
    )
    daemon = daemon_of(account)
    assert daemon.once().returncode == 0, daemon.log_text()
    found = keys(account.pair.s3, account.pair.bucket)
    assert [key for key in found if ".manifests/" not in key] == account.keys(
        plain="o", parts="other", media="slo"
    )
    assert (
        account.pair.s3.get_object(Bucket=account.pair.bucket, Key=account.keys(media="slo")[0])[
            "Body"
        ].read()
        == b"p1p2"
    )
    left = {c: account.swift.names(c) for c in ("plain", "parts", "media", "media_segments", "kept")}
    assert left == {"plain": [], "parts": [], "media": [], "media_segments": ["alone"], "kept": ["o"]}
    assert len(account.swift.names("versions")) == 1
    done = daemon.ctl("verify-data", "0", "--pending")
    *told, summary = [line.split("\t") for line in done.stdout.splitlines()]
    [version] = account.swift.names("versions")
    assert (done.returncode, summary) == (0, ["pending: missing 2"])
    assert {line[1] for line in told[:-1]} == {"kept/o", f"versions/{version}"}
    assert all("versioned container" in line[2] for line in told[:-1])
