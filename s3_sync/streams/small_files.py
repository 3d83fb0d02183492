"""Reads small files and JSON that may be damaged or hostile, with known errors only."""

from __future__ import annotations

import errno
import json
import math
import os
import stat
from typing import Any, TypeGuard

#: default limit; far above the size of any file of ours
MAX_FILE_BYTES = 64 * 1024 * 1024
_READ_SIZE = 1 << 20


def read_file(path: str | os.PathLike[str], limit: int = MAX_FILE_BYTES) -> bytes:
    """The content of a regular file. Raises OSError, also for anything but a regular file, such as a pipe,
    whose read could block forever; ValueError for more than ``limit`` bytes."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        pieces: list[bytes] = []
        size = 0
        while piece := os.read(descriptor, _READ_SIZE):
            size += len(piece)
            if size > limit:
                raise ValueError(f"it is longer than {limit} bytes")
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        os.close(descriptor)


def parse_json(data: bytes | str, levels: int = 0) -> Any:
    """Parse JSON. ``levels``: maximum nesting depth; 0: the parser's own limit. Raises ValueError."""
    try:
        found = json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if levels and _is_deeper(found, levels):
        raise ValueError("it is nested too deeply")
    return found


def is_text(value: object) -> TypeGuard[str]:
    """Whether ``value`` is a string that UTF-8 can encode: JSON may contain lone surrogates."""
    if not isinstance(value, str):
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def is_count(value: object) -> TypeGuard[int]:
    """Whether ``value`` is a non-negative integer that SQLite can store."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def number(value: object, otherwise: float = 0.0) -> float:
    """``value`` as a float if it is a finite number, else ``otherwise``."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return otherwise
    try:
        found = float(value)
    except OverflowError:
        return otherwise
    return found if math.isfinite(found) else otherwise


def _is_deeper(value: Any, levels: int) -> bool:
    level = [value]
    while level and levels >= 0:
        levels -= 1
        level = [
            inner
            for each in level
            if isinstance(each, (dict, list))
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return bool(level)
