"""The answer to ``--convert-config``: a file in the new form, and what was left out."""

from __future__ import annotations

import os
import sys

from s3_sync.config.convert import convert_file
from s3_sync.errors import ConfigError
from s3_sync.state.atomic import write_atomically

STDOUT = "-"


def convert_config(source: str, target: str, overwrite: bool) -> int:
    """Write the file at ``source`` in the new form to ``target``, readable by its owner only.

    Returns the process's exit code: 0, or 1 if nothing was written. What was left out, and why nothing could
    be written, is told on stderr.
    """
    try:
        converted = convert_file(source)
        if target != STDOUT:
            _write(target, converted.text.encode("utf-8"), overwrite)
    except ConfigError as error:
        for problem in error.problems:
            _tell(f"{source}: {problem}")
        return 1
    except OSError as error:
        _tell(f"{target}: {error.strerror}" + ("; see --force" if isinstance(error, FileExistsError) else ""))
        return 1
    if target == STDOUT:
        sys.stdout.flush()
        sys.stdout.buffer.write(converted.text.encode("utf-8"))  # whatever the locale says
    for problem in converted.dropped:
        _tell(f"left out: {problem}")
    return 0


def _write(path: str, data: bytes, overwrite: bool) -> None:
    path = os.path.abspath(path)
    if overwrite:
        write_atomically(path, data)
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def _tell(line: str) -> None:
    print("swift-s3-sync:", line, file=sys.stderr)
