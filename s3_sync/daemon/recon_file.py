"""Recon files: the status of a running daemon, readable by every user of the node.

One file per process, replaced atomically every few seconds. docs/data-model.md lists its content. Nothing
depends on it, so it is not fsynced.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from typing import Any

from s3_sync.streams.small_files import parse_json, read_file

_SUFFIX = ".recon"


def write(directory: str, program: str, process: int, content: dict[str, Any]) -> None:
    """Replace the file of a process; it is world-readable. ``program``: the command that it runs, such as
    ``swift-s3-sync``. Raises OSError."""
    path = os.path.join(directory, f"{program}-{process}{_SUFFIX}")
    temporary = f"{path}.{os.getpid()}"
    try:
        with open(temporary, "w", encoding="ascii") as file:
            file.write(json.dumps(content))  # one string: several times faster than json.dump
            os.fchmod(file.fileno(), 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def read(directory: str, program: str) -> dict[int, dict[str, Any]]:
    """The last report of each process of a program, by its number; unreadable files are left out.

    A process leaves its file behind when it ends: ``updated`` in it is the time of writing.
    """
    found: dict[int, dict[str, Any]] = {}
    names = re.compile(rf"{re.escape(program)}-(\d+){re.escape(_SUFFIX)}")
    with contextlib.suppress(OSError):
        for name in os.listdir(directory):
            if match := names.fullmatch(name):
                with contextlib.suppress(OSError, ValueError):
                    content = parse_json(read_file(os.path.join(directory, name)))
                    if isinstance(content, dict):
                        found[int(match[1])] = content
    return found
