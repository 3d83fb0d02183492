"""``swift-s3-verify`` as operators run it, for one bucket of a store: in this process, or as one that is
killed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from faults.proxy import Exchange, Fault, FaultProxy
from s3_sync.verify.main import main
from servers.daemon import NO_RESOLVER, forks
from servers.pair import Store
from servers.process import child_environment

PROGRAM = "s3_sync.launch:verify"
EXECUTABLE = Path(sys.executable).parent / "swift-s3-verify"


@dataclass(frozen=True)
class Verified:
    """A bucket of its own in ``store``, with an object of somebody else."""

    store: Store
    bucket: str
    directory: Path

    @classmethod
    def new(cls, store: Store, directory: Path) -> Verified:
        bucket = f"bucket-{uuid4().hex[:12]}"
        store.client().create_bucket(Bucket=bucket)
        store.client().put_object(Bucket=bucket, Key="theirs", Body=b"theirs")
        return cls(store, bucket, directory)

    def arguments(self, endpoint: str = "") -> list[str]:
        store = self.store
        return [
            *("--protocol", "s3", "--endpoint", endpoint or store.through or store.endpoint),
            *("--username", store.identity, "--password", store.secret, "--bucket", self.bucket),
        ]

    def run(self, *more: str) -> int:
        """In this process. Returns the exit code."""
        return main([*self.arguments(), *more])

    def is_clean(self) -> bool:
        """Whether the bucket holds what it held before, and no open upload."""
        s3 = self.store.client()
        keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])]
        return keys == ["theirs"] and not uploads(s3, self.bucket)

    def kill_at(self, request: int, *more: str) -> bool:
        """Kill a process of its own when its request of this number, from 1, has taken effect. Returns
        whether it came so far."""
        output = self.directory / "killed.log"
        with FaultProxy.before(self.store.endpoint) as proxy, output.open("wb") as out:
            proxy.when(sends(signal.SIGKILL, lambda: process.pid), skip=request - 1)
            process = forks().start(
                [PROGRAM, *self.arguments(proxy.endpoint), *more],
                environment=child_environment(NO_RESOLVER), cwd=self.directory, stdout=out, stderr=out,
            )  # fmt: skip
            return process.wait(120) == -signal.SIGKILL


def sends(what: signal.Signals, pid: Callable[[], int]) -> Fault:
    """A process gets a signal when the store has acted, and no answer."""

    def send(exchange: Exchange) -> None:
        exchange.read_body()
        exchange.forward()
        os.kill(pid(), what)
        exchange.reset()

    return send


def uploads(s3: Any, bucket: str) -> list[str]:
    """The keys of open uploads."""
    try:
        return [each["Key"] for each in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]
    except s3.exceptions.NoSuchUpload:  # rclone, where there has never been any
        return []
