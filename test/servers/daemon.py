"""`swift-s3-sync` as an operator runs it: a configuration file and a process, one for each node."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from servers.forks import ForkServer
from servers.process import Child, child_environment
from servers.swift import SwiftCluster

EXECUTABLE = Path(sys.executable).parent / "swift-s3-sync"
PROGRAM = "s3_sync.launch:sync"
CTL = "s3_sync.launch:ctl"
ALTERED = "faults.altered:main"
ALTERED_CTL = "faults.altered:ctl"
# endpoints are addresses, and a resolver that is never asked takes a quarter of the time of a start
NO_RESOLVER = {"EVENTLET_NO_GREENDNS": "yes"}


@cache
def forks() -> ForkServer:
    return ForkServer("servers.preload:daemon", child_environment(NO_RESOLVER))


@dataclass(frozen=True)
class Target:
    """A bucket and how to reach it."""

    endpoint: str
    identity: str
    secret: str
    bucket: str

    def mapping(self, account: str, container: str, **options: Any) -> dict[str, Any]:
        """An entry for `containers` in the configuration."""
        return {
            "account": account,
            "container": container,
            "aws_bucket": self.bucket,
            "aws_endpoint": self.endpoint,
            "aws_identity": self.identity,
            "aws_secret": self.secret,
            **options,
        }


class SyncDaemon:
    """The daemon of one node. Its configuration, status files and log are below `directory`.

    `settings` are top-level keys of the configuration; the defaults suit tests: no slack, quick polls.
    `altered`: what `faults/altered.py` is to alter about it.
    """

    def __init__(
        self,
        cluster: SwiftCluster,
        directory: Path,
        mappings: list[dict[str, Any]],
        *,
        node: int = 1,
        environment: Mapping[str, str] | None = None,
        altered: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.status_dir = directory / "status"
        self.log = directory / "sync.log"
        #: what it writes to stdout and stderr
        self.output = directory / "output.log"
        self.config = directory / "sync.json"
        self.environment = child_environment(NO_RESOLVER | dict(environment or {}))
        self.alter(**(altered or {}))
        self.settings = {
            "devices": str(cluster.devices(node)),
            "swift_dir": str(cluster.etc),
            "swift_bind_ip": cluster.node_ip(node),
            "status_dir": str(self.status_dir),
            "log_file": str(self.log),
            "items_chunk": 1000,
            "workers": 10,
            "poll_interval": 0.2,
            "verification_slack": 0,
            "containers": mappings,
            **settings,
        }
        self.child: Child | None = None

    def alter(self, **alterations: Any) -> None:
        """What is altered from the next start on; nothing, and it is the program as it is."""
        self.program = ALTERED if alterations else PROGRAM
        self.environment["ALTERED"] = json.dumps(alterations)

    def write(self) -> Path:
        """Write the configuration; done by `once` and `start` too."""
        self.config.write_text(json.dumps(self.settings, indent=2))
        self.config.chmod(0o600)
        return self.config

    def once(self, *arguments: str, seconds: float = 120.0) -> subprocess.CompletedProcess[str]:
        """One run with `--once`; look at `returncode`, and at `log_text()`."""
        command = [self.program, "--config", str(self.write()), "--once", *arguments]
        return self._run("once", command, seconds)

    def ctl(
        self, *arguments: str, seconds: float = 60.0, altered: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """`swift-s3-ctl` with the configuration as it was written last. ``altered``: as the daemon is."""
        program = ALTERED_CTL if altered else CTL
        return self._run("ctl", [program, *arguments, "--config", str(self.config)], seconds)

    def _run(self, name: str, command: list[str], seconds: float) -> subprocess.CompletedProcess[str]:
        outputs = [self.directory / f"{name}.out", self.directory / f"{name}.err"]
        with outputs[0].open("wb") as out, outputs[1].open("wb") as err:
            process = forks().start(
                command, environment=self.environment, cwd=self.directory, stdout=out, stderr=err
            )
        try:
            code = process.wait(seconds)
        except BaseException:
            process.kill()
            raise
        return subprocess.CompletedProcess(command, code, *(output.read_text() for output in outputs))

    def start(self, *arguments: str) -> Child:
        command = [self.program, "--config", str(self.write()), *arguments]
        self.child = Child("swift-s3-sync", command, self.output, environment=self.environment, forks=forks())
        self.child.start()
        return self.child

    @property
    def running(self) -> bool:
        return self.child is not None and self.child.running

    def ask_to_stop(self) -> None:
        if self.running and self.child is not None:
            self.child.signal(signal.SIGTERM)

    def stop(self) -> None:
        if self.child is not None:
            self.child.stop()

    def log_text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def status(self, account: str, container: str) -> dict[str, Any]:
        """The status file of a container; empty when there is none."""
        path = self.status_dir / account / container
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return found

    def due_ranges(self) -> list[tuple[float, tuple[int, int]]]:
        """What the journal will look at again: when, and the first and last ROWID."""
        rows = self.journal_rows("SELECT due, first_row, last_row FROM ranges ORDER BY due")
        return [(due, (first, last)) for due, first, last in rows]

    def unsettled(self) -> dict[str, tuple[str, str, int]]:
        """What the journal holds: name -> (state, reason, attempts)."""
        rows = self.journal_rows("SELECT name, state, reason, attempts FROM unsettled")
        return {name: (state, reason, attempts) for name, state, reason, attempts in rows}

    def journal_rows(self, query: str) -> list[Any]:
        """What the journal says, while the daemon runs, too."""
        path = self.status_dir / ".journal.sqlite"
        if not path.exists():
            return []
        db = sqlite3.connect(path)
        try:
            return db.execute(query).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):  # the daemon is just making them
                return []
            raise
        finally:
            db.close()


#: what the fixture `new_daemon` gives: pairs and settings in, a daemon that ends with the test
NewDaemon = Callable[..., SyncDaemon]
