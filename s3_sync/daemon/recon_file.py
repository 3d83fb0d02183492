"""Recon files: what a running daemon says about itself, for whoever may read a file on that node.

One for each process, replaced as a whole every few seconds. docs/data-model.md lists what is in it. Nothing
depends on it, so it is not made durable.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from typing import Any

from s3_sync.streams.small_files import parse_json, read_file

_NAME = "swift-s3-sync-{}.recon"
_NAMES = re.compile(r"swift-s3-sync-(\d+)\.recon")


def write(directory: str, process: int, content: dict[str, Any]) -> None:
    """Replace the file of a process, readable by everybody. Raises OSError."""
    path = os.path.join(directory, _NAME.format(process))
    temporary = f"{path}.{os.getpid()}"
    try:
        with open(temporary, "w", encoding="ascii") as file:
            file.write(json.dumps(content))  # as one string: several times as fast
            os.fchmod(file.fileno(), 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def read(directory: str) -> dict[int, dict[str, Any]]:
    """What each process has said last, by its number; those that cannot be read are left out.

    A process that has ended leaves its file: ``updated`` in it tells when it was written.
    """
    found: dict[int, dict[str, Any]] = {}
    with contextlib.suppress(OSError):
        for name in os.listdir(directory):
            if match := _NAMES.fullmatch(name):
                with contextlib.suppress(OSError, ValueError):
                    content = parse_json(read_file(os.path.join(directory, name)))
                    if isinstance(content, dict):
                        found[int(match[1])] = content
    return found
