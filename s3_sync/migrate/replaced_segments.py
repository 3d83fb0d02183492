"""Removes the segments of a local object once a newer version has replaced it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from s3_sync.cluster.newest import NewestState, Present
from s3_sync.config.settings import Mapping
from s3_sync.migrate.own_segments import OwnSegments
from s3_sync.migrate.ownership import owned_version


class ReplacedSegments:
    """Wraps the copying of objects of one migrated container; see ``OwnSegments`` for which segments are
    removed."""

    def __init__(self, own: OwnSegments, newest: NewestState, mapping: Mapping) -> None:
        self._own = own
        self._newest = newest
        self._mapping = mapping

    @contextmanager
    def around(self, name: str) -> Iterator[None]:
        """Around the copying of an object that replaces one.

        Its segments are on record before. If the copying fails, ``OwnSegments.resume`` finds out whether they
        are still needed, as after a crash. Raises LocalUnavailable, StateError, and what removing raises;
        then the new object is complete."""
        mapping, container = self._mapping, self._mapping.container
        state = self._newest.of(mapping.account, container, name)
        version = owned_version(state, mapping.source_digest)
        cleanup = None if version is None else self._own.note(mapping, container, name, version)
        yield
        if version is None or cleanup is None:
            return
        state = self._newest.of(mapping.account, container, name)
        if isinstance(state, Present) and state.data_timestamp == version.data_timestamp:
            self._own.forget(mapping, cleanup)  # it was not replaced after all
        else:
            self._own.remove(mapping, container, cleanup)
