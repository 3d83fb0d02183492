"""Child processes, ports and scratch directories of the test servers leave nothing behind."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from servers import side_xattr
from servers.forks import ForkServer
from servers.process import Child, ReservedPort, ServerError, child_environment, wait_until
from servers.scratch import ScratchDir, sweep
from servers.swift import ENVIRONMENT, SwiftCluster


class TestProcesses:
    def test_server_that_exits_at_once_raises_error_with_its_log(self, tmp_path: Path) -> None:
        child = Child("broken", ["sh", "-c", "echo why it failed; exit 3"], tmp_path / "log")
        child.start()
        with pytest.raises(ServerError, match=r"(?s)ended with 3.*why it failed"):
            child.wait_ready(lambda: False)

    def test_server_that_never_becomes_ready_is_stopped(self, tmp_path: Path) -> None:
        child = Child("slow", ["sleep", "60"], tmp_path / "log")
        child.start()
        with pytest.raises(ServerError, match=r"not within 0.2 s"):
            child.wait_ready(lambda: False, seconds=0.2)
        assert not child.running

    def test_server_that_ignores_sigterm_is_killed(self, tmp_path: Path) -> None:
        child = Child(
            "stubborn", ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"], tmp_path / "log"
        )
        child.start()
        child.wait_ready(lambda: b"up" in child.log.read_bytes())
        child.stop(grace=0.2)
        assert child.wait(0) == -signal.SIGKILL

    def test_children_of_a_killed_parent_end(self, tmp_path: Path) -> None:
        code = (
            "import sys, time; from servers.rclone import RcloneS3\n"
            "server = RcloneS3().start()\n"
            "print(server.children['rclone'].pid, server.root, flush=True)\n"
            "time.sleep(60)\n"
        )
        parent = Child("parent", [sys.executable, "-c", code], tmp_path / "log", environment=ENVIRONMENT)
        parent.start()
        parent.wait_ready(lambda: parent.log.read_bytes().endswith(b"\n"))
        pid, root = parent.log.read_text().split()
        parent.signal(signal.SIGKILL)
        parent.wait(5)
        assert_ends(int(pid))
        assert Path(root).exists()
        sweep(Path(root).parent)
        assert not Path(root).exists()

    def test_sweep_spares_directories_in_use_or_kept(self) -> None:
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

    def test_reserved_ports_differ_and_refuse_connections(self) -> None:
        first, second = ReservedPort(), ReservedPort()
        assert first.port != second.port
        assert not first.accepts()
        first.release()
        second.release()


@pytest.fixture(scope="module")
def forks() -> ForkServer:
    return ForkServer("time:time", child_environment())


class TestForkServer:
    def test_forked_child_has_own_arguments_environment_and_exit_code(
        self, forks: ForkServer, tmp_path: Path
    ) -> None:
        """Python's `json.tool` has arguments, a directory, output and exit codes."""
        (tmp_path / "in").write_text('{"a": 1}')

        def run(log: str, *arguments: str, **environment: str) -> tuple[int, str]:
            child = Child(
                "json", ["json.tool:main", *arguments], tmp_path / log, environment=environment, forks=forks
            )
            child.start()
            return child.wait(10), child.log.read_text()

        assert run("good", "--compact", "in") == (0, '{"a":1}\n')
        wide, narrow = run("wide", "nothing", COLUMNS="200"), run("narrow", "nothing", COLUMNS="40")
        assert wide[0] == narrow[0] == 2
        assert "No such file" in wide[1]
        assert len(narrow[1].splitlines()) > len(wide[1].splitlines())

    def test_exception_in_child_ends_it_with_code_1_and_traceback(
        self, forks: ForkServer, tmp_path: Path
    ) -> None:
        child = Child("broken", ["json:loads"], tmp_path / "log", forks=forks)
        child.start()
        with pytest.raises(ServerError, match=r"(?s)ended with 1.*TypeError: loads\(\) missing"):
            child.wait_ready(lambda: False)

    def test_signal_ends_only_the_child_it_is_sent_to(self, forks: ForkServer, tmp_path: Path) -> None:
        children = [Child("waits", ["signal:pause"], tmp_path / "log", forks=forks) for _ in range(3)]
        for child in children:
            child.start()
        assert [os.getsid(child.pid) for child in children] == [child.pid for child in children]
        children[0].signal(signal.SIGKILL)
        assert children[0].wait(5) == -signal.SIGKILL
        children[1].stop()
        assert children[1].wait(0) == -signal.SIGTERM
        assert children[2].running
        children[2].stop()

    def test_stop_of_the_fork_server_kills_its_children(self, tmp_path: Path) -> None:
        forks = ForkServer("time:time", child_environment())
        child = Child("waits", ["signal:pause"], tmp_path / "log", forks=forks)
        child.start()
        forks.stop()
        assert child.wait(5) == -signal.SIGKILL
        assert_ends(child.pid)

    def test_target_that_cannot_be_imported_raises_runtime_error(self) -> None:
        forks = ForkServer("json:nothing", child_environment())
        with pytest.raises(RuntimeError, match="no attribute 'nothing'"):
            forks.greet()


def assert_ends(pid: int) -> None:
    def ended() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    wait_until(ended, 5, f"process {pid}")


class TestSideXattr:
    def test_attributes_round_trip_and_new_metadata_drops_the_old_ones(self, tmp_path: Path) -> None:
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

    def test_cluster_on_disk_stores_large_metadata(self) -> None:
        """The disk's file system may take small attributes only; the one in memory takes large ones."""
        with (
            tempfile.TemporaryDirectory(dir="/var/tmp") as directory,
            SwiftCluster(root=Path(directory)) as cluster,
        ):
            if side_xattr.large_xattrs_work(cluster.root):
                assert not (cluster.root / "xattr").exists()
            client = cluster.client()
            client.put_container("c")
            metadata = {f"X-Object-Meta-{n}": "m" * 250 for n in range(14)}
            client.put_object("c", "o", b"x", headers=metadata)
            client.post_object("c", "o", headers={"X-Object-Meta-New": "only"})
            headers, body = client.get_object("c", "o")
        assert (headers["x-object-meta-new"], body) == ("only", b"x")
        assert "x-object-meta-3" not in headers
