"""``--convert-config``: write the configuration in the new form, and list what was left out."""

from __future__ import annotations

import os
import sys

from s3_sync.config.convert import convert_file
from s3_sync.errors import ConfigError
from s3_sync.state.atomic import write_atomically

STDOUT = "-"


def convert_config(source: str, target: str, overwrite: bool) -> int:
    """Convert the file at ``source`` and write it to ``target``, readable by its owner only.

    Returns the exit code of the process: 0, or 1 if nothing was written. Options that were left out, and
    errors, are printed on stderr.
    """
    try:
        converted = convert_file(source)
        if target != STDOUT:
            _write(target, converted.text.encode("utf-8"), overwrite)
    except ConfigError as error:
        for problem in error.problems:
            _print(f"{source}: {problem}")
        return 1
    except OSError as error:
        _print(
            f"{target}: {error.strerror}" + ("; see --force" if isinstance(error, FileExistsError) else "")
        )
        return 1
    if target == STDOUT:
        sys.stdout.flush()
        sys.stdout.buffer.write(converted.text.encode("utf-8"))  # independent of the locale
    for problem in converted.dropped:
        _print(f"left out: {problem}")
    return 0


def _write(path: str, data: bytes, overwrite: bool) -> None:
    path = os.path.abspath(path)
    if overwrite:
        write_atomically(path, data)
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
    except OSError:  # a full disk: no file is better than half of one
        os.unlink(path)
        raise


def _print(line: str) -> None:
    print("swift-s3-sync:", line, file=sys.stderr)
