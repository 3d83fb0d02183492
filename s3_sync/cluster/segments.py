"""Segments of large objects in the local cluster."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Any

from s3_sync.cluster.client import Container, LocalSwift
from s3_sync.cluster.newest import NewestState, Present
from s3_sync.cluster.objects import LocalObject
from s3_sync.cluster.reader import ObjectReader
from s3_sync.errors import LocalChanged, LocalMissing, ObjectRefused, SegmentChanged
from s3_sync.largeobject.manifest import Manifest, Segment
from s3_sync.largeobject.segment_places import may_hold_segments
from s3_sync.model.objects import ByteRange


class SegmentReader:
    """Shared by all threads of a process."""

    def __init__(self, reader: ObjectReader, newest: NewestState, client: LocalSwift) -> None:
        self._reader = reader
        self._newest = newest
        self._client = client

    def of(self, account: str, container: str, allowed: Collection[str] = ()) -> ManifestSegments:
        """Return the segments of one large object in this container; caches the properties of their
        containers.

        ``allowed``: containers that may hold its segments besides the usual ones (``segment_containers``).
        """
        place = _Place(account, container, frozenset(allowed))
        return ManifestSegments(self._reader, self._newest, self._client, place)


@dataclass(frozen=True, slots=True)
class _Place:
    """The container of a manifest, and the containers that its segments may be in."""

    account: str
    container: str
    allowed: frozenset[str]

    def check(self, container: str) -> None:
        if not may_hold_segments(container, self.container, self.allowed):
            raise ObjectRefused(
                "segments_elsewhere",
                f'segments are in container "{container}", which segment_containers does not include',
            )


class ManifestSegments:
    """The segments of one large object, as far as its manifest may name them.

    Any user can store a manifest that names any object, without rights to it. The daemon has an operator's
    rights, so it neither reads nor deletes objects elsewhere: every method raises ObjectRefused
    (``segments_elsewhere``).
    """

    def __init__(self, reader: ObjectReader, newest: NewestState, client: LocalSwift, place: _Place) -> None:
        self._reader = reader
        self._newest = newest
        self._client = client
        self._place = place
        self._account = place.account
        self._containers: dict[str, Container | None] = {}
        self._lock = Lock()

    def check(self, manifest: Manifest) -> None:
        """Raise ObjectRefused if any segment is elsewhere."""
        for container in dict.fromkeys(segment.container for segment in manifest.segments):
            self._place.check(container)

    def dynamic(self, target: str) -> Manifest:
        """Return a DLO's current manifest. ``target``: its X-Object-Manifest, ``container/prefix``, unquoted.

        Raises LocalUnavailable, ObjectRefused.
        """
        container, entries = self._below(target)
        return Manifest.from_listing(container, list(entries))

    def names(self, target: str) -> set[tuple[str, str]]:
        """Return (container, name) of a DLO's current segments. Raises LocalUnavailable."""
        container, entries = self._below(target)
        return {(container, entry["name"]) for entry in entries}

    def _below(self, target: str) -> tuple[str, Iterator[dict[str, Any]]]:
        container, _, prefix = target.lstrip("/").partition("/")
        self._place.check(container)
        return container, self._client.objects(self._account, container, prefix)

    def open(self, segment: Segment, byte_range: ByteRange | None = None) -> LocalObject:
        """Open exactly the bytes that the manifest describes; always close it.

        If a replica has another version, the newest one over all replicas decides. Raises SegmentChanged,
        LocalUnavailable, ObjectRefused (encrypted_no_key).
        """
        self._place.check(segment.container)
        policy = self._policy(segment.container)
        place = (self._account, segment.container, segment.name, policy)
        try:
            found = self._reader.open(*place, byte_range=byte_range)
        except (LocalMissing, LocalChanged):
            return self._open_newest(segment, policy, byte_range)
        if _matches(found, segment):
            return found
        found.close()
        return self._open_newest(segment, policy, byte_range)

    def newest(self, segment: Segment) -> Present | None:
        """Return the newest version if it is the one in the manifest; None if there is none.

        Raises SegmentChanged if it is another one, or in a container with versions; LocalUnavailable,
        ObjectRefused (encrypted_no_key).
        """
        self._place.check(segment.container)
        container = self._container(segment.container)
        if container is None:
            return None
        if container.versioned:
            raise SegmentChanged(f"segment {segment.path} is in a container that keeps versions")
        state = self._newest.of(self._account, segment.container, segment.name, [container.policy])
        if not isinstance(state, Present):
            return None
        self._open_version(segment, state, None).close()
        return state

    def _open_newest(self, segment: Segment, policy: int, byte_range: ByteRange | None) -> LocalObject:
        state = self._newest.of(self._account, segment.container, segment.name, [policy])
        if not isinstance(state, Present) or state.expired:
            raise SegmentChanged(f"segment {segment.path} is missing")
        return self._open_version(segment, state, byte_range)

    def _open_version(self, segment: Segment, state: Present, byte_range: ByteRange | None) -> LocalObject:
        place = (self._account, segment.container, segment.name, state.policy)
        try:
            reader = self._reader.starting_at(state.node)
            found = reader.open(*place, expect=state.data_timestamp, byte_range=byte_range)
        except (LocalMissing, LocalChanged) as error:
            raise SegmentChanged(f"segment {segment.path}: {error}") from error
        if not _matches(found, segment):
            found.close()
            raise SegmentChanged(
                f"segment {segment.path} has {found.info.size} bytes with ETag {found.info.etag}, "
                f"the manifest says {segment.size} with {segment.md5}"
            )
        return found

    def _policy(self, container: str) -> int:
        """Return the policy of the segments' container, which may differ from the manifest's."""
        found = self._container(container)
        if found is None:
            raise SegmentChanged(f"the segment container {container} does not exist")
        return found.policy

    def _container(self, name: str) -> Container | None:
        with self._lock:  # parts start concurrently, and one of them sends the request
            if name not in self._containers:
                self._containers[name] = self._client.container(self._account, name)
            return self._containers[name]


def _matches(found: LocalObject, segment: Segment) -> bool:
    return found.info.etag == segment.md5 and found.info.size == segment.size
