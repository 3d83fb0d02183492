"""The program as a whole, with a store in memory: what it prints, and how it ends."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from s3_sync.config.credentials.kinds import KINDS, Kind
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.checks.probes import put
from s3_sync.providers.memory import MemoryProvider
from s3_sync.verify import main as program
from s3_sync.verify.lock import only_run
from s3_sync.verify.main import main
from toy_provider.credentials import ToyCredentials
from unit.verify.store import LIMITS, content

TOP = {"devices": "/srv/node", "items_chunk": 1, "status_dir": "/tmp/s"}
SECRET = "sesame opens 'it'"
TOY = ["--protocol", "toy", "--endpoint", "http://toys", "--username", "me", "--password", SECRET]
OWNED = [*TOY, "--option", "owner=me"]


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> MemoryProvider:
    """The store of all credentials of kind ``toy``."""
    memory = MemoryProvider(limits=LIMITS)
    memory.create_bucket("bucket")
    use(memory, monkeypatch)
    return memory


def use(memory: MemoryProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "toy", Kind(ToyCredentials, "toy_provider.provider:ToyProvider"))
    monkeypatch.setattr(program, "build_provider", lambda *_: memory)


def config(tmp_path: Path, *buckets: str, **more: Any) -> str:
    entries = [
        {"account": "AUTH_a", "container": f"c{number}", "aws_bucket": bucket, "protocol": "toy",
         "owner": "me", "aws_secret": SECRET, **more}
        for number, bucket in enumerate(buckets)
    ]  # fmt: skip
    path = tmp_path / "sync.json"
    path.write_text(json.dumps({**TOP, "containers": entries}))
    path.chmod(0o600)
    return str(path)


def test_store_that_works_ends_with_0(box: MemoryProvider, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*OWNED, "--bucket", "bucket"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.splitlines()[:2] == [
        "bucket bucket at http://toys",
        "  ok      PUT                    11 bytes",
    ]
    assert content(box) == {}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(stdout: io.StringIO, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", stdout)
    assert main([*OWNED, "--bucket", "bucket", *arguments]) == 0
    return stdout.getvalue()


@pytest.mark.parametrize("quick", [[], ["--quick"]], ids=["all", "quick"])
def test_progress_is_shown_on_a_terminal(
    box: MemoryProvider, monkeypatch: pytest.MonkeyPatch, quick: list[str]
) -> None:
    shown = printed(Terminal(), monkeypatch, *quick)
    *_, (done, total) = re.findall(r"(\d+)/(\d+) bucket bucket at http://toys: [a-z]", shown)
    assert done == total


@pytest.mark.parametrize("stdout", [io.StringIO, Terminal])
def test_neither_a_pipe_nor_json_has_progress(
    box: MemoryProvider, monkeypatch: pytest.MonkeyPatch, stdout: type[io.StringIO]
) -> None:
    arguments = ["--json"] if stdout is Terminal else []
    shown = printed(stdout(), monkeypatch, *arguments)
    assert "\x1b" not in shown  # which a terminal needs to write over a line
    assert not re.search(r"\d/\d+ bucket", shown)
    assert json.loads(shown)["ok"] if arguments else shown.startswith("bucket bucket at http://toys\n")


def test_missing_bucket_ends_with_1_and_one_line(
    box: MemoryProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*OWNED, "--bucket", "missing"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "Unexpected status code checking PUT: 404 Not Found: no bucket missing\n"


def test_credentials_alone_list_buckets(box: MemoryProvider, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(OWNED) == 0
    assert "list buckets" in capsys.readouterr().out


@pytest.mark.parametrize("bucket", ["bucket", "/*"])
def test_read_only_reads_an_object_and_writes_nothing(
    box: MemoryProvider, bucket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*OWNED, "--bucket", bucket, "--read-only"]
    assert main(arguments) == 1
    missing = "There are no objects in the bucket to validate GET/HEAD access\n"
    assert capsys.readouterr().err == missing
    put(box.bucket("bucket", KeyNamer.literal("")), "pre/fix")
    stored = content(box)
    assert main(arguments) == 0
    assert main([*arguments, "--prefix", "pre/"]) == 0
    capsys.readouterr()
    assert main([*arguments, "--prefix", "other/"]) == 1
    assert capsys.readouterr().err == missing
    assert content(box) == stored


def test_read_only_without_any_bucket_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(MemoryProvider(), monkeypatch)
    assert main([*OWNED, "--bucket", "/*", "--read-only"]) == 1
    assert capsys.readouterr().err == "No buckets/containers found\n"


def test_configuration_is_checked_mapping_by_mapping(
    box: MemoryProvider, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config(tmp_path, "bucket", "missing")
    assert main(["--config", path, "--json"]) == 1
    captured = capsys.readouterr()
    mappings = json.loads(captured.out)["mappings"]
    assert [mapping["ok"] for mapping in mappings] == [True, False]
    assert captured.err == (
        "containers[1]: Unexpected status code checking PUT: 404 Not Found: no bucket missing\n"
    )
    assert main(["--config", path, "--mapping", "0"]) == 0
    assert main(["--config", path, "--all"]) == 1
    capsys.readouterr()
    assert main(["--config", path, "--mapping", "7"]) == 1
    assert capsys.readouterr().err == f"{path}: no mapping 7 can be used\n"
    assert content(box) == {}


def test_store_of_several_mappings_is_probed_once(
    box: MemoryProvider, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--config", config(tmp_path, "bucket", "bucket"), "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)["mappings"]
    checks = [[each["check"] for each in mapping["checks"]] for mapping in (first, second)]
    assert "gzip" in checks[0]
    assert "gzip" not in checks[1]


def test_configuration_that_cannot_be_used_is_told_in_lines(
    box: MemoryProvider, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--config", "/nowhere.json"]) == 1
    assert capsys.readouterr().err == "/nowhere.json: Configuration file does not exist\n"
    assert main(["--config", config(tmp_path)]) == 1
    path = config(tmp_path, "bucket", "bad/bucket")
    capsys.readouterr()
    assert main(["--config", path]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(f"{path}: containers[1].aws_bucket: ")
    assert "  ok      PUT" in captured.out
    assert main(["--config", path, "--mapping", "0"]) == 0


def test_configuration_can_be_read_only(
    box: MemoryProvider, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--config", config(tmp_path, "bucket"), "--read-only"]) == 1
    assert "containers[0]: There are no objects in the bucket" in capsys.readouterr().err


@pytest.mark.parametrize("how", [[], ["--json"]])
def test_no_secret_is_printed_whatever_the_store_says(
    monkeypatch: pytest.MonkeyPatch,
    box: MemoryProvider,
    how: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    def leak(name: str) -> Any:
        raise ValueError(f"{name}: {SECRET}, \x1b[31m red")

    monkeypatch.setattr(box, "store", leak)
    assert main([*OWNED, "--bucket", "bucket", *how]) == 1
    captured = capsys.readouterr()
    error = "an error of this program: ValueError: bucket: ********, "
    assert captured.err.startswith(f"Unexpected status code checking PUT: {error}")
    assert "sesame" not in captured.err + captured.out
    assert "\x1b" not in captured.err + captured.out


def test_second_run_for_the_same_probes_is_refused(
    box: MemoryProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*OWNED, "--bucket", "bucket", "--quick"]) == 0
    locks: list[tuple[str, ...]] = []
    real = program.only_run
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            program, "only_run", lambda *destination: locks.append(destination) or real(*destination)
        )
        main([*OWNED, "--bucket", "bucket", "--quick"])
    capsys.readouterr()
    with only_run(*locks[0]):
        assert main([*OWNED, "--bucket", "bucket", "--quick"]) == 1
    assert capsys.readouterr().err == (
        "another swift-s3-verify on this machine is checking bucket bucket at http://toys\n"
    )
