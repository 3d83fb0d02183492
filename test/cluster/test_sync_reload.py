"""A daemon whose configuration changes while it runs."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from servers.daemon import NewDaemon
from servers.pair import Pair, Store, new_pair
from servers.process import wait_until
from servers.swift import SwiftCluster


class Running:
    """It begins without mappings."""

    def __init__(self, new_daemon: NewDaemon) -> None:
        self.daemon = new_daemon()
        self.child = self.daemon.start()
        self.says("idle until")

    def says(self, what: str) -> None:
        wait_until(lambda: what in self.daemon.log_text(), 30, what)

    def use(self, *pairs: Pair) -> None:
        """These from now on, asked for by a signal."""
        self.write(*pairs)
        self.child.signal(signal.SIGHUP)

    def write(self, *pairs: Pair) -> None:
        self.daemon.settings["containers"] = [pair.mapping for pair in pairs]
        self.daemon.write()

    def count(self, what: str) -> int:
        return self.daemon.log_text().count(what)


@pytest.fixture
def running(new_daemon: NewDaemon) -> Running:
    return Running(new_daemon)


def write_secret(path: Path, secret: str) -> dict[str, Any]:
    other = path.with_name("other")
    other.write_text(secret)
    other.chmod(0o600)
    os.replace(other, path)
    return {"file": str(path)}


def arrives(pair: Pair, name: str) -> None:
    wait_until(lambda: name in pair.arrived(), 30, f"arrival of {name}")


@pytest.mark.ends_in_the_middle
def test_changed_configuration_and_secret_files_are_applied(
    swift: SwiftCluster, s3api: Store, running: Running, tmp_path: Path
) -> None:
    """A mapping is added with a wrong key, which is corrected; then the configuration is damaged."""
    pair = new_pair(swift, s3api)
    right = pair.mapping["aws_secret"]
    pair.mapping["aws_secret"] = write_secret(tmp_path / "secret", "wrong")
    pair.put("o1")
    running.write(pair)
    running.says("Failed to process")
    write_secret(tmp_path / "secret", right)
    arrives(pair, "o1")
    running.daemon.config.write_text("{")
    running.says("the running configuration is unchanged")
    pair.put("o2")
    arrives(pair, "o2")
    running.use(pair)
    running.says("(0 new, 0 removed, 0 changed)")
    assert right not in running.daemon.log_text()
    assert running.daemon.unsettled() == {}


def test_reload_adds_changes_and_removes_mappings(
    swift: SwiftCluster, s3api: Store, running: Running
) -> None:
    first, second = new_pair(swift, s3api), new_pair(swift, s3api)
    first.put("o1")
    second.put("o1")
    running.use(first)
    arrives(first, "o1")

    # another policy starts nothing over; another mapping begins
    first.mapping["exclude_pattern"] = "^tmp/"
    running.use(first, second)
    arrives(second, "o1")
    for name in ("tmp/x", "o2"):
        first.put(name)
    arrives(first, "o2")
    assert first.arrived() == ["o1", "o2"]
    assert (running.count("Nothing is stored yet"), running.count("Comparing")) == (2, 0)

    # another destination begins with a listing, and the old one is left as it is
    moved = Pair(first.swift, first.store, first.container, exclude_pattern="^tmp/")
    moved.s3.create_bucket(Bucket=moved.bucket)
    running.use(moved, second)
    arrives(moved, "o2")
    assert moved.arrived() == first.arrived() == ["o1", "o2"]

    # what is taken out gets nothing more, and goes on where it was when it comes back
    running.use(second)
    running.says("(0 new, 1 removed, 0 changed)")
    first.put("o3")
    second.put("o2")
    arrives(second, "o2")
    assert moved.arrived() == ["o1", "o2"]
    begun = running.count("Nothing is stored yet")
    running.use(moved, second)
    arrives(moved, "o3")
    assert (running.count("Nothing is stored yet"), running.count("Comparing")) == (begun, 0)
    assert "Traceback" not in running.daemon.log_text()
    assert running.daemon.unsettled() == {}
