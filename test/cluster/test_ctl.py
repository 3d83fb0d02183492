"""`swift-s3-ctl`, beside a running daemon and without one."""

from __future__ import annotations

import json
import subprocess
import time
from typing import Any

import pytest

from faults.proxy import FaultProxy, answers
from servers.daemon import EXECUTABLE, NewDaemon, SyncDaemon
from servers.landed import key_prefix
from servers.pair import IMPOSSIBLE, Pair, Store, new_pair
from servers.process import wait_until
from servers.swift import SwiftCluster


@pytest.fixture
def store(rclone_store: Store) -> Store:
    """The fastest of the stores."""
    return rclone_store


def asked(daemon: SyncDaemon, *arguments: str, code: int = 0) -> Any:
    done = daemon.ctl(*arguments, "--json")
    assert (done.returncode, done.stderr) == (code, ""), done
    return json.loads(done.stdout)


def of_first(daemon: SyncDaemon, code: int = 0) -> Any:
    return asked(daemon, "status", code=code)["mappings"][0]


def test_refused_object_is_shown_and_copied_after_failed_retry(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon
) -> None:
    pair = new_pair(swift, store.behind(proxy.endpoint))
    label = f"{pair.swift.account}/{pair.container}"
    daemon = new_daemon(pair)
    pair.put("good", b"1")
    pair.put("refused", b"123")
    proxy.when(answers(403, "AccessDenied"), method="PUT", key="refused")
    daemon.start()
    wait_until(lambda: pair.arrived() == ["good"] and bool(daemon.unsettled()), 30, "all but one")
    found = of_first(daemon, code=3)
    assert found["state"] in ("retrying", "troubled")
    assert (found["retrying"], found["objects_pending"], found["bytes_pending"]) == (1, 1, 3)
    assert (found["rows_behind"], found["databases"]) == (0, 1)
    assert found["reasons"] == {"remote_denied": 1}
    [failure] = asked(daemon, "failed", code=3)["failures"]
    assert (failure["name"], failure["state"], failure["reason"]) == ("refused", "retry", "remote_denied")
    explained = asked(daemon, "explain", f"{label}/refused", code=3)
    [of_mapping] = explained["mappings"]
    assert (explained["local"]["state"], explained["local"]["size"]) == ("present", 3)
    assert (of_mapping["bytes_in"], of_mapping["remote"]["state"]) == ("swift", "absent")
    assert of_mapping["failure"]["next_try"] > time.time() + 5
    [row] = of_mapping["rows"]
    assert (row["own"], row["position"], row["row"] <= row["cursor"]) == (True, "handled", True)
    proxy.heal()
    assert asked(daemon, "failed", label, "--retry") == {"retried": 1}
    wait_until(lambda: "refused" in pair.arrived(), 20, "the one that failed")  # its own time is later
    wait_until(lambda: daemon.unsettled() == {}, 10, "nothing that fails")
    assert of_first(daemon)["state"] == "in sync"


def test_paused_mapping_copies_nothing_over_a_restart_until_resume(pair: Pair, daemon: SyncDaemon) -> None:
    daemon.start()
    pair.put("before")
    wait_until(lambda: pair.arrived() == ["before"], 20, "the first object")
    assert asked(daemon, "pause", "0")["changed"]
    wait_until(lambda: "paused by the operator" in daemon.log_text(), 20, "the pause")
    pair.put("new", b"12345")
    found = of_first(daemon)
    assert (found["state"], found["objects_pending"], found["bytes_pending"]) == ("paused", 1, 5)
    daemon.stop()
    daemon.start()
    wait_until(lambda: daemon.log_text().count("paused by the operator") == 2, 20, "the pause again")
    assert pair.arrived() == ["before"]
    assert asked(daemon, "resume", f"{pair.swift.account}/{pair.container}")["changed"]
    wait_until(lambda: pair.arrived() == ["before", "new"], 20, "the object that waited")


def test_reset_by_prefix_sends_only_missing_copies_below_it(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon
) -> None:
    pair = new_pair(swift, store.behind(proxy.endpoint))
    daemon = new_daemon(pair)
    names = [f"{folder}/{number}" for folder in "ab" for number in range(5)]
    for name in names:
        pair.put(name, name.encode())
    daemon.start()
    wait_until(lambda: pair.arrived() == names, 30, "all")
    prefix = key_prefix(pair.swift.account, pair.container)
    for name in ("a/1", "b/1", "b/2"):
        pair.s3.delete_object(Bucket=pair.bucket, Key=prefix + name)
    seen = len(proxy.calls())
    planned = asked(daemon, "reset", "0", "--prefix", "b/", "--dry-run")
    assert (planned["objects"], planned["bytes"], planned["deletes"]) == (5, 15, 0)
    asked(daemon, "reset", "0", "--prefix", "b/")
    wait_until(lambda: "b/1" in pair.arrived() and "b/2" in pair.arrived(), 20, "what was lost")
    wait_until(lambda: of_first(daemon)["rows_resetting"] is None, 20, "the end of the reset")
    assert sorted(proxy.stored(seen)) == [f"/{pair.bucket}/{prefix}b/{number}" for number in (1, 2)]
    assert "a/1" not in pair.arrived()
    asked(daemon, "reset", "0")
    wait_until(lambda: "a/1" in pair.arrived(), 20, "the rest")
    pair.check()


def test_commands_without_daemon_take_effect_at_its_next_start(pair: Pair, daemon: SyncDaemon) -> None:
    label = f"{pair.swift.account}/{pair.container}"
    pair.put("o", b"123")
    pair.put("impossible", b"x", IMPOSSIBLE)
    daemon.write()
    done = daemon.ctl("pause", label)
    assert done.returncode == 1
    assert done.stderr.endswith("does not exist: no daemon has run on this node\n")
    header, line = daemon.ctl("status").stdout.splitlines()
    assert header.split("\t")[:6] == ["no", "mapping", "destination", "state", "rows behind", "pending"]
    assert line.split("\t")[3:7] == ["behind", "2", "2", "4 B"]
    assert not daemon.status_dir.exists()
    daemon.once()
    done = daemon.ctl("failed")
    assert done.returncode == 3
    [_, line] = done.stdout.splitlines()
    assert line.split("\t")[2:6] == ["impossible", "copy", "quarantine", "metadata_name"]
    assert daemon.ctl("failed", "--forget").returncode == 2  # nobody can answer
    assert daemon.ctl("failed", "--forget", "--yes").stdout == "1 objects were forgotten.\n"
    pair.s3.delete_object(Bucket=pair.bucket, Key=key_prefix(pair.swift.account, pair.container) + "o")
    assert "when the daemon is started" in daemon.ctl("reset", label).stdout
    daemon.once()
    assert pair.arrived() == ["o"]
    assert set(daemon.unsettled()) == {"impossible"}  # the reset has found it again


def test_installed_command_shows_status_and_rejects_unknown_mapping(pair: Pair, daemon: SyncDaemon) -> None:
    pair.put("o", b"123")
    command = [EXECUTABLE.with_name("swift-s3-ctl"), "--config", daemon.write(), "status", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (3, "")  # the daemon does not run
    found = json.loads(done.stdout)
    assert found["daemon"]["running"] is False
    assert found["mappings"][0]["objects_pending"] == 1
    assert pair.mapping["aws_secret"] not in done.stdout
    done = daemon.ctl("resume", "nobody/nothing")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("swift-s3-ctl: there is no usable mapping nobody/nothing")


class TestRestore:
    @pytest.fixture
    def archived(
        self, swift: SwiftCluster, moto_store: Store, new_daemon: NewDaemon
    ) -> tuple[Pair, SyncDaemon]:
        """Three objects in GLACIER."""
        pair = new_pair(swift, moto_store, storage_class="GLACIER")
        daemon = new_daemon(pair)
        pair.put("a/1", b"1")
        pair.put("a/2", b"22")
        pair.put("b", b"333")
        assert daemon.once().returncode == 0
        return pair, daemon

    def test_dry_run_then_restore_then_readable(self, archived: tuple[Pair, SyncDaemon]) -> None:
        pair, daemon = archived
        label = f"{pair.swift.account}/{pair.container}"
        plan = asked(daemon, "restore", label, "--dry-run", "--tier", "Bulk")
        assert (plan["objects"]["GLACIER"], plan["tier"], plan["days"]) == (3, "Bulk", 7)
        refused = daemon.ctl("restore", label)
        assert (refused.returncode, "add --yes" in refused.stderr) == (2, True)
        [found] = asked(daemon, "explain", f"{label}/a/1")["mappings"]
        remote = found["remote"]
        assert (remote["storage_class"], remote["archived"], remote["retrieved_until"]) == (
            "GLACIER", True, None,
        )  # fmt: skip
        done = daemon.ctl("restore", label, "--yes", "--days", "2", "--prefix", "a/")
        assert (done.returncode, done.stderr) == (0, "")
        assert "2 objects requested: begun 2" in done.stdout
        [found] = asked(daemon, "explain", f"{label}/a/1")["mappings"]
        assert not found["remote"]["archived"]
        assert found["remote"]["retrieved_until"] == pytest.approx(time.time() + 2 * 86400, abs=86400)
        told = daemon.ctl("explain", f"{label}/a/1").stdout
        assert "GLACIER: retrieved, can be read until" in told
        assert "GLACIER: the object cannot be read before" in daemon.ctl("explain", f"{label}/b").stdout
        again = daemon.ctl("restore", label, "--yes")
        assert "3 objects requested: begun 1, readable 2" in again.stdout
