"""A Ceph RADOS gateway with the smallest cluster that there can be behind it, on loopback and without root.

One monitor, one OSD and one gateway; no manager, no client tools, nothing that needs Python. It starts in one
to two seconds, and has 120 MB of memory when it is new.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen
from uuid import uuid4

from servers.ceph_packages import libraries, missing, plugins, prefix
from servers.process import Child, ReservedPort, ServerError, child_environment
from servers.s3 import S3Server

#: storage classes beside STANDARD; GLACIER is a pool like any other
CLASSES = ("STANDARD_IA", "GLACIER")
_POOL = "default.rgw.buckets.data"

_CONF = """
[global]
fsid = {fsid}
mon_host = v2:127.0.0.1:{mon_port}
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
# the gateway's default is "secure", which does not exist without cephx: it would wait for ever
ms_mon_client_mode = crc
ms_bind_msgr1 = false
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
run_dir = {root}/run
admin_socket =
pid_file =
log_file = {root}/log/$name.log
mon_cluster_log_file = {root}/log/cluster.log
log_to_stderr = false
keyring = {root}/keyring
plugin_dir = {plugins}/ceph
erasure_code_dir = {plugins}/ceph/erasure-code
osd_class_dir = {plugins}/rados-classes
# one copy of everything on the one OSD, few placement groups
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
# a client that asked before the pool was there asks again soon, not after 5 seconds
objecter_tick_interval = 0.2
[mon]
mon_data = {root}/mon
mon_data_avail_warn = 1
mon_data_avail_crit = 1
# at once, not after a second: eight pools are made one after the other
paxos_propose_interval = 0.02
paxos_min_wait = 0.01
mon_memory_target = 134217728
rocksdb_cache_size = 16777216
[osd]
osd_data = {root}/osd
osd_objectstore = memstore
memstore_device_bytes = 4294967296
osd_numa_auto_affinity = false
# by default a small object costs some 100 KB of memory
osd_min_pg_log_entries = 100
osd_max_pg_log_entries = 200
osd_memory_target = 939524096
osd_op_num_shards = 2
osd_op_num_threads_per_shard = 1
osd_max_object_name_len = 2048
osd_heartbeat_interval = 1
[client.rgw]
# without tcp_nodelay a GET takes 45 ms
rgw_frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw_thread_pool_size = 32
# for buckets in the host's name
rgw_dns_name = s3.test
# what is deleted gives its memory back soon
rgw_gc_obj_min_wait = 5
rgw_gc_processor_period = 5
rgw_gc_processor_max_time = 5
rgw_enable_usage_log = false
rgw_enable_ops_log = false
rgw_dynamic_resharding = false
"""


class CephGateway(S3Server):
    """`halt()` kills the gateway alone, as an outage: what it has acknowledged is in the OSD, in memory."""

    name = "ceph"

    def __init__(self, *, min_part: int | None = None) -> None:
        """``min_part``: bytes that all parts but the last must have, if not S3's 5 MiB."""
        super().__init__()
        self._more = f"rgw_multipart_min_part_size = {min_part}\n" if min_part is not None else ""
        self._has_user = False

    def halt(self) -> None:
        self._kill("rgw")

    def stop(self) -> None:
        for name in ("rgw", "osd", "mon"):
            self._kill(name)
        self._has_user = False
        super().stop()

    def admin(self, *arguments: str) -> str:
        """What `radosgw-admin` prints."""
        return self._run("radosgw-admin", "-n", "client.rgw", *arguments)

    def add_user(self, name: str, access_key: str, secret_key: str) -> None:
        """``name``: with a tenant before a ``$``, if it shall have one."""
        keys = (f"--access-key={access_key}", f"--secret-key={secret_key}")
        self.admin("user", "create", f"--uid={name}", "--display-name=test", *keys)

    def _prepare(self) -> None:
        if reason := missing():
            raise ServerError(reason)
        port, mon_port = self._reserve(), self._reserve()
        for name in ("run", "mon", "osd"):
            (self.root / name).mkdir()
        (self.root / "keyring").touch()
        fsid = str(uuid4())
        conf = _CONF.format(
            root=self.root, plugins=plugins(), fsid=fsid, mon_port=mon_port.port, port=port.port
        )
        self._conf.write_text(conf + self._more)
        mon_map, osd_map = str(self.root / "monmap"), str(self.root / "osdmap")
        address = f"[v2:{mon_port.ip}:{mon_port.port}]"
        self._run("monmaptool", "--create", "--addv", "a", address, "--fsid", fsid, mon_map)
        # the first map has our OSD already: so nobody has to register it with a command line client
        self._run("osdmaptool", "--createsimple", "1", osd_map, "--clobber")
        self._run("ceph-mon", "-i", "a", "--mkfs", "--monmap", mon_map, "--osdmap", osd_map)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", str(uuid4()), "--no-mon-config")
        self._add_child("mon", "ceph-mon", "-i", "a")
        self._add_child("osd", "ceph-osd", "-i", "0")
        self._add_child("rgw", "radosgw", "-n", "client.rgw")

    def _start_children(self, names: list[str]) -> None:
        super()._start_children([name for name in names if name != "rgw"])
        if not self._has_user:
            # makes the pools, and waits until it can write there
            self.add_user("test", self.access_key, self.secret_key)
            self._add_classes()
            self._has_user = True
        super()._start_children(["rgw"])
        self.children["rgw"].wait_ready(partial(_answers, self.endpoint))

    def _listens(self, child: Child) -> list[ReservedPort]:
        """An OSD takes a port of its own choice."""
        return {"rgw": self._ports[:1], "mon": self._ports[1:]}.get(child.name, [])

    def _add_classes(self) -> None:
        for name in CLASSES:
            what = ("placement", "add", "--placement-id=default-placement", f"--storage-class={name}")
            self.admin("zonegroup", *what, "--rgw-zonegroup=default")
            self.admin("zone", *what, "--rgw-zone=default", f"--data-pool={_POOL}")

    @property
    def _conf(self) -> Path:
        return self.root / "ceph.conf"

    def _add_child(self, name: str, program: str, *arguments: str) -> None:
        command = [str(prefix() / "usr/bin" / program), "-c", str(self._conf), "-f", *arguments]
        log = self.log_dir / f"{name}.out"
        self.children[name] = Child(name, command, log, environment=_environment(), outlive=self.keep)

    def _run(self, program: str, *arguments: str) -> str:
        command: Sequence[str] = (str(prefix() / "usr/bin" / program), "-c", str(self._conf), *arguments)
        done = subprocess.run(
            command,
            env=child_environment(_environment()),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            what = f"{program} {' '.join(arguments)}"
            raise ServerError(f"{what} ended with {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def _kill(self, name: str) -> None:
        """At once: the gateway would take 8 seconds to end in order, and keeps nothing to itself."""
        child = self.children.get(name)
        if child and child.running:
            child.signal(signal.SIGKILL)
            child.wait(10)


def _environment() -> dict[str, str]:
    return {
        "LD_LIBRARY_PATH": os.pathsep.join(str(each) for each in libraries())
        if prefix() != Path("/")
        else "",
        "TCMALLOC_MAX_TOTAL_THREAD_CACHE_BYTES": str(16 << 20),
        "CEPH_ARGS": "",
    }


def _answers(endpoint: str) -> bool:
    try:
        urlopen(endpoint, timeout=5).close()
    except (URLError, OSError):
        return False
    return True
