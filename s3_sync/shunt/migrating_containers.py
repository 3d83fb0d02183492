"""Containers of a live migration: created when a client needs one that the migration has not reached.

Nothing is created that the source does not have, nor a container that a client has deleted: it is gone for
clients, whatever the source has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from urllib.parse import unquote

from swift.proxy.controllers.base import clear_info_cache, get_container_info

from s3_sync.cluster.container_servers import ContainerServers, ContainerTimes
from s3_sync.cluster.subrequest import SubrequestWriter
from s3_sync.config.settings import Mapping as ContainerMapping
from s3_sync.errors import LocalChanged, LocalUnavailable, NotFound, RemoteUnavailable
from s3_sync.model.migration import (
    CONTAINER_SOURCE,
    CONTAINER_STATE,
    VERSIONS_LOCATION,
    ContainerState,
    container_headers,
)
from s3_sync.providers.registry import Registry
from s3_sync.shunt.deleted_names import DeletedNames
from s3_sync.shunt.mapping_table import MappedContainer
from s3_sync.shunt.own_buckets import OwnBuckets
from s3_sync.shunt.request import SOURCE, App, Environ, RemoteLookup, Request, StartResponse, to_wsgi
from s3_sync.shunt.telemetry import SwiftLogger

_MISSING = (404, 410)
_SYSMETA = CONTAINER_STATE.removeprefix("x-container-sysmeta-")


class MigratingContainers:
    """``servers``: of the cluster's containers."""

    def __init__(self, registry: Registry, servers: ContainerServers, log: SwiftLogger) -> None:
        self._registry = registry
        self._own = OwnBuckets(registry)
        self._servers = servers
        self._log = log

    @staticmethod
    def is_missing(request: Request) -> bool:
        """Return whether the cluster has no such container, as far as the proxy knows. That costs nothing: it
        needs to know in any case, and remembers it."""
        info = get_container_info(request.environ, request.app, swift_source=SOURCE)
        return info.get("status") in _MISSING

    def may_appear(self, request: Request) -> bool:
        """Return whether a missing container is shown as its source has it: if it is migrated, and no client
        has deleted it. Raises RemoteUnavailable if that is unknown."""
        if request.target.mapping.migration is None:
            return False
        try:
            return not self._is_deleted(request, self._servers.times(request.account, request.container))
        except LocalUnavailable as error:
            raise RemoteUnavailable(f"cannot tell whether the container was deleted: {error}") from error

    def create(self, request: Request) -> bool:
        """Create the request's container as its source is, if it is missing. Returns whether it exists now.

        Runs with the operator's rights: the caller has made sure that this client may see, or write into, a
        container without an ACL. Raises RemoteError, LocalUnavailable.
        """
        mapping, account, container = request.target.mapping, request.account, request.container
        times = self._servers.times(account, container)
        if not times.exists:
            if self._is_deleted(request, times):
                return False
            headers = self.source_headers(mapping)
            if headers is None:
                return False
            versions = container_headers(headers).get(VERSIONS_LOCATION, "")
            if versions and (name := unquote(versions).strip("/").partition("/")[0]) != container:
                # without it, Swift refuses to overwrite objects
                self.create(_of_same_name(request, request.target, name))
            self._put(request, mapping, headers)
        # the client's request, and others, remember that it is missing, perhaps with its account
        clear_info_cache(request.environ, account)
        clear_info_cache(request.environ, account, container)
        return True

    @staticmethod
    def _is_deleted(request: Request, times: ContainerTimes) -> bool:
        """Return whether a client has deleted a missing container: Swift's tombstone says so, or, once that
        is reclaimed, the record of deletes. Raises LocalUnavailable."""
        return times.deleted_by_client or DeletedNames(request, request.container).has_container

    def require(self, lookup: RemoteLookup) -> None:
        """Create the container of an object that is about to be written, if it is missing. Raises
        LocalChanged if it cannot be created."""
        account = lookup.target.mapping.account  # a symlink may be in another one
        path = to_wsgi(f"/v1/{account}/{lookup.container}")
        request = replace(
            lookup.request,
            environ={**lookup.environ, "PATH_INFO": path},
            target=lookup.target,
            account=account,
            container=lookup.container,
        )
        if self.is_missing(request) and not self.create(request):
            raise LocalChanged(f"container {lookup.container} is gone")

    def create_for_segments(self, lookup: RemoteLookup, container: str) -> bool:
        """Create a container of segments as the source has it. Returns whether it exists now. Raises as
        ``create``."""
        if not lookup.bucket.features.native_large_objects:
            return False
        return self.create(_of_same_name(lookup.request, lookup.target, container))

    def source_headers(self, mapping: ContainerMapping) -> Mapping[str, str] | None:
        """Return the headers of the source, or None if there is no such bucket. Raises RemoteError."""
        try:
            self._own.require(mapping)
            return self._registry.provider(mapping.credentials).head_bucket(mapping.bucket)
        except NotFound:
            return None

    def delete_at_source(self, mapping: ContainerMapping) -> None:
        """Delete the source, which must be empty. Raises RemoteError."""
        self._registry.provider(mapping.credentials).delete_bucket(mapping.bucket)

    def _put(self, request: Request, mapping: ContainerMapping, source: Mapping[str, str]) -> None:
        headers = {
            **container_headers(source),
            **_policy(mapping),
            CONTAINER_STATE: ContainerState.MIGRATING.value,
            CONTAINER_SOURCE: mapping.source_digest,
        }
        writer = SubrequestWriter(_as_owner(request.app), request.environ, request.account, SOURCE)
        status, _ = writer.request("PUT", request.container, headers=headers)
        if status // 100 != 2:
            raise LocalUnavailable(f"PUT {request.container}: status {status}")
        self._log.info("Created %s/%s as its source is", request.account, request.container)
        self._log.increment("containers.created")


def _policy(mapping: ContainerMapping) -> dict[str, str]:
    policy = mapping.profile.storage_policy
    return {"x-storage-policy": policy} if policy else {}


def _of_same_name(request: Request, target: MappedContainer, container: str) -> Request:
    """Return the request for another container, which has the same name at the source."""
    mapping = replace(target.mapping, container=container, bucket=container)
    return replace(
        request, target=replace(target, mapping=mapping), account=mapping.account, container=container
    )


class MigratingWriter(SubrequestWriter):
    """Writes what is restored from the source of a migration."""

    def __init__(self, containers: MigratingContainers, lookup: RemoteLookup) -> None:
        super().__init__(lookup.request.app, lookup.environ, lookup.target.mapping.account, SOURCE)
        self._containers = containers
        self._lookup = lookup

    def put_container(self, container: str) -> None:
        """Create a container as it is at the source, which may have ACLs, if it is there."""
        if self._containers.create_for_segments(self._lookup, container):
            return
        status, _ = self.request("PUT", container, headers=_policy(self._lookup.target.mapping))
        if status // 100 != 2:
            raise LocalUnavailable(f"PUT {container}: status {status}")


def mark_modified(request: Request) -> None:
    """Have the request, a POST of its container, say that a client has changed it, if it is one that a
    migration has created: from then on the migration does not delete it."""
    info = get_container_info(request.environ, request.app, swift_source=SOURCE)
    if ContainerState.parse(info.get("sysmeta", {}).get(_SYSMETA)) is not None:
        header = f"HTTP_{CONTAINER_STATE.upper().replace('-', '_')}"
        request.environ[header] = ContainerState.MODIFIED.value


def _as_owner(app: App) -> App:
    """Swift takes ACLs from an account's owner only."""

    def answer(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        environ["swift_owner"] = True
        return app(environ, start_response)

    return answer
