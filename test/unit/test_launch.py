"""The first moments of a program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path


def test_a_reload_that_is_asked_for_too_early_ends_nothing(tmp_path: Path) -> None:
    config = tmp_path / "sync.json"
    os.mkfifo(config)  # whoever has opened it waits for what is in it
    starting = [sys.executable, "-c", "from s3_sync.launch import sync; sync()", "--config", config]
    with subprocess.Popen(starting, stderr=subprocess.PIPE, text=True) as process:
        with config.open("w") as fifo:
            process.send_signal(signal.SIGHUP)
            fifo.write("[]")
        _, said = process.communicate()
    assert process.returncode == 1, said
    assert said.startswith("swift-s3-sync: "), said
