"""A program before it has read its configuration."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

#: the program, which says when it has begun and goes on when its input ends
STARTING = """
import sys
from s3_sync import launch

prepare = launch._prepare

def stopped():
    print("begun", flush=True)
    sys.stdin.read()
    prepare()

launch._prepare = stopped
launch.sync()
"""


#: the program's modules, imported as it does that
IMPORTED = """
import gc
from s3_sync import launch

with launch._without_collections():
    import s3_sync.sync.main
    print(gc.isenabled(), gc.get_freeze_count())
print(gc.isenabled(), gc.get_freeze_count() > 10_000)
"""


#: packages that only some mappings need; ``google`` and ``azure`` alone may be there for others' sake
SDKS = (
    "awscrt",
    "azure.core",
    "azure.identity",
    "boto3",
    "botocore",
    "google.auth",
    "keystoneauth1",
    "requests",
)
LOADED = """
import importlib, sys
importlib.import_module(sys.argv[1])
print(*sorted(set(sys.argv[2:]) & set(sys.modules)))
"""


@pytest.mark.parametrize(
    "module", ["sync.main", "migrate.main", "admin.main", "verify.main", "shunt.middleware"]
)
def test_import_of_a_program_loads_no_sdk(module: str) -> None:
    """An SDK is loaded when the first account that needs it is used."""
    command = [sys.executable, "-c", LOADED, f"s3_sync.{module}", *SDKS]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


def test_garbage_collection_leaves_imported_modules_alone() -> None:
    found = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines() == ["False 0", "True True"]


def test_sighup_during_start_does_not_end_the_process(tmp_path: Path) -> None:
    config = tmp_path / "sync.json"
    config.write_text("[]")
    command = [sys.executable, "-c", STARTING, "--config", config]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGHUP)
        _, said = process.communicate("")
    assert process.returncode == 1, said
    assert said.startswith("swift-s3-sync: "), said
