"""Small files and JSON that anybody may have written, or damaged: what is in them, or a known error."""

from __future__ import annotations

import errno
import json
import math
import os
import stat
from typing import Any, TypeGuard

#: no file of ours is nearly as long, in bytes
LARGEST = 64 * 1024 * 1024
_PIECE = 1 << 20


def read_file(path: str | os.PathLike[str], limit: int = LARGEST) -> bytes:
    """All of a regular file. Raises OSError, also for anything else that has a name, such as a pipe, into
    which perhaps nobody writes; ValueError for more than ``limit`` bytes."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is not a file")
        pieces: list[bytes] = []
        size = 0
        while piece := os.read(descriptor, _PIECE):
            size += len(piece)
            if size > limit:
                raise ValueError(f"it is longer than {limit} bytes")
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        os.close(descriptor)


def parse_json(data: bytes | str, levels: int = 0) -> Any:
    """Raises ValueError. ``levels``: how deeply it may be nested at most; 0: as deeply as can be read."""
    try:
        found = json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if levels and _is_deeper(found, levels):
        raise ValueError("it is nested too deeply")
    return found


def is_text(value: object) -> TypeGuard[str]:
    """Whether it is a text that can be written down: JSON may hold half a character."""
    if not isinstance(value, str):
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def is_count(value: object) -> TypeGuard[int]:
    """Whether it is a number of something that there may be none of; SQLite has none that are larger."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def number(value: object, otherwise: float = 0.0) -> float:
    """A finite number, or ``otherwise``."""
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
