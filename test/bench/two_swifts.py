"""What the case of another Swift as target plays on: two clusters, and the tools that copy between them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from bench.filling import object_path
from bench.stage import Measured, Stage
from servers.daemon import Target
from servers.process import python_module
from servers.rclone import rclone_program
from servers.swift import IMPORT_ROOT, SwiftCluster
from servers.swift_spec import ClusterSpec

_REALM = "[bench]\nkey = key of the realm\n"
_CONTAINER_KEY = "key of the container"
#: a run is to end with the last row, however long that takes; its client has a cache, as proxies have one
_SYNC = """
[container-sync]
container_time = 86400
conn_timeout = 60
internal_client_conf_path = {client}
"""
_CACHE = "[filter:cache]\npaste.filter_factory = servers.proxy_cache:filter_factory\n"


class TwoSwifts(SwiftCluster):
    """The source. ``target``: a cluster of the same kind, which container-sync may write to."""

    name = "source"

    def __init__(self, **spec: Any) -> None:
        spec["proxy_pipeline"] = _with_container_sync()
        super().__init__(**spec)
        self.target = _Target(**spec)

    def stop(self) -> None:
        super().stop()
        self.target.stop()

    def _prepare(self) -> None:
        self.target.start()
        super()._prepare()
        realm = f"{_REALM}cluster_target = {self.target.s3_endpoint}/v1/\n"
        (self.etc / "container-sync-realms.conf").write_text(realm)
        client = self.etc / "container-sync-client.conf"
        text = self.internal_client_conf.read_text().replace("catch_errors ", "catch_errors cache ", 1)
        client.write_text(text + _CACHE)
        with self.server("container").conf.open("a") as file:
            file.write(_SYNC.format(client=client))


class _Target(SwiftCluster):
    name = "target"

    def _prepare(self) -> None:
        super()._prepare()
        (self.etc / "container-sync-realms.conf").write_text(_REALM)


def _with_container_sync() -> list[str]:
    pipeline = ClusterSpec().default_pipeline()
    pipeline.insert(pipeline.index("cache") + 1, "container_sync")  # it has to stand left of tempauth
    return pipeline


@dataclass
class Copying:
    """One container of the source, to a new container of the target with each run.

    ``large``: the copies are deleted after the run, because they are in memory."""

    stage: Stage
    container: str
    names: Sequence[str]
    large: bool = False
    _runs: int = 0

    @property
    def source(self) -> TwoSwifts:
        assert isinstance(self.stage.cluster, TwoSwifts)
        return self.stage.cluster

    def ours(self) -> Measured:
        target, there = self.source.target, self._new_container()
        swift = Target(target.auth_url, target.user, target.key, there)
        daemon = self.stage.daemon([swift.mapping(self.source.account, self.container, protocol="swift")])
        with target.count_requests() as count:
            measured = self.stage.ours(daemon)
        return self._checked(measured, count, there)

    def container_sync(self) -> Measured:
        """One run of Swift's daemon, from the first row on: another target makes it start again."""
        there = self._new_container()
        headers = {
            "X-Container-Sync-To": f"//bench/target/{self.source.target.account}/{there}",
            "X-Container-Sync-Key": _CONTAINER_KEY,
        }
        self.source.client().post_container(self.container, headers)
        layout = str(self.source.root / "layout.json")
        command = python_module("servers.swift_child", "daemon", layout, "1", "container-sync")
        measured = self._measure(command, {"PYTHONPATH": str(IMPORT_ROOT)}, there)
        off = {"X-Remove-Container-Sync-To": "x", "X-Remove-Container-Sync-Key": "x"}
        self.source.client().post_container(self.container, off)
        return measured

    def rclone(self, *options: str) -> Measured:
        there = self._new_container()
        environment = {"RCLONE_CONFIG": "/dev/null"}
        for end, cluster in (("FROM", self.source), ("TO", self.source.target)):
            settings = {"TYPE": "swift", "AUTH": cluster.auth_url, "USER": cluster.user, "KEY": cluster.key}
            environment |= {f"RCLONE_CONFIG_{end}_{name}": value for name, value in settings.items()}
        command = [rclone_program(), "copy", f"from:{self.container}", f"to:{there}", *options]
        return self._measure(command, environment, there)

    def bare(self, threads: int) -> Measured:
        """From the object server to the target's proxy with nothing in between."""
        there = self._new_container()
        source, proxy = self.source.server("object"), self.source.target.server("proxy")
        url, token = self.source.target.client().get_auth()
        path = "/" + url.split("/", 3)[3]
        order = {
            "source": [source.ip, source.port],
            "sink": [proxy.ip, proxy.port],
            "threads": threads,
            "headers": f"X-Auth-Token: {token}\r\n",
            "pairs": [
                [object_path(self.source, 1, self.container, name), f"{path}/{there}/{quote(name)}"]
                for name in self.names
            ],
        }
        file = self.stage.directory / "bare.json"
        file.write_text(json.dumps(order))
        return self._measure(python_module("bench.bare", str(file)), {"PYTHONPATH": str(IMPORT_ROOT)}, there)

    def _new_container(self) -> str:
        self._runs += 1
        name = f"{self.container}-{self._runs}"
        self.source.target.client().put_container(name, {"X-Container-Sync-Key": _CONTAINER_KEY})
        return name

    def _measure(self, command: Sequence[str], environment: Mapping[str, str], there: str) -> Measured:
        with self.source.target.count_requests() as count:
            measured = self.stage.measure(command, environment)
        return self._checked(measured, count, there)

    def _checked(self, measured: Measured, count: Any, there: str) -> Measured:
        """With the target's requests. Raises RuntimeError unless each object has been stored."""
        requests = count.requests
        puts = [each for each in requests if (each.server, each.method) == ("object", "PUT")]
        stored = {each.path for each in puts if each.status == 201}
        if len(stored) != len(self.names):
            log = (self.stage.directory / "output.log").read_text(errors="replace")
            raise RuntimeError(f"{len(stored)} of {len(self.names)} objects are in {there}:\n{log[-2000:]}")
        if self.large:
            client = self.source.target.client()
            for name in self.names:
                client.delete_object(there, name)
        return replace(measured, remote=Counter(f"{each.server} {each.method}" for each in requests))
