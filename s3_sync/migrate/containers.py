"""Creates the local containers of migrations, and keeps their metadata that of the source.

A container's metadata is that of the side where it was changed last. Swift stamps every change of it with the
time when it arrives, so unlike objects, containers cannot be given the source's times.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping as Dict
from dataclasses import dataclass, replace
from urllib.parse import unquote

from s3_sync.cluster.client import LocalSwift
from s3_sync.cluster.client_writer import ClientWriter
from s3_sync.config.settings import Mapping
from s3_sync.errors import LocalUnavailable, NotFound, ObjectRefused, SyncError
from s3_sync.model.migration import (
    CONTAINER_SOURCE,
    CONTAINER_STATE,
    CONTAINER_WRITTEN,
    VERSIONS_LOCATION,
    VERSIONS_MODE,
    ContainerState,
    container_headers,
    metadata_digest,
)
from s3_sync.model.timestamps import UNITS, Timestamp, http_date_or_zero
from s3_sync.providers.base import Provider
from s3_sync.runtime.concurrency import Clock

log = logging.getLogger("swift-s3-migrator")

#: seconds until a container that was created must be found, and between two attempts
APPEARS_WITHIN, POLL = 1.0, 0.1
_VERSIONING = (VERSIONS_LOCATION, VERSIONS_MODE)
#: how often the metadata is read again because it changes while it is copied
_ROUNDS = 3
_Headers = Dict[str, str]


@dataclass(frozen=True, slots=True)
class _Local:
    """A local container. ``headers``: those that a migration may set. ``source``: digest of the source of the
    migration that has created it, empty if that is unknown. ``is_untouched``: the headers are those that a
    migration has given it."""

    headers: _Headers
    state: ContainerState | None
    source: str
    changed: Timestamp
    is_untouched: bool


class Containers:
    """The local containers of one migration. ``clock_offset``: of the source's clock, in seconds; negative:
    it is behind."""

    def __init__(
        self,
        client: LocalSwift,
        provider: Provider,
        mapping: Mapping,
        clock: Clock | None = None,
        clock_offset: float = 0.0,
    ) -> None:
        self._client = client
        self._provider = provider
        self._mapping = mapping
        self._writer = ClientWriter(client, mapping.account)
        self._clock = clock or Clock()
        self._behind = round(min(0.0, clock_offset) * UNITS)
        #: a container of older versions that is a client's here
        self.left_alone = ""

    def prepare(self, container: str) -> str:
        """Make the local container agree with the bucket at the source, and create it if it is missing.

        Returns the container in which Swift keeps its older versions, empty if there is none: it has the same
        name on both sides, exists locally now, and has to be migrated, too, before this one.

        Raises NotFound if there is no such bucket, the errors of ``head_bucket``, ObjectRefused with the
        reason ``storage_policy`` or ``container_refused``, and LocalUnavailable. One HEAD at the source is
        enough while nothing changes.
        """
        headers = self._head(container)
        versions = self._prepare_versions(container, versions_container(headers))
        self._agree(container, headers)
        return versions

    def _prepare_versions(self, container: str, versions: str) -> str:
        """Swift refuses to overwrite an object whose older versions have no container.

        The source names it, and might name any container here. So one that no migration from there has
        created is left alone, unless it is migrated in any case."""
        if versions in ("", container):
            return ""
        try:
            headers = self._head(versions)
        except NotFound:
            return ""  # it refuses that at the source, too
        if not self._mapping.covers_account and not self._is_ours(versions):
            self.left_alone = versions
            return ""
        self._agree(versions, headers)
        return versions

    def set_state(self, container: str, state: ContainerState) -> None:
        """Raises LocalUnavailable."""
        self._post(container, {CONTAINER_STATE: state.value})

    def state(self, container: str) -> ContainerState | None:
        """Return the state of a local container; None for one without, for a missing one, and for one that a
        migration from another source has created. Raises LocalUnavailable."""
        local = self._local(container)
        return local.state if local is not None and local.source in ("", self._digest(container)) else None

    def _is_ours(self, container: str) -> bool:
        """Whether the local container is missing, or a migration from this source has created it."""
        return self._local(container) is None or self.state(container) is not None

    def _bucket(self, container: str) -> str:
        mapping = self._mapping
        return mapping.bucket if container == mapping.container and mapping.bucket else container

    def _digest(self, container: str) -> str:
        return replace(self._mapping, bucket=self._bucket(container)).source_digest

    def _head(self, container: str) -> _Headers:
        bucket = self._bucket(container)
        try:
            return self._provider.head_bucket(bucket)
        except NotFound as error:
            identity = self._mapping.credentials.identity
            message = f'Bucket/container "{bucket}" does not exist for {identity}'
            raise NotFound(message, status=error.status, code=error.code) from error

    def _agree(self, container: str, headers: _Headers) -> None:
        """Repeat until nothing has changed at the source since it was read: the local container is younger
        now than a change that was made meanwhile."""
        wrote = self._reconcile(container, headers)
        for _ in range(_ROUNDS):
            if not wrote or not headers:
                return
            before, headers = headers, self._head(container)
            is_changed = container_headers(headers) != container_headers(before)
            wrote = is_changed and self._reconcile(container, headers, force=True)

    def _reconcile(self, container: str, headers: _Headers, force: bool = False) -> bool:
        """Returns whether metadata of the source was written. ``force``: it is newer than the local one."""
        local = self._local(container)
        if local is None:
            self._create(container, container_headers(headers))
            return True
        changes: dict[str, str] = {}
        if headers and (force or local.is_untouched or self._is_newer(headers, local)):
            wanted = container_headers(headers)
            changes = {name: value for name, value in wanted.items() if local.headers.get(name) != value}
            changes.update((name, "") for name in local.headers if name not in wanted)
            if changes and local.state is not None:
                changes[CONTAINER_WRITTEN] = metadata_digest(wanted)
        if local.state is ContainerState.SOURCE_DELETED:
            self._post(container, {**changes, CONTAINER_STATE: ContainerState.MODIFIED.value})
            log.info("%s/%s: its source is back", self._mapping.account, container)
        elif changes:
            self._post(container, changes)
        if changes:
            told = ", ".join(sorted(changes.keys() - {CONTAINER_WRITTEN}))
            log.info("%s/%s: changed as at the source: %s", self._mapping.account, container, told)
        return bool(changes)

    def _is_newer(self, headers: _Headers, local: _Local) -> bool:
        """Whether the source's container was changed later than the local one. A store may tell the time in
        whole seconds only, rounded up as Swift does. A time that has not come counts once it has: until then
        every change that a client makes here would be undone."""
        precise = _timestamp(headers.get("x-put-timestamp"))
        seconds = http_date_or_zero(headers.get("last-modified", ""))
        told = round(seconds * UNITS) if precise is None else precise.raw
        if told > math.ceil(self._clock.now()) * UNITS:
            return False
        if precise is None:
            return told - self._behind > local.changed.ceil_seconds() * UNITS
        return told - self._behind > local.changed.raw

    def _local(self, container: str) -> _Local | None:
        status, headers = self._writer.request("HEAD", container, headers={"X-Newest": "true"})
        if status == 404:
            return None
        if status // 100 != 2:
            raise self._unavailable("HEAD", container, status)
        lower = {name.lower(): value for name, value in headers.items()}
        changed = _timestamp(lower.get("x-backend-put-timestamp") or lower.get("x-put-timestamp"))
        if changed is None:
            raise LocalUnavailable(f"HEAD {self._mapping.account}/{container}: it does not tell its time")
        state = lower.get(CONTAINER_STATE)
        versioning = {name: lower[name] for name in _VERSIONING if lower.get(name)}
        settable = container_headers(lower) | versioning
        is_untouched = lower.get(CONTAINER_WRITTEN) == metadata_digest(settable)
        source = lower.get(CONTAINER_SOURCE, "")
        return _Local(settable, ContainerState.parse(state), source, changed, is_untouched)

    def _create(self, container: str, headers: _Headers) -> None:
        sent = {
            **headers,
            CONTAINER_STATE: ContainerState.MIGRATING.value,
            CONTAINER_SOURCE: self._digest(container),
            CONTAINER_WRITTEN: metadata_digest(headers),
        }
        if policy := self._mapping.profile.storage_policy:
            sent["X-Storage-Policy"] = policy
        status, _ = self._writer.request("PUT", container, headers=sent)
        if status // 100 != 2:
            raise self._refusal("PUT", container, status)
        deadline = self._clock.now() + APPEARS_WITHIN
        while self._client.container(self._mapping.account, container) is None:
            if self._clock.now() >= deadline:
                raise LocalUnavailable(f'Timeout while creating container "{container}"')
            self._clock.sleep(POLL)
        log.info("%s/%s: created", self._mapping.account, container)

    def _post(self, container: str, headers: _Headers) -> None:
        status, _ = self._writer.request("POST", container, headers=headers)
        if status // 100 != 2:
            raise self._refusal("POST", container, status)

    def _refusal(self, method: str, container: str, status: int) -> SyncError:
        what = f"{method} {self._mapping.account}/{container}: status {status}"
        if status in (400, 409) and method == "PUT" and self._mapping.profile.storage_policy:
            policy = self._mapping.profile.storage_policy
            return ObjectRefused(
                "storage_policy", f"{what}: is there a storage policy {policy!r} in this cluster?"
            )
        if status in (400, 409, 412, 413):
            return ObjectRefused("container_refused", f"{what}: this cluster does not take its metadata")
        return self._unavailable(method, container, status)

    def _unavailable(self, method: str, container: str, status: int) -> LocalUnavailable:
        return LocalUnavailable(f"{method} {self._mapping.account}/{container}: status {status}")


def versions_container(headers: _Headers) -> str:
    """Return the container that a Swift's container of these headers keeps older versions in; empty if it
    keeps none, or keeps them hidden (X-Versions-Enabled)."""
    location = container_headers(headers).get(VERSIONS_LOCATION, "")
    return unquote(location).strip("/").partition("/")[0]


def _timestamp(text: str | None) -> Timestamp | None:
    try:
        return Timestamp.parse(text or "")
    except ValueError:
        return None
