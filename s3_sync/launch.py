"""Targets of the console scripts: make the process cooperative, then import the program.

The order matters. An SDK that was imported before the patch keeps the real sockets, and the first https
client ends in a RecursionError inside ``ssl``.
"""

from __future__ import annotations

import sys
import warnings


def sync() -> None:
    """``swift-s3-sync``"""
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")  # Swift runs on it, so we do
    from s3_sync.runtime.concurrency import patch

    patch()
    try:
        from s3_sync.sync.main import main
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "swift":
            raise
        sys.exit("swift-s3-sync: the swift package is not installed")
    sys.exit(main())
