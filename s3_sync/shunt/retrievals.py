"""Has the store retrieve objects in archive classes that clients want to read (``archive_restore``)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from s3_sync.config.archive_restore import ArchiveRestore
from s3_sync.errors import Archived, RemoteError, RemoteUnavailable
from s3_sync.model.objects import ObjectInfo
from s3_sync.providers.base import Retrieval
from s3_sync.shunt.request import RemoteLookup
from s3_sync.shunt.telemetry import SwiftLogger

#: seconds until a worker requests the same object again; by then a HEAD shows that it is being retrieved
INTERVAL = 3600.0
#: the same after a failure
RETRY_AFTER = 60.0
_MAX_NOTED = 10_000
#: Retry-After for clients in seconds: an Expedited retrieval takes minutes, others take hours
_EXPEDITED_WAIT, _WAIT = 60.0, 900.0

#: place of the object in the store, and its version there
_Version = tuple[str, str, str, str, float]


class BeingRetrieved(Archived):
    """The store retrieves the object: the client should try again after ``retry_after``."""


class _Note(NamedTuple):
    """``readable``: the store said that the object can be read already."""

    until: float
    error: RemoteError | None = None
    readable: bool = False


class Retrievals:
    """Notes which versions this worker has requested, so that not each read sends another request."""

    def __init__(self, log: SwiftLogger, now: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._now = now
        self._noted: dict[_Version, _Note] = {}

    def begin(self, lookup: RemoteLookup, info: ObjectInfo) -> NoReturn:
        """Request the object from the store, unless that was done before. The caller has checked that the
        client may read it.

        Raises BeingRetrieved; RemoteUnavailable if the store does not answer, Archived if it refuses.
        """
        wanted = lookup.target.mapping.profile.archive_restore
        assert wanted is not None
        if not info.retrieving:
            version = _version(lookup, info)
            note = self._noted.get(version)
            if note is None or note.until <= self._now():
                note = self._request(lookup, version, wanted, note is not None and note.readable)
            if note.error is not None and note.error.transient:
                raise RemoteUnavailable(str(note.error), retry_after=RETRY_AFTER)
            if note.error is not None:
                raise Archived(str(note.error))
        wait = _EXPEDITED_WAIT if wanted.tier == "Expedited" else _WAIT
        raise BeingRetrieved(f"{info.name} is being retrieved", retry_after=wait)

    def _request(
        self, lookup: RemoteLookup, version: _Version, wanted: ArchiveRestore, was_readable: bool
    ) -> _Note:
        """``was_readable``: the store said so before, and yet refused to give it."""
        if len(self._noted) >= _MAX_NOTED:
            self._noted.clear()
        # before the request, so that reads meanwhile send none
        note = self._noted[version] = _Note(self._now() + INTERVAL)
        try:
            found = lookup.bucket.retrieve_object(lookup.name, wanted.days, wanted.tier)
        except RemoteError as error:
            self._log.increment("retrievals.failed")
            if not error.transient:  # others are logged with the response
                self._log.error("%s cannot be retrieved: %s: %s", lookup.request.path, error.reason, error)
            note = self._noted[version] = _Note(self._now() + RETRY_AFTER, error)
        else:
            if found is Retrieval.READABLE:
                note = self._noted[version] = self._readable(lookup, was_readable)
            elif found is Retrieval.BEGUN:
                self._log.increment("retrievals.begun")
                message = "%s is being retrieved for %d days (%s)"
                self._log.info(message, lookup.request.path, wanted.days, wanted.tier)
        return note

    def _readable(self, lookup: RemoteLookup, was_readable: bool) -> _Note:
        """The note about an object that the store says can be read, when it has just refused that. The first
        time it may have become readable in between."""
        if not was_readable:
            return _Note(self._now() + RETRY_AFTER, readable=True)
        self._log.increment("retrievals.failed")
        why = "the store says that it can be read, and refuses to give it"
        self._log.error("%s cannot be retrieved: %s", lookup.request.path, why)
        return _Note(self._now() + INTERVAL, Archived(f"{lookup.name}: {why}"), readable=True)


def _version(lookup: RemoteLookup, info: ObjectInfo) -> _Version:
    bucket = lookup.bucket
    store = lookup.target.mapping.credentials.store_id
    return store, bucket.name, bucket.namer.key(info.name), info.etag, info.last_modified
