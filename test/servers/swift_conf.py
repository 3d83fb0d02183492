"""Writes a cluster's etc directory: swift.conf, one configuration per server, the rings.

Nothing outside the cluster's root is used: no /etc/swift, no syslog, memcached or rsync.
"""

from __future__ import annotations

import base64
import pwd
from collections.abc import Mapping, Sequence
from pathlib import Path

from swift.common.ring import RingBuilder

from servers.s3 import REGION
from servers.swift_spec import CRYPTO, USERS, ClusterSpec, SwiftServer

Sections = Mapping[str, Mapping[str, object]]

HASH_PREFIX = "test"  # of every cluster, so that one process can look into several
HASH_SUFFIX = "cluster"
SECRET_FOR_OBJECTS = base64.b64encode(b"the root secret of a test cluster").decode()
SECRET_FOR_TOKENS = base64.urlsafe_b64encode(b"a fernet key of exactly 32 bytes").decode()

# By default they read a segment a second after the tenth, small ones at least.
UNLIMITED = {"rate_limit_segments_per_sec": 10_000}

FILTERS: Sections = {
    "cache": {"paste.filter_factory": "servers.proxy_cache:filter_factory"},
    "s3api": {
        "s3_acl": "false",
        "location": REGION,
        "storage_domain": "s3.test",  # buckets may stand in the name of a host
        "check_bucket_owner": "false",
        "allow_multipart_uploads": "true",
    },
    "tempauth": {
        # Tokens that need no memcached.
        "active_fernet_key_id": "key1",
        "fernet_key_key1": SECRET_FOR_TOKENS,
        **{f"user_{u.name.replace(':', '_')}": f"{u.key} {u.groups}".strip() for u in USERS.values()},
    },
    "slo": {"min_segment_size": 1, **UNLIMITED},
    "dlo": UNLIMITED,
    "versioned_writes": {"allow_versioned_writes": "true", "allow_object_versioning": "true"},
    "keymaster": {"encryption_root_secret": SECRET_FOR_OBJECTS},
}

# Tests want to see at once what is written behind the proxy's back, and a stopped node to be asked again
# once it is back. For accounts and containers there is servers/proxy_cache.py.
PROXY_APP = {
    "use": "egg:swift#proxy",
    "allow_account_management": "true",
    "account_autocreate": "true",
    "recheck_account_existence": 60,
    "recheck_container_existence": 60,
    "recheck_updating_shard_ranges": 0,
    "recheck_listing_shard_ranges": 0,
    "error_suppression_interval": 0,
    "conn_timeout": 10.0,
    "node_timeout": 30,
}

# The sections of the daemons that run_daemon() knows.
DAEMON_SECTIONS: Mapping[str, Sections] = {
    "account": {"account-replicator": {}, "account-reaper": {}},
    "container": {
        "container-replicator": {},
        "container-updater": {},
        "container-sharder": {
            "auto_shard": "true",
            "shard_container_threshold": 50,
            "rows_per_shard": 30,
            "shard_scanner_batch_size": 10,
            "cleave_batch_size": 1,  # a pass moves the rows of one shard
        },
    },
    "object": {
        "object-replicator": {"sync_method": "ssync"},  # the other method needs rsync
        "object-reconstructor": {},
        "object-updater": {},
        # Without this a node that is not told to look at the queue reaps nothing.
        "object-expirer": {"dequeue_from_legacy": "true"},
    },
}


def write_etc(etc: Path, spec: ClusterSpec, servers: Sequence[SwiftServer]) -> None:
    """Write everything into `etc` and create the devices' directories beside it."""
    root = etc.parent
    etc.mkdir(parents=True, exist_ok=True)
    _write(etc / "swift.conf", _swift_conf(spec))
    common = {"swift_dir": etc, "user": _user(), "client_timeout": spec.client_timeout}
    internal_crypto = CRYPTO if spec.encryption else ()
    _write(
        etc / "internal-client.conf",
        {
            "DEFAULT": common | {"log_level": "WARNING"},
            **_application(["catch_errors", "symlink", *internal_crypto], "proxy-server", PROXY_APP),
        },
    )
    for server in servers:
        address = common | {"bind_ip": server.ip, "bind_port": server.port}
        if server.service == "proxy":
            _write(server.conf, {"DEFAULT": address, **_proxy(spec)}, spec.proxy_extra)
        else:
            _write(server.conf, _backend(root, server, address))
            device = devices_of(root, server.node) / device_name(server.node)
            device.mkdir(parents=True, exist_ok=True)
    _write_rings(etc, spec, servers)


def devices_of(root: Path, node: int) -> Path:
    """The `devices` setting of node n."""
    return root / f"node{node}"


def device_name(node: int) -> str:
    return f"sdb{node}"


def _user() -> str:
    """The `user` setting. The servers run as whoever starts them; a name must merely exist."""
    return pwd.getpwall()[0].pw_name


def _swift_conf(spec: ClusterSpec) -> dict[str, Mapping[str, object]]:
    sections: dict[str, Mapping[str, object]] = {
        "swift-hash": {"swift_hash_path_prefix": HASH_PREFIX, "swift_hash_path_suffix": HASH_SUFFIX}
    }
    for index, name in enumerate([*spec.policies, *spec.ec_policies]):
        policy: dict[str, object] = {"name": name}
        if index == 0:
            policy["default"] = "yes"
        if name in spec.ec_policies:
            policy |= {
                "policy_type": "erasure_coding",
                "ec_type": "liberasurecode_rs_vand",
                "ec_num_data_fragments": 2,
                "ec_num_parity_fragments": 1,
            }
        sections[f"storage-policy:{index}"] = policy
    if spec.constraints:
        sections["swift-constraints"] = spec.constraints
    return sections


def _proxy(spec: ClusterSpec) -> dict[str, Mapping[str, object]]:
    pipeline = list(spec.proxy_pipeline or spec.default_pipeline())
    sections = _application(pipeline, "proxy-server", PROXY_APP)
    if "s3api" in pipeline:
        sections["filter:s3api"] = {**sections["filter:s3api"], "min_segment_size": spec.min_part_size}
    for name in list(sections):
        # A filter that proxy_extra defines is not Swift's.
        if f"[{name}]" in spec.proxy_extra:
            del sections[name]
    return sections


def _backend(root: Path, server: SwiftServer, address: Mapping[str, object]) -> Sections:
    cache = root / "cache" / f"node{server.node}"
    cache.mkdir(parents=True, exist_ok=True)
    daemon = {"recon_cache_path": cache, "internal_client_conf_path": root / "etc/internal-client.conf"}
    return {
        "DEFAULT": {
            **address,
            "devices": devices_of(root, server.node),
            "mount_check": "false",
            "disable_fallocate": "true",
            "fallocate_reserve": 0,
            "db_preallocation": "off",
        },
        **_application([], f"{server.service}-server", {"use": f"egg:swift#{server.service}"}),
        **{name: daemon | dict(options) for name, options in DAEMON_SECTIONS[server.service].items()},
    }


def _application(
    filters: Sequence[str], app: str, options: Mapping[str, object]
) -> dict[str, Mapping[str, object]]:
    """The paste sections of a pipeline of Swift's own filters in front of `app`."""
    sections: dict[str, Mapping[str, object]] = {
        "pipeline:main": {"pipeline": " ".join([*filters, app])},
        f"app:{app}": options,
    }
    for name in filters:
        own = FILTERS.get(name, {})
        use = {} if "paste.filter_factory" in own else {"use": "egg:swift#" + name.replace("-", "_")}
        sections[f"filter:{name}"] = {**use, **own}
    return sections


def _write(path: Path, sections: Sections, extra: str = "") -> None:
    lines: list[str] = []
    for name, options in sections.items():
        lines += [f"[{name}]", *(f"{option} = {value}" for option, value in options.items()), ""]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n" + extra, encoding="utf-8")


def _write_rings(etc: Path, spec: ClusterSpec, servers: Sequence[SwiftServer]) -> None:
    rings = {"account": spec.replica_count, "container": spec.replica_count}
    for index, policy in enumerate([*spec.policies, *spec.ec_policies]):
        fragments_or_replicas = 3 if policy in spec.ec_policies else spec.replica_count
        rings[f"object-{index}" if index else "object"] = fragments_or_replicas
    for name, replicas in rings.items():
        builder = RingBuilder(spec.part_power, replicas, 0)
        for server in servers:
            if server.service == name.partition("-")[0]:
                builder.add_dev(_device(server))
        builder.rebalance(seed=1)
        builder.get_ring().save(str(etc / f"{name}.ring.gz"))


def _device(server: SwiftServer) -> dict[str, object]:
    return {
        "region": 1,
        "zone": server.node,
        "ip": server.ip,
        "port": server.port,
        "replication_ip": server.ip,
        "replication_port": server.port,
        "device": device_name(server.node),
        "weight": 100.0,
        "meta": "",
    }
