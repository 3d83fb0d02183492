"""`swift-s3-sync` with something about it altered: python altered.py ARGUMENTS

The environment variable ALTERED says what, as a JSON object:

- `limits`: fields of `providers.base.Limits`, for every S3 bucket
- `dialect`: fields of `Dialect`, for stores of which nothing is known
- `clock`: seconds that the daemon's clock is ahead
- `opened`: a file that gets a line each time that a container database is opened
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any


def change_limits(fields: dict[str, int]) -> None:
    from s3_sync.providers.s3.bucket import S3Bucket

    S3Bucket.limits = replace(S3Bucket.limits, **fields)


def change_dialect(fields: dict[str, Any]) -> None:
    from s3_sync.providers.s3 import dialect

    dialect.CLONE = replace(dialect.CLONE, **fields)


def move_clock(seconds: float) -> None:
    from s3_sync.runtime.concurrency import Clock

    now = Clock.now
    Clock.now = lambda self: now(self) + seconds  # type: ignore[method-assign]


def note_openings(path: str) -> None:
    from s3_sync.cluster.brokers import LocalReplica

    open_database = LocalReplica.open

    def noted(self: LocalReplica) -> Any:
        with Path(path).open("a") as file:
            file.write(f"{self.path}\n")
        return open_database(self)

    LocalReplica.open = noted  # type: ignore[method-assign]


ALTERATIONS: dict[str, Callable[[Any], None]] = {
    "limits": change_limits,
    "dialect": change_dialect,
    "clock": move_clock,
    "opened": note_openings,
}


def main() -> None:
    from s3_sync import launch
    from s3_sync.runtime.concurrency import patch

    patch()  # before the modules above are imported, as `launch` does
    for name, value in json.loads(os.environ["ALTERED"]).items():
        ALTERATIONS[name](value)
    launch.sync()


if __name__ == "__main__":
    main()
