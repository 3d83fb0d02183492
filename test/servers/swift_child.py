"""The program that a cluster's processes run.

    python -m servers.swift_child serve LAYOUT PROCESS        the servers of one process, until a signal
    python -m servers.swift_child daemon LAYOUT NODE DAEMON   one pass of a Swift daemon on one node

LAYOUT is the JSON file that servers.swift wrote. Swift's own start scripts would do, but with a
`swift_dir` other than /etc/swift they reload neither the storage policies nor the constraints.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import eventlet
import eventlet.debug
import eventlet.hubs
import eventlet.wsgi
from swift.common import constraints, daemon, storage_policy, utils, wsgi
from swift.common.utils import logs

from servers import side_xattr
from servers.request_log import RecordingApp

DAEMONS = {
    "account-reaper": "swift.account.reaper:AccountReaper",
    "account-replicator": "swift.account.replicator:AccountReplicator",
    "container-replicator": "swift.container.replicator:ContainerReplicator",
    "container-sharder": "swift.container.sharder:ContainerSharder",
    "container-sync": "swift.container.sync:ContainerSync",
    "container-updater": "swift.container.updater:ContainerUpdater",
    "object-expirer": "swift.obj.expirer:ObjectExpirer",
    "object-reconstructor": "swift.obj.reconstructor:ObjectReconstructor",
    "object-replicator": "swift.obj.replicator:ObjectReplicator",
    "object-updater": "swift.obj.updater:ObjectUpdater",
}


def main() -> None:
    _, command, layout_file, *rest = sys.argv
    layout = json.loads(Path(layout_file).read_text())
    use_directory(Path(layout["root"]))
    if command == "serve":
        serve(layout, *rest)
    else:
        run_daemon(layout, *rest)


def use_directory(root: Path) -> None:
    """Make this process use the cluster in `root`, log to stderr and leave the system alone."""
    os.environ["TZ"] = "UTC+0"
    time.tzset()
    if utils.set_swift_dir(str(root / "etc")):
        storage_policy.reload_storage_policies()
        constraints.reload_constraints()
    utils.disable_fallocate()
    utils.FALLOCATE_RESERVE, utils.FALLOCATE_IS_PERCENT = 0, False
    if not side_xattr.large_xattrs_work(root):
        side_xattr.install(root / "xattr")
    # Daemons send stderr to /dev/null, so the log has its own copy.
    stderr = os.fdopen(os.dup(2), "w", buffering=1)

    def handler(*_: object, **__: object) -> logging.Handler:
        return logging.StreamHandler(stderr)

    logs.ThreadSafeSysLogHandler = handler


def serve(layout: dict[str, Any], process: str) -> None:
    """Run the servers of `process`, a listening green thread each, until the process is ended."""
    utils.monkey_patch()
    eventlet.hubs.use_hub(utils.get_hub())
    eventlet.debug.hub_exceptions(False)
    warnings.filterwarnings("ignore", message="capitalize_response_headers")
    log = Path(layout["root"]) / "log" / "requests.log"
    servers = []
    for server in layout["servers"]:
        if server["process"] != process:
            continue
        app = wsgi.loadapp(server["conf"], global_conf={"log_name": server["name"]})
        app = RecordingApp(app, log, server["service"], server["node"])
        listener = eventlet.listen((server["ip"], server["port"]), backlog=512)
        servers.append(eventlet.spawn(serve_one, app, listener, layout["client_timeout"]))
    for server in servers:
        server.wait()


def serve_one(app: RecordingApp, listener: Any, client_timeout: float) -> None:
    eventlet.wsgi.server(
        listener,
        app,
        utils.NullLogger(),
        custom_pool=wsgi.RestrictedGreenPool(size=1024),
        protocol=wsgi.SwiftHttpProtocol,
        socket_timeout=client_timeout,
        capitalize_response_headers=False,  # S3 clients insist on "ETag"
        url_length_limit=constraints.MAX_REQUEST_LINE,
        debug=False,
    )


def run_daemon(layout: dict[str, Any], node: str, name: str) -> None:
    """One pass of the daemon `name` of node `node`."""
    module, _, class_name = DAEMONS[name].partition(":")
    # The servers run as whoever runs the tests; so do the daemons.
    utils.drop_privileges = lambda user: None
    conf = Path(layout["root"]) / "etc" / f"{name.partition('-')[0]}-server" / f"{node}.conf"
    daemon.run_daemon(
        getattr(importlib.import_module(module), class_name), str(conf), section_name=name, once=True
    )


if __name__ == "__main__":
    main()
