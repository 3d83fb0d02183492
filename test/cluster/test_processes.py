"""Child processes, ports and scratch directories of the test servers leave nothing behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from servers import side_xattr
from servers.process import Child, ReservedPort, ServerError, python_module, wait_until
from servers.scratch import ScratchDir, sweep
from servers.swift import SwiftCluster

StartSwift = Callable[[SwiftCluster], SwiftCluster]


class TestProcesses:
    def test_a_server_that_ends_at_once_shows_its_log(self, tmp_path: Path) -> None:
        child = Child("broken", ["sh", "-c", "echo why it failed; exit 3"], tmp_path / "log")
        child.start()
        with pytest.raises(ServerError, match=r"(?s)ended with 3.*why it failed"):
            child.wait_ready(lambda: False)

    def test_a_server_that_never_listens_is_stopped(self, tmp_path: Path) -> None:
        child = Child("slow", ["sleep", "60"], tmp_path / "log")
        child.start()
        with pytest.raises(ServerError, match=r"not within 0.2 s"):
            child.wait_ready(lambda: False, seconds=0.2)
        assert not child.running

    def test_a_server_that_ignores_the_signal_is_killed(self, tmp_path: Path) -> None:
        child = Child(
            "stubborn", ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"], tmp_path / "log"
        )
        child.start()
        child.wait_ready(lambda: b"up" in child.log.read_bytes())
        child.stop(grace=0.2)
        assert child.wait(0) == -signal.SIGKILL

    def test_children_of_a_killed_parent_end(self, tmp_path: Path, swift: SwiftCluster) -> None:
        code = (
            "import sys, time; from servers.rclone import RcloneS3\n"
            "server = RcloneS3().start()\n"
            "print(server.children['rclone'].pid, server.root, flush=True)\n"
            "time.sleep(60)\n"
        )
        environment = swift._child("unused", "unused").environment
        parent = Child(
            "parent", [*python_module("servers")[:1], "-c", code], tmp_path / "log", environment=environment
        )
        parent.start()
        parent.wait_ready(lambda: parent.log.read_bytes().endswith(b"\n"))
        pid, root = parent.log.read_text().split()
        parent.signal(signal.SIGKILL)
        parent.wait(5)
        assert_ends(int(pid))
        assert Path(root).exists()
        sweep(Path(root).parent)
        assert not Path(root).exists()

    def test_sweeping_spares_what_is_in_use_or_kept(self) -> None:
        used, kept = ScratchDir("used"), ScratchDir("kept")
        try:
            kept.keep()
            os.close(kept._lock)
            sweep(used.path.parent)
            assert used.path.exists()
            assert kept.path.exists()
        finally:
            kept._lock = os.open(os.devnull, os.O_RDONLY)
            used.remove()
            kept.remove()

    def test_reserved_port_refuses_until_somebody_listens(self) -> None:
        first, second = ReservedPort(), ReservedPort()
        assert first.port != second.port
        assert not first.accepts()
        first.release()
        second.release()


def assert_ends(pid: int) -> None:
    def ended() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    wait_until(ended, 5, f"process {pid}")


class TestSideXattr:
    def test_round_trip_and_reuse_of_an_inode(self, tmp_path: Path) -> None:
        side = side_xattr.SideXattr(tmp_path / "side")
        side.directory.mkdir()
        file = tmp_path / "file"
        file.write_bytes(b"")
        with pytest.raises(OSError, match="no such attribute"):
            side.getxattr(str(file), "user.swift.metadata")
        side.setxattr(str(file), "user.swift.metadata", bytes(70_000))
        with file.open() as opened:
            side.setxattr(opened, b"user.swift.metadata1", b"more")
        assert side.getxattr(str(file), b"user.swift.metadata") == bytes(70_000)
        assert side.getxattr(str(file), "user.swift.metadata1") == b"more"
        side.setxattr(str(file), "user.swift.metadata", b"fresh")
        with pytest.raises(OSError, match="no such attribute"):
            side.getxattr(str(file), "user.swift.metadata1")
        side.removexattr(str(file), "user.swift.metadata")
        with pytest.raises(OSError, match="no such attribute"):
            side.removexattr(str(file), "user.swift.metadata")

    def test_a_cluster_works_with_it(self, tmp_path: Path, start_server: StartSwift) -> None:
        cluster = start_server(SwiftCluster(root=tmp_path / "cluster"))
        if side_xattr.large_xattrs_work(tmp_path):
            assert not (cluster.root / "xattr").exists()
        client = cluster.client()
        client.put_container("c")
        metadata = {f"X-Object-Meta-{n}": "m" * 250 for n in range(14)}
        client.put_object("c", "o", b"x", headers=metadata)
        client.post_object("c", "o", headers={"X-Object-Meta-New": "only"})
        headers, body = client.get_object("c", "o")
        assert (headers["x-object-meta-new"], body) == ("only", b"x")
        assert "x-object-meta-3" not in headers
