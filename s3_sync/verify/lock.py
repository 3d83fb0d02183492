"""One run at a time on this machine for the same probes."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from s3_sync.errors import UsageError
from s3_sync.verify.arguments import PROGRAM


@contextmanager
def only_run(*destination: str) -> Iterator[None]:
    """Raises UsageError while another process of this machine checks the same destination.

    The lock is a socket without a file (unix(7), "abstract"), which ends with its process.
    """
    digest = hashlib.sha256("\0".join(destination).encode()).hexdigest()
    with socket.socket(socket.AF_UNIX) as lock:
        try:
            lock.bind(f"\0{PROGRAM}-{digest}")
        except OSError:
            raise UsageError(f"another {PROGRAM} on this machine is checking {destination[-1]}") from None
        yield
