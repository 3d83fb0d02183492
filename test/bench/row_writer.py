"""`python -m bench.row_writer`: rows into container databases, as an order on standard input says.

A process of its own, because Swift's modules take their settings from one cluster.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from swift.container.backend import ContainerBroker

from servers.swift_child import use_directory

AT_ONCE = 10_000


def main() -> None:
    order: dict[str, Any] = json.load(sys.stdin)
    use_directory(Path(order["root"]))
    records = [
        {
            "name": name,
            "created_at": created_at,
            "size": size,
            "content_type": "application/deleted" if deleted else "application/octet-stream",
            "etag": etag,
            "deleted": deleted,
            "storage_policy_index": 0,
        }
        for name, created_at, size, etag, deleted in order["rows"]
    ]
    for path in order["databases"]:
        broker = ContainerBroker(path)
        for start in range(0, len(records), AT_ONCE):
            # merge_items keeps what it is given
            broker.merge_items([dict(record) for record in records[start : start + AT_ONCE]])


if __name__ == "__main__":
    main()
