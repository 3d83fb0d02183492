"""A cluster in memory, whose accounts are migrated to, and the source of a migration."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from swift.common.swob import HTTPForbidden, Response
from swift.common.swob import Request as SwobRequest

from s3_sync.cluster.container_servers import ContainerTimes
from s3_sync.cluster.newest import Deleted, LocalState, Present, Unknown
from s3_sync.cluster.rings import Node
from s3_sync.config.credentials.base import Credentials
from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.credentials.swift import SwiftCredentials
from s3_sync.config.settings import Mapping, MigrationOptions, Profile
from s3_sync.model.keys import KeyNamer
from s3_sync.model.migration import CONTAINER_STATE
from s3_sync.model.objects import ObjectInfo, ObjectMeta, PutOptions
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.memory import MemoryProvider
from s3_sync.providers.memory_swift import MemorySwift
from s3_sync.providers.registry import Registry
from s3_sync.shunt.container_requests import ContainerRequests
from s3_sync.shunt.listings import Listings
from s3_sync.shunt.mapping_table import MappedContainer
from s3_sync.shunt.migrating_containers import MigratingContainers
from s3_sync.shunt.migrating_writes import MigratingWrites
from s3_sync.shunt.proxyfs import ProxyFs
from s3_sync.shunt.request import RemoteLookup, Request
from s3_sync.shunt.source_bucket import SourceBucket
from s3_sync.streams.reader import BytesBody

NEVER = Timestamp(0)
#: of every request of a client; what is at the source is older, or younger
NOW = Timestamp.parse("4000000000.00000")


class Log(logging.LoggerAdapter[logging.Logger]):
    """What of Swift's logger is used."""

    thread_locals = ("tx", "ip")

    def __init__(self) -> None:
        super().__init__(logging.getLogger("shunt"), {})

    def increment(self, metric: str) -> None: ...


@dataclass
class Container:
    headers: dict[str, str]
    objects: dict[str, bytes] = field(default_factory=dict)
    tombstones: dict[str, Timestamp] = field(default_factory=dict)


class World:
    """``allowed``: the methods that the client may use without an ACL. ``status``: instead of the cluster's
    answer to a DELETE."""

    def __init__(self, provider: MemoryProvider | None = None) -> None:
        self.provider = provider or MemorySwift()
        self.provider.create_bucket("c")
        self.containers: dict[str, Container] = {}
        self.times = ContainerTimes(NEVER, NEVER)
        self.requests: list[str] = []
        self.allowed = {"GET", "HEAD", "PUT", "POST", "DELETE"}
        self.status = 0
        self.copied: list[str] = []
        credentials: Credentials = SwiftCredentials(
            provider="swift", endpoint="http://x/auth/v1.0", identity="a:b"
        )
        if not isinstance(self.provider, MemorySwift):
            credentials = S3Credentials()
        profile = Profile(retain_local=False, propagate_delete=False, merge_namespaces=True)
        mapping = Mapping(
            "AUTH_a", "c", "c", credentials, profile, KeyNamer.source(""), migration=MigrationOptions()
        )
        self.bucket: Any = self.provider.bucket("c", mapping.namer)
        if isinstance(self.provider, MemorySwift):
            self.bucket.features = replace(self.bucket.features, x_timestamp=True)
        self.target = MappedContainer(mapping, SourceBucket(self.bucket, "", False))
        registry = Registry(retries=None, build=lambda *_: self.provider)
        log: Any = Log()
        servers: Any = self
        migrating = MigratingContainers(registry, servers, log)
        # as ContainerServers
        servers.times = lambda *_: self._times()
        proxyfs = ProxyFs(False)
        proxyfs.may_appear = migrating.may_appear
        self.writes = MigratingWrites(migrating, proxyfs, servers, self._copy, log)
        listings = Listings(proxyfs, log)
        self.requested = ContainerRequests(migrating, listings, proxyfs, servers, log)
        self.deleted_at = NEVER

    def _times(self) -> ContainerTimes:
        return ContainerTimes(NOW if "c" in self.containers else NEVER, self.deleted_at)

    def store(self, name: str, data: bytes = b"x") -> None:
        """At the source."""
        self.bucket.put_object(
            name, BytesBody(data), PutOptions(len(data), ObjectMeta({"content-type": "a/b"}))
        )

    def _copy(self, lookup: RemoteLookup, info: ObjectInfo) -> None:
        self.copied.append(info.name)
        self.containers["c"].objects[info.name] = b""

    def of(self, account: str, container: str, name: str) -> LocalState:
        """As NewestState."""
        found = self.containers.get(container)
        if found is not None and name in found.objects:
            return Present(NOW, NOW, 0, {}, False, Node("127.0.0.1", 1, "d"))
        if found is not None and name in found.tombstones:
            return Deleted(found.tombstones[name])
        return Unknown()

    @property
    def state(self) -> str | None:
        return self.containers["c"].headers.get(CONTAINER_STATE)

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """The cluster."""
        request = SwobRequest(environ)
        pieces = environ["PATH_INFO"].split("/", 4)[3:]
        if "swift.authorize" in environ:
            request.acl = None
            if (denial := environ["swift.authorize"](request)) is not None:
                refused: Iterable[bytes] = denial(environ, start_response)
                return refused
        headers: dict[str, str] = {}
        if len(pieces) > 1:
            status, headers = self._object(request, pieces[0], pieces[1]), {"X-Timestamp": NOW.normal}
        else:
            status, headers = self._container(request, pieces[0]) if pieces else (204, {})
        self.requests.append(f"{request.method} {'/'.join(pieces)} {status}")
        body = b"[]" if status == 200 else b""
        kind = "application/json" if status == 200 else "text/plain"
        response = Response(status=status, headers=headers, body=body, content_type=kind, request=request)
        answer: Iterable[bytes] = response(environ, start_response)
        return answer

    def _container(self, request: SwobRequest, name: str) -> tuple[int, dict[str, str]]:
        own = {
            key.lower(): value for key, value in request.headers.items() if key.lower().startswith("x-cont")
        }
        found = self.containers.get(name)
        if request.method == "PUT":
            self.containers[name] = Container(own)
            return 201, {}
        if found is None:
            return 404, {}
        if request.method == "DELETE":
            del self.containers[name]
            if name == "c":
                self.deleted_at = NOW
        found.headers |= own
        return (200 if request.method == "GET" else 204), found.headers

    def _object(self, request: SwobRequest, container: str, name: str) -> int:
        found = self.containers.get(container)
        if request.method == "DELETE" and self.status:
            return self.status
        if found is None:
            return 404
        existed = name in found.objects
        if request.method == "PUT":
            found.objects[name] = request.body
            return 201
        if request.method == "DELETE":
            found.objects.pop(name, None)
            found.tombstones[name] = NOW
            request.environ["HTTP_X_TIMESTAMP"] = NOW.internal
        return {"POST": 202, "DELETE": 204}.get(request.method, 200) if existed else 404

    def ask(self, method: str, name: str = "", **headers: str) -> int:
        """A client's request; returns the status."""

        def authorize(request: SwobRequest) -> Any:
            return None if request.method in self.allowed else HTTPForbidden(request=request)

        path = f"/v1/AUTH_a/c/{name}".rstrip("/")
        environ = SwobRequest.blank(
            path, method=method, headers=headers, body=b"body" * (method == "PUT")
        ).environ
        environ |= {"pfs.is_bimodal": "no", "swift.authorize": authorize}
        request = Request(environ, self, self, self.target, "AUTH_a", "c", name)
        handler = getattr(self.writes if name else self.requested, method.lower())
        answered = SwobRequest(environ).call_application(lambda _, start: handler(request, start))
        list(answered[1])
        return int(answered[0].split(" ")[0])
