"""Entry points of the console scripts: apply eventlet's monkey patch if needed, then import the program.

The order matters. An SDK imported before the patch keeps the real sockets, and its first HTTPS client fails
with a RecursionError inside ``ssl``.
"""

from __future__ import annotations

import gc
import logging
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


def sync() -> None:
    """``swift-s3-sync``"""
    # SIGHUP must not kill the process before its own handler (configuration reload) is installed
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _prepare()
    with _require_swift("swift-s3-sync"), _without_collections():
        from s3_sync.sync.main import main
    sys.exit(main())


def migrator() -> None:
    """``swift-s3-migrator``"""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _prepare()
    with _require_swift("swift-s3-migrator"), _without_collections():
        from s3_sync.migrate.main import main
    sys.exit(main())


def ctl() -> None:
    """``swift-s3-ctl``"""
    _prepare()
    with _require_swift("swift-s3-ctl"), _without_collections():
        from s3_sync.admin.main import main
    sys.exit(main())


def verify() -> None:
    """``swift-s3-verify``: works without Swift, and needs no green threads."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it removes what it has written
    logging.getLogger().addHandler(logging.NullHandler())  # its report says what matters
    from s3_sync.verify.main import main

    sys.exit(main())


def _prepare() -> None:
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")  # Swift requires it
    from s3_sync.runtime.concurrency import patch

    patch()


@contextmanager
def _without_collections() -> Iterator[None]:
    """Keep the garbage collector from looking at what imports make: a tenth of their time, and in vain. Nor
    does it look at it later."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def _require_swift(program: str) -> Iterator[None]:
    """Exit with a one-line message if the swift package is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "swift":
            raise
        sys.exit(f"{program}: the swift package is not installed")
