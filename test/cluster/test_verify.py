"""``swift-s3-verify`` with real stores, odd ones, and none at all."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from faults.proxy import FaultProxy, answers, stalls
from s3_sync.providers.wrappers.retry import RetryPolicy
from s3_sync.verify import main as program
from servers.odd_store import OddStore
from servers.pair import Store
from servers.verify import EXECUTABLE, Verified, sends

#: requests after which a process is killed; ``bin/prove verify`` takes each one
KILLED_AT = (4, 23, 57, 120, 210)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "RETRIES", RetryPolicy(attempts=2, base=0.01))


@pytest.fixture
def verified(store: Store, tmp_path: Path) -> Verified:
    return Verified.new(store, tmp_path)


@pytest.mark.parametrize("store", ["s3api", "moto_store", "rclone_store"], indirect=True)
def test_store_that_works_is_left_as_it_was(verified: Verified, capsys: pytest.CaptureFixture[str]) -> None:
    assert verified.run("--quick") == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "FAILED" not in captured.out
    assert verified.is_clean()


@pytest.mark.parametrize("store", ["rclone_store"], indirect=True)
def test_dialect_that_is_found_is_the_one_that_is_needed(
    verified: Verified, capsys: pytest.CaptureFixture[str]
) -> None:
    """As an unknown store, and with what was found in the credentials."""
    assert verified.run("--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["needed"] == {"dialect": {"copies_parts": False}}
    dialect = json.dumps(found["advised"]["dialect"])
    assert verified.run("--json", "--option", f"dialect={dialect}") == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["needed"], again["advised"]) == ({}, {})
    assert verified.is_clean()


@pytest.mark.parametrize("store", ["rclone_store"], indirect=True)
@pytest.mark.parametrize("request_number", KILLED_AT)
def test_run_after_a_kill_leaves_the_store_as_it_was(
    verified: Verified, request_number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verified.kill_at(request_number)
    assert verified.run("--quick") == 0
    capsys.readouterr()
    assert verified.is_clean()


@pytest.mark.parametrize("store", ["rclone_store", "s3api"], indirect=True)
@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--password", "wrong secret", "Unexpected status code checking PUT: 403 Forbidden: "),
        ("--username", "nobody", "Unexpected status code checking PUT: 403 Forbidden: "),
        ("--bucket", "missing-bucket", "Unexpected status code checking PUT: 404 Not Found: "),
        ("--endpoint", "http://127.0.0.1:9", "Unexpected status code checking PUT: "),
        ("--endpoint", "https://127.0.0.1:9", "Unexpected status code checking PUT: "),
        ("--endpoint", "http://no-such-host.invalid", "Unexpected status code checking PUT: "),
    ],
)
def test_store_that_cannot_be_used_has_one_line(
    verified: Verified, option: str, value: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verified.run(option, value) == 1
    captured = capsys.readouterr()
    [line] = captured.err.splitlines()
    assert line.startswith(told)
    assert captured.out == ""
    assert verified.store.secret not in line
    assert verified.is_clean()


@pytest.mark.parametrize("store", ["rclone_store"], indirect=True)
@pytest.mark.parametrize(
    ("deviation", "told"),
    [
        ("a portal's page: all", "is a proxy or a portal in front of"),
        ("an empty 200: writes", "unexpected response: no ETag"),
        ("202 and nothing done: writes", "unexpected response"),
        ("301 to another host: all", "301"),
        ("two ETags", "ETag"),
        ("LIST: 501", "Unexpected status code listing bucket: 501 Not Implemented"),
        ("a portal's page: parts", "Failed check: multipart upload: 200 OK"),
    ],
)
def test_store_that_lies_is_told_and_left_as_it_was(
    store: Store, tmp_path: Path, deviation: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = OddStore(store)
    verified = Verified.new(odd.store, tmp_path)
    odd.turn_on(deviation)
    assert verified.run("--quick") == 1
    lines = capsys.readouterr().err.splitlines()
    assert any(told in line for line in lines), lines
    assert not any("error of this program" in line for line in lines)
    odd.turn_off()
    assert verified.run("--quick") == 0
    capsys.readouterr()
    assert verified.is_clean()
    odd.proxy.close()


@pytest.mark.parametrize("store", ["rclone_store"], indirect=True)
def test_limits_of_an_odd_store_are_told_as_its_dialect(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = OddStore(store)
    verified = Verified.new(odd.store, tmp_path)
    odd.turn_on("three parts at most")
    odd.turn_on("DeleteObjects: 501")
    assert verified.run("--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["needed"]["dialect"]["max_parts"] == 3
    assert found["advised"]["dialect"]["max_deletes"] == 0
    assert verified.is_clean()
    odd.proxy.close()


@pytest.mark.parametrize("store", ["rclone_store"], indirect=True)
def test_host_that_never_answers_is_told_after_its_timeout(
    store: Store, tmp_path: Path, proxy: FaultProxy, capsys: pytest.CaptureFixture[str]
) -> None:
    verified = Verified.new(store.behind(proxy.endpoint), tmp_path)
    proxy.when(stalls(1.2))
    assert verified.run("--option", "read_timeout=1") == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("Unexpected status code checking PUT: "), line
    assert len(proxy.calls()) == 2, "an operator waits for each of them"


@pytest.mark.parametrize("store", ["rclone_store"], indirect=True)
def test_requests_that_fail_once_are_sent_again(
    store: Store, tmp_path: Path, proxy: FaultProxy, capsys: pytest.CaptureFixture[str]
) -> None:
    verified = Verified.new(store.behind(proxy.endpoint), tmp_path)
    for method in ("PUT", "GET", "HEAD", "POST"):
        proxy.when(answers(500, "InternalError"), method=method, times=1)
    assert verified.run("--quick") == 0
    capsys.readouterr()
    assert verified.is_clean()


@pytest.mark.parametrize("store", ["rclone_store"], indirect=True)
def test_sigterm_ends_it_after_the_removal(verified: Verified, store: Store) -> None:
    with FaultProxy.before(store.endpoint) as proxy:
        proxy.when(sends(signal.SIGTERM, lambda: process.pid), skip=20, times=1)
        command = [EXECUTABLE, *verified.arguments(proxy.endpoint)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (1, "interrupted\n")
    assert verified.is_clean()


def test_installed_command_needs_no_swift_and_shows_its_version() -> None:
    found = subprocess.run([EXECUTABLE, "--version"], capture_output=True, text=True, check=True)
    assert found.stdout.startswith("swift-s3-verify ")
    code = "import sys; sys.modules['swift'] = None; from s3_sync.verify.main import main; sys.exit(main([]))"
    without = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert without.returncode == 2
    assert "the following arguments are required" in without.stderr
