"""The command as an operator meets it: what it says, where, and with which exit code."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from servers.daemon import EXECUTABLE, SyncDaemon
from servers.pair import IMPOSSIBLE, Pair
from servers.process import wait_until


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """As from an operator's shell, with Python's warnings where the interpreter has them by default."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    command = [str(EXECUTABLE), *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


class TestOutput:
    def test_successful_run_prints_nothing(self, pair: Pair, daemon: SyncDaemon) -> None:
        pair.put("o")
        done = run("--config", daemon.write(), "--once")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        pair.check()
        assert daemon.log.stat().st_mode & 0o777 == 0o640

    def test_console_option_writes_log_lines_to_stderr(self, pair: Pair, daemon: SyncDaemon) -> None:
        pair.put("o")
        del daemon.settings["log_file"]
        done = run("--conf", daemon.write(), "--once", "--console", "--log-l", "debug")
        assert (done.returncode, done.stdout) == (0, "")
        lines = done.stderr.splitlines()
        form = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\] [\w.-]+ \[(DEBUG|INFO)\]: .*")
        assert [line for line in lines if not form.fullmatch(line)] == []
        assert lines[-1].endswith(f"{pair.swift.account}/{pair.container}: scanned 1: copied 1")
        assert " botocore" in done.stderr
        assert not daemon.log.exists()

    def test_converted_configuration_continues_the_progress_of_the_old_one(
        self, pair: Pair, daemon: SyncDaemon
    ) -> None:
        pair.put("o")
        assert daemon.once().returncode == 0
        before = daemon.status(pair.swift.account, pair.container)
        new = daemon.config.with_name("new.json")
        converted = run("--config", daemon.config, "--convert-config", new)
        assert (converted.returncode, converted.stdout, converted.stderr) == (0, "", "")
        assert run("--config", new, "--once").returncode == 0
        assert daemon.log_text().splitlines()[-1].endswith("scanned 0: nothing")
        assert daemon.status(pair.swift.account, pair.container) == before
        pair.put("p")
        assert run("--config", new, "--once").returncode == 0
        assert daemon.log_text().splitlines()[-1].endswith("scanned 1: copied 1")
        pair.check()

    def test_log_level_option_overrides_that_of_the_file(self, pair: Pair, daemon: SyncDaemon) -> None:
        daemon.settings["log_level"] = "warning"
        assert daemon.once().returncode == 0
        assert daemon.log_text() == ""
        assert daemon.once("--log-level", "info").returncode == 0
        assert "scanned 0: nothing" in daemon.log_text()

    def test_hostile_names_do_not_forge_log_lines(self, pair: Pair, daemon: SyncDaemon) -> None:
        pair.put("o\n[2026-01-01 00:00:00,000] s3-sync [ERROR]: forged", headers=IMPOSSIBLE)
        pair.put("bell\a escape\x1b[31m return\r")
        pair.put("bell again\a\x1b", headers=IMPOSSIBLE)
        assert daemon.once().returncode == 1
        text = daemon.log_text()
        assert all(line.startswith("[2") for line in text.splitlines())
        assert not [line for line in text.splitlines() if "]: forged" in line[:60]]
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
        assert len(re.findall("Failed to handle row", text)) == 2


class TestUnusableConfiguration:
    def test_missing_file_exits_with_0_but_fails_check_config(self, tmp_path: Path) -> None:
        """Otherwise its supervisor would restart the daemon again and again."""
        done = run("--config", tmp_path / "none.json")
        assert (done.returncode, done.stdout, done.stderr) == (0, "Configuration file does not exist\n", "")
        done = run("--config", tmp_path / "none.json", "--check-config")
        assert done.returncode == 1
        assert done.stdout.startswith("Configuration file does not exist")

    def test_invalid_json_is_reported_with_line_and_column(self, daemon: SyncDaemon) -> None:
        path = daemon.write()
        path.write_text('{"devices": "/srv/node",\n "items_chunk": 10,,}')
        done = run("--config", path)
        assert (done.returncode, done.stdout) == (1, "")
        assert re.fullmatch(r"swift-s3-sync: line 2, column 20: .*\n", done.stderr)

    def test_all_mistakes_are_reported_at_once(self, daemon: SyncDaemon) -> None:
        daemon.settings |= {"workers": "ten", "poll_interval": -1}
        del daemon.settings["devices"]
        done = run("--config", daemon.write(), "--once")
        assert done.returncode == 1
        lines = done.stderr.splitlines()
        assert all(line.startswith("swift-s3-sync: ") for line in lines)
        for key in ("workers", "poll_interval", "devices"):
            assert [line for line in lines if line.startswith(f"swift-s3-sync: {key}")], key

    def test_missing_log_file_option_is_reported(self, daemon: SyncDaemon) -> None:
        del daemon.settings["log_file"]
        done = run("--config", daemon.write(), "--once")
        assert done.returncode == 1
        assert re.fullmatch("swift-s3-sync: .*log file must be set.*\n", done.stderr)

    @pytest.mark.parametrize("arguments", [[], ["--config", "x", "--sideways"]])
    def test_wrong_arguments_exit_with_2_and_usage(self, arguments: list[str]) -> None:
        done = run(*arguments)
        assert done.returncode == 2
        assert "usage: swift-s3-sync" in done.stderr

    def test_unknown_swift_dir_is_reported_without_traceback(
        self, daemon: SyncDaemon, tmp_path: Path
    ) -> None:
        daemon.settings["swift_dir"] = str(tmp_path / "no swift here")
        done = run("--config", daemon.write(), "--once")
        assert done.returncode == 1
        assert re.fullmatch("swift-s3-sync: .*no swift here.*\n", done.stderr)
        assert "Traceback" not in daemon.log_text()

    def test_unusable_status_dir_is_reported_and_not_created(
        self, daemon: SyncDaemon, tmp_path: Path
    ) -> None:
        """Parent directories are not created: they may belong to a disk that is not mounted."""
        (tmp_path / "file").write_text("in the way")
        for place in ("file", "unmounted"):
            daemon.settings["status_dir"] = str(tmp_path / place / "status")
            done = run("--config", daemon.write(), "--once")
            assert done.returncode == 1
            assert re.fullmatch("swift-s3-sync: status_dir: cannot use .*\n", done.stderr)
        assert not (tmp_path / "unmounted").exists()

    def test_bind_ip_without_a_device_in_the_ring_is_logged(self, daemon: SyncDaemon) -> None:
        daemon.settings["swift_bind_ip"] = "203.0.113.9"
        assert daemon.once().returncode == 0
        assert "no device of the container ring has address 203.0.113.9" in daemon.log_text()


class TestCheckConfig:
    def test_good_configuration_is_shown_without_secrets(self, pair: Pair, daemon: SyncDaemon) -> None:
        done = run("--config", daemon.write(), "--check-config")
        assert (done.returncode, done.stderr) == (0, "")
        for expected in (pair.container, pair.bucket, f'"{pair.prefix}"', pair.store.endpoint):
            assert expected in done.stdout
        assert pair.store.secret not in done.stdout.replace(pair.store.identity, "")
        assert not daemon.status_dir.exists()

    def test_bad_configuration_is_reported_by_key(self, pair: Pair, daemon: SyncDaemon) -> None:
        daemon.settings["containers"] = [
            pair.mapping,
            {**pair.mapping, "copy_after": "soon", "exclude_pattern": "("},
            {**pair.mapping, "container": "another", "custom_prefix": "x" * 2000},
        ]
        done = run("--config", daemon.write(), "--check-config")
        assert (done.returncode, done.stderr) == (1, "")
        for place in ("[1].copy_after", "[1].exclude_pattern", "[2].custom_prefix"):
            assert f"containers{place}" in done.stdout
        assert "1 mapping can be used" in done.stdout


class TestMappings:
    def test_bad_mapping_is_left_out_and_the_others_run(self, pair: Pair, daemon: SyncDaemon) -> None:
        bad = {**pair.mapping, "container": "another", "selection_criteria": {"XOR": []}}
        daemon.settings["containers"] = [bad, pair.mapping]
        pair.put("o")
        assert daemon.once().returncode == 1
        pair.check()
        (line,) = [line for line in daemon.log_text().splitlines() if "[ERROR]" in line]
        assert "Mapping left out: containers[0].selection_criteria" in line

    def test_no_mappings_is_logged_and_exits_with_0(self, daemon: SyncDaemon) -> None:
        daemon.settings["containers"] = []
        done = run("--config", daemon.write(), "--once")
        assert (done.returncode, done.stderr) == (0, "")
        assert "nothing to do" in daemon.log_text()


def test_second_daemon_exits_with_lock_error_and_first_goes_on(pair: Pair, daemon: SyncDaemon) -> None:
    daemon.start()
    pair.put("o")
    wait_until(lambda: pair.arrived() == ["o"], 10, "the copy")
    done = run("--config", daemon.write(), "--once")
    assert done.returncode == 1
    assert re.fullmatch("swift-s3-sync: status_dir: another swift-s3-sync is using .*\n", done.stderr)
    pair.put("p")
    wait_until(lambda: pair.arrived() == ["o", "p"], 10, "the copy")
    daemon.stop()
    assert not (daemon.status_dir / ".journal.sqlite-wal").exists(), (
        "the journal is one file, and can be copied"
    )
    assert daemon.once().returncode == 0
