"""What a process has open, and what of it nobody but the garbage collector would close.

A socket that is part of a cycle stays open until a collection comes along, which may be too late: so where
descriptors are counted there are no collections.
"""

from __future__ import annotations

import _socket
import atexit
import fcntl
import gc
import json
import os
import socket
import stat
import sys
from contextlib import suppress
from pathlib import Path

#: names a file in which a forked process notes at its end what it has not closed
NOTE = "NOTE_DESCRIPTORS"


def open_descriptors() -> list[str]:
    """Files that this process has open, but for logs, and the other ends of its TCP sockets as ``ip:port``.

    ``nobody``: the socket listens, or the other end is gone. A process that talks to itself, as threads do,
    does not count.
    """
    files, ends = [], []
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # closed by another thread just now
            mode = os.fstat(int(name)).st_mode
            if stat.S_ISSOCK(mode):
                ends += _ends(os.dup(int(name)))
            elif stat.S_ISREG(mode) and not _is_log(int(name)):
                files.append(os.readlink(f"/proc/self/fd/{name}"))
    return sorted(files) + sorted(there for here, there in ends if (there, here) not in ends)


def _is_log(descriptor: int) -> bool:
    """An output, or a file to which nothing is ever done but to append."""
    return descriptor <= 2 or bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_APPEND)


def _ends(descriptor: int) -> list[tuple[str, str]]:
    """Closes the descriptor. Not by way of ``socket``, which may have been made cooperative."""
    found = _socket.socket(fileno=descriptor)
    try:
        if found.family not in (socket.AF_INET, socket.AF_INET6) or found.type != socket.SOCK_STREAM:
            return []
        here = "{}:{}".format(*found.getsockname())
        try:
            return [(here, "{}:{}".format(*found.getpeername()))]
        except OSError:
            return [(here, "nobody")]
    finally:
        found.close()


def note_at_exit(file: str) -> None:
    """A line for each process that ends as it should, with what it has left open."""
    gc.disable()

    def note() -> None:
        with Path(file).open("a") as lines:
            lines.write(json.dumps([sys.argv[0], *open_descriptors()]) + "\n")

    atexit.register(note)


def left_open(file: Path) -> list[list[str]]:
    """What such a file says of processes that have left something open: their program, and what."""
    lines = file.read_text().splitlines() if file.exists() else []
    return [each for each in map(json.loads, lines) if len(each) > 1]
