"""A Swift whose proxy has the middleware, and archived objects as a daemon would have left them."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from servers.daemon import Target
from servers.landed import key_prefix
from servers.pair import Store
from servers.process import UNMEASURED, Child, wait_until
from servers.raw_swift import Answer, RawSwift
from servers.swift import SwiftCluster

#: of restored objects that are too large, in bytes
SEGMENT_SIZE = 3 << 20
SOON = 30.0
_FILTER = """
[filter:cloud-shunt]
use = egg:swift-s3-sync#cloud-shunt
conf_file = {conf_file}
swift_dir = {root}/etc
{more}
"""
#: a change of the configuration counts at once
_OPTIONS = {"reload_interval": 0.0001, "remote_connect_timeout": 2}


class Shunted(SwiftCluster):
    """Coverage looks into its proxy if MEASURE_PROXIES is set: that takes twice as long.

    `options` of the filter, beside those of the cluster. ``before``: which filter stands right of it.
    ``environment``: of the proxy, beside what every server has."""

    name = "shunted"

    def __init__(
        self,
        *,
        before: str = "slo",
        options: Mapping[str, object] | None = None,
        environment: Mapping[str, str] | None = None,
        **spec: Any,
    ) -> None:
        super().__init__(**spec)
        self._environment = environment or {}
        self._before = before
        self._options = {**_OPTIONS, **(options or {})}
        self._mappings: list[dict[str, Any]] = []
        self._migrations: list[dict[str, Any]] = []

    def _prepare(self) -> None:
        pipeline = self.spec.default_pipeline()
        pipeline.insert(pipeline.index(self._before), "cloud-shunt")
        more = "\n".join(f"{key} = {value}" for key, value in self._options.items())
        extra = _FILTER.format(conf_file=self.root / "sync.json", root=self.root, more=more)
        self.spec = replace(self.spec, proxy_pipeline=pipeline, proxy_extra=extra)
        self.configure(self.content)
        super()._prepare()

    def _child(self, name: str, command: str, *arguments: str) -> Child:
        child = super()._child(name, command, *arguments)
        if name == self.server("proxy").process:
            child.environment.update(self._environment)
            if os.environ.get("MEASURE_PROXIES"):
                child.environment.update({name: os.environ.get(name, "") for name in UNMEASURED})
        return child

    def add(self, mapping: dict[str, Any]) -> None:
        """In force with the next request."""
        self._mappings.append(mapping)
        self.configure(self.content)

    def migrate(self, migration: dict[str, Any]) -> None:
        """In force with the next request."""
        self._migrations.append(migration)
        self.configure(self.content)

    def end_migration(self, migration: dict[str, Any]) -> None:
        self._migrations.remove(migration)
        self.configure(self.content)

    @property
    def content(self) -> dict[str, Any]:
        """What the configuration file has, as long as nobody has put another one there."""
        return {
            "containers": self._mappings,
            "migrations": self._migrations,
            "migrator_settings": {"segment_size": SEGMENT_SIZE},
        }

    @property
    def proxy_log(self) -> str:
        return (self.log_dir / f"{self.server('proxy').process}.log").read_text(errors="replace")

    def configure(self, content: Any) -> None:
        path = self.root / "sync.json"
        new = path.with_suffix(".new")
        new.write_text(content if isinstance(content, str) else json.dumps(content))
        os.replace(new, path)


class Archive:
    """One mapped container and its bucket. ``options``: further keys of the mapping, which with
    ``every_container`` is that of the whole account of ``swift``."""

    def __init__(
        self,
        cluster: Shunted,
        store: Store,
        /,  # a mapping has an option of that name
        *,
        swift: RawSwift | None = None,
        container: str = "",
        every_container: bool = False,
        **options: Any,
    ) -> None:
        self.swift = swift or RawSwift(cluster)
        self.cluster = cluster
        self.container = container or f"c-{uuid4().hex[:12]}"
        self.bucket = f"bucket-{uuid4().hex[:12]}"
        self.s3 = store.client()
        self.s3.create_bucket(Bucket=self.bucket)
        self.swift.put_container(self.container)
        target = Target(store.through or store.endpoint, store.identity, store.secret, self.bucket)
        defaults = {"merge_namespaces": True, "retain_local": False, "propagate_delete": False}
        mapped = "/*" if every_container else self.container
        self.mapping = target.mapping(self.swift.account, mapped, **{**defaults, **options})
        cluster.add(self.mapping)

    def another_container(self, name: str = "") -> Archive:
        """Another container of the same account and mapping."""
        other = copy.copy(self)
        other.container = name or f"c-{uuid4().hex[:12]}"
        self.swift.put_container(other.container)
        return other

    @property
    def prefix(self) -> str:
        """What every key begins with, as long as `custom_prefix` is empty or absent."""
        if self.mapping.get("custom_prefix") == "":
            return ""
        return key_prefix(self.swift.account, self.container)

    @property
    def location(self) -> str:
        """As listings name it."""
        return f"{self.mapping['aws_endpoint']};{self.bucket};{self.prefix}"

    def store(
        self, name: str, body: bytes = b"x", meta: Mapping[str, str] | None = None, **options: Any
    ) -> None:
        """As a move leaves it: the bytes, marked with when they were written. ``options`` of boto3."""
        marks = {"swift-timestamp": f"{time.time() - 3600:.5f}", **(meta or {})}
        self.s3.put_object(
            Bucket=self.bucket,
            Key=self.prefix + name,
            Body=body,
            Metadata={key: value for key, value in marks.items() if value},
            **options,
        )

    def store_large(self, name: str, segments: Sequence[tuple[str, str, bytes]], **meta: str) -> bytes:
        """An SLO of (container, name, bytes); returns its manifest."""
        entries = [
            {
                "name": f"/{container}/{segment}",
                "bytes": len(data),
                "hash": hashlib.md5(data).hexdigest(),
                "content_type": "application/octet-stream",
                "last_modified": "2026-01-02T03:04:05.000000",
            }
            for container, segment, data in segments
        ]
        manifest = json.dumps(entries).encode()
        marks = {
            "x-static-large-object": "True",
            "swift-slo-etag": hashlib.md5(manifest).hexdigest(),
            **{key.replace("_", "-"): value for key, value in meta.items()},
        }
        self.store(name, b"".join(data for _, _, data in segments), marks)
        self.s3.put_object(Bucket=self.bucket, Key=self.manifest_key(name), Body=manifest)
        return manifest

    def manifest_key(self, name: str) -> str:
        digest = hashlib.sha256(name.encode()).hexdigest()
        folder = self.prefix.replace("/", "/.manifests/", 1) or ".manifests/"
        return f"{folder}{digest}.swift_slo_manifest"

    def ask(self, method: str, name: str | None = None, query: str = "", **headers: str) -> Answer:
        """``headers``: with underscores."""
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        return self.swift.ask(method, self.container, name, query=query, headers=sent)

    def get(self, name: str, query: str = "", **headers: str) -> Answer:
        return self.ask("GET", name, query, **headers)

    def is_local(self, name: str) -> bool:
        """Whether the local cluster itself has it."""
        return self.ask("HEAD", name, X_Cloud_Sync_Shunt_Bypass="yes").status == 200

    def stored(self) -> list[str]:
        """The keys in the bucket."""
        found = self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return [entry["Key"] for entry in found]

    def check_copies(self) -> None:
        """COPY and PUT with X-Copy-From of an archived object."""
        body = b"archived" * 1000
        self.store("a/ü", body, {"colour": "red"}, ContentType="a/b")
        there = {"Destination": f"/{self.container}/copy"}
        answer = self.swift.ask("COPY", self.container, "a/ü", headers=there)
        assert answer.status == 201
        assert answer.headers["x-copied-from"].endswith("/a/%C3%BC")
        copied = self.get("copy")
        assert copied.body == body
        assert (copied.headers["content-type"], copied.headers["x-object-meta-colour"]) == ("a/b", "red")
        assert self.is_local("copy")
        elsewhere = f"{self.container}-elsewhere"
        self.swift.put_container(elsewhere)
        source = {"X-Copy-From": f"/{self.container}/a/%C3%BC", "X-Fresh-Metadata": "true"}
        assert self.swift.ask("PUT", elsewhere, "copy", headers=source).status == 201
        assert self.swift.ask("GET", elsewhere, "copy").body == body
        assert self.swift.ask("COPY", self.container, "absent", headers=there).status == 404
        assert self.swift.ask("COPY", self.container, "a/ü").status == 412

    def restored(self, name: str) -> Answer:
        """What the local cluster has, once it has it."""
        wait_until(lambda: self.is_local(name), SOON, f"{name} restored")
        return self.get(name, X_Cloud_Sync_Shunt_Bypass="yes")

    def not_restored(self, name: str, why: str) -> None:
        """It was tried and given up, for a reason whose words the log has."""
        wait_until(lambda: why in self.told_of_restore(name), SOON, f"{name} given up")
        assert not self.is_local(name)

    def told_of_restore(self, name: str) -> str:
        """The lines of the proxy's log."""
        path = f"/{self.container}/{name}"
        lines = self.cluster.proxy_log.splitlines()
        return "\n".join(line for line in lines if path in line and "restore" in line.lower())
