"""The servers that Swift's functional tests need: a cluster with all that they ask for, a store, a daemon."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers.daemon import SyncDaemon, Target
from servers.moto import MotoServer
from servers.swift import SwiftCluster
from servers.swift_conf import FILTERS, PROXY_APP
from servers.swift_spec import ClusterSpec

#: of the accounts that the tests use, those in which they keep containers
ACCOUNTS = ("AUTH_test", "AUTH_test2")
BUCKET = "functional"
STORAGE_DOMAIN = "example.net"
#: what a mapping of either kind has: everything that cloud-shunt can do to be like the cluster itself
MERGED = {
    "merge_namespaces": True,
    "propagate_delete": True,
    "propagate_post": True,
    # who writes in these accounts may go anywhere in them
    "segment_containers": ["*"],
    "follow_symlinks": "account",
}
KINDS: Mapping[str, Mapping[str, Any]] = {
    "sync": {**MERGED, "retain_local": True},
    "lifecycle": {**MERGED, "retain_local": False, "propagate_expiration": True},
}
#: A container of these tests lives for seconds. So the daemon looks for new ones, and for who names whose
#: segments, all the time.
QUICKLY = {
    "s3_sync.sync.account_crawl:LIST_INTERVAL": 0.5,
    "s3_sync.sync.account_crawl:LIST_REST_FACTOR": 0.0,
    "s3_sync.sync.lifecycle.account_segment_index:SCAN_REST": 0.5,
    "s3_sync.sync.lifecycle.account_segment_index:SCAN_REST_FACTOR": 0.0,
    "s3_sync.sync.lifecycle.account_segment_index:RETRY_DELAY": 0.2,
}
PIPELINE = (
    *("catch_errors", "gatekeeper", "healthcheck", "proxy-logging", "cache", "etag-quoter", "domain_remap"),
    *("listing_formats", "bulk", "tempurl", "formpost", "crossdomain", "s3api", "tempauth", "staticweb"),
    *("copy", "container-quotas", "account-quotas", "slo", "dlo", "versioned_writes", "symlink"),
    "proxy-logging",
)
_SECTIONS: Mapping[str, Mapping[str, object]] = {
    "filter:tempauth": {
        "use": "egg:swift#tempauth",
        **FILTERS["tempauth"],
        "reseller_prefix": "AUTH, SERVICE",
        "SERVICE_require_group": "service",
        "user_test_tester2": "testing2 .admin",
        "user_test5_tester5": "testing5 service",
    },
    "filter:s3api": {
        "use": "egg:swift#s3api",
        **FILTERS["s3api"],
        "s3_acl": "true",
        "check_bucket_owner": "true",
    },
    "filter:domain_remap": {"use": "egg:swift#domain_remap", "storage_domain": STORAGE_DOMAIN},
    "app:proxy-server": {**PROXY_APP, "allow_open_expired": "true"},
}
_TEST_CONF = """
[func_test]
auth_uri = {endpoint}/auth/v1.0
s3_storage_url = {endpoint}/
account = test
username = tester
password = testing
s3_access_key = test:tester
s3_secret_key = testing
s3_access_key2 = test:tester2
s3_secret_key2 = testing2
account2 = test2
username2 = tester2
password2 = testing2
username3 = tester3
password3 = testing3
s3_access_key3 = test:tester3
s3_secret_key3 = testing3
account5 = test5
username5 = tester5
password5 = testing5
service_prefix = SERVICE
account6 = admin
username6 = admin
password6 = admin
storage_domain = {storage_domain}
collate = C

[s3api_test]
endpoint = {endpoint}
region = us-east-1
access_key1 = test:tester
secret_key1 = testing
access_key2 = test:tester2
secret_key2 = testing2
access_key3 = test:tester3
secret_key3 = testing3
s3_acl_tests_enabled = true
"""


@dataclass(frozen=True)
class Mode:
    """``kind``: of the mappings, if there are any. ``filling``: a daemon runs meanwhile."""

    name: str
    shunt: bool = True
    kind: str | None = None
    filling: bool = False


MODES = (
    Mode("plain", shunt=False),
    Mode("unmapped"),
    Mode("sync", kind="sync"),
    Mode("sync-filling", kind="sync", filling=True),
    Mode("lifecycle", kind="lifecycle"),
    Mode("lifecycle-filling", kind="lifecycle", filling=True),
)


@dataclass(frozen=True)
class NodeView:
    """What runs in a mode. ``test_conf``: the configuration file of the tests."""

    test_conf: Path
    logs: Sequence[Path]

    def save_logs(self, directory: Path) -> None:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        for log in self.logs:
            if log.exists():
                shutil.copy(log, directory)


@contextmanager
def serving(mode: Mode) -> Iterator[NodeView]:
    """Everything that this mode needs runs inside the `with` block."""
    with ExitStack() as stack:
        mappings = []
        if mode.kind:
            store = stack.enter_context(MotoServer())
            store.client().create_bucket(Bucket=BUCKET)
            target = Target(store.endpoint, store.access_key, store.secret_key, BUCKET)
            mappings = [target.mapping(account, "/*", **KINDS[mode.kind]) for account in ACCOUNTS]
        cluster = stack.enter_context(_Cluster(mode, mappings))
        for user in ("test:tester", "test2:tester2"):
            cluster.client(user).post_account({})  # the tests expect that their accounts exist
        logs = [cluster.log_dir / "swift.log", cluster.log_dir / "requests.log"]
        if mode.filling:
            altered = {"values": QUICKLY}
            daemon = SyncDaemon(cluster, cluster.root / "daemon", mappings, altered=altered)
            daemon.start()
            stack.callback(daemon.stop)
            logs += [daemon.log, daemon.output, daemon.status_dir / ".journal.sqlite"]
        yield NodeView(cluster.test_conf, logs)


class _Cluster(SwiftCluster):
    """One node, two policies, and the pipeline that these tests want."""

    name = "functional"

    def __init__(self, mode: Mode, mappings: list[dict[str, Any]]) -> None:
        super().__init__()
        self._mode = mode
        self._mappings = mappings

    @property
    def test_conf(self) -> Path:
        return self.root / "test.conf"

    def _prepare(self) -> None:
        pipeline, sections = list(PIPELINE), dict(_SECTIONS)
        if self._mode.shunt:
            pipeline.insert(pipeline.index("slo"), "cloud-shunt")
            mappings = self.root / "sync.json"
            mappings.write_text(json.dumps({"containers": self._mappings}))
            sections["filter:cloud-shunt"] = {
                "use": "egg:swift-s3-sync#cloud-shunt",
                "conf_file": mappings,
                "swift_dir": self.etc,
            }
        self.spec = ClusterSpec(proxy_pipeline=pipeline, proxy_extra=_written(sections))
        super()._prepare()
        conf = _TEST_CONF.format(endpoint=self.s3_endpoint, storage_domain=STORAGE_DOMAIN)
        self.test_conf.write_text(conf)


def _written(sections: Mapping[str, Mapping[str, object]]) -> str:
    lines: list[str] = []
    for name, options in sections.items():
        lines += [f"[{name}]", *(f"{option} = {value}" for option, value in options.items()), ""]
    return "\n".join(lines)
