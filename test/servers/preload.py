"""What the fork servers import before they fork."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from importlib.metadata import distribution


def daemon() -> None:
    """The daemons and the commands, in the order of `s3_sync/launch.py`."""
    from s3_sync.runtime.concurrency import patch

    patch()
    importlib.import_module("coverage.sqldata")  # for those that are measured
    importlib.import_module("swift.proxy.server")  # of which an internal client is made
    importlib.import_module("s3_sync.sync.main")
    importlib.import_module("s3_sync.migrate.main")
    importlib.import_module("s3_sync.admin.main")
    importlib.import_module("s3_sync.providers.gcs.provider")  # google-auth takes a while
    import eventlet.hubs

    from s3_sync.config.credentials.s3 import S3Credentials
    from s3_sync.config.credentials.s3_dialects import CLONE
    from s3_sync.config.secret import Secret
    from s3_sync.providers.s3.client import Account

    # the SDK has read its descriptions of S3 after that
    Account(
        S3Credentials(endpoint="http://127.0.0.1", identity="x", secret=Secret("x")), CLONE, connections=1
    )
    os.register_at_fork(after_in_child=eventlet.hubs.use_hub)  # the one there is belongs to the fork server


#: middlewares of Swift that import urllib3, which a process must not have done before it patches ssl
_CLIENTS = ("s3token",)


def swift() -> None:
    """Swift's servers and daemons. Nothing is patched: they do that themselves."""
    from servers.swift_child import DAEMONS

    for place in DAEMONS.values():
        importlib.import_module(place.partition(":")[0])
    for entry in distribution("swift").entry_points:
        if entry.group.startswith("paste.") and entry.name not in _CLIENTS:
            with contextlib.suppress(ImportError):  # some need what only they need
                entry.load()
    if "urllib3" in sys.modules:
        raise RuntimeError("urllib3 was imported before ssl is patched: each TLS context would recurse")
