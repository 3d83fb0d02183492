"""Targets of the console scripts: make the process cooperative, then import the program.

The order matters. An SDK that was imported before the patch keeps the real sockets, and the first https
client ends in a RecursionError inside ``ssl``.
"""

from __future__ import annotations

import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


def sync() -> None:
    """``swift-s3-sync``"""
    # until the program can read its configuration again, a request to do so must not end it
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _prepare()
    with _swift("swift-s3-sync"):
        from s3_sync.sync.main import main
    sys.exit(main())


def ctl() -> None:
    """``swift-s3-ctl``"""
    _prepare()
    with _swift("swift-s3-ctl"):
        from s3_sync.admin.main import main
    sys.exit(main())


def _prepare() -> None:
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")  # Swift runs on it, so we do
    from s3_sync.runtime.concurrency import patch

    patch()


@contextmanager
def _swift(program: str) -> Iterator[None]:
    """One clear line where it is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "swift":
            raise
        sys.exit(f"{program}: the swift package is not installed")
