"""Whether clients may see a stored copy: not if its object has expired or was deleted."""

from __future__ import annotations

from dataclasses import replace

from s3_sync.cluster.newest import Deleted, LocalState, NewestState, Present
from s3_sync.errors import LocalUnavailable, NotFound, RemoteUnavailable
from s3_sync.model.objects import ObjectInfo
from s3_sync.model.timestamps import Timestamp
from s3_sync.shunt.deleted_names import DeletedNames
from s3_sync.shunt.headers import is_deleted, is_expired, written_at
from s3_sync.shunt.request import RemoteLookup


class Visibility:
    """``newest``: determines an object's newest state over all replicas."""

    def __init__(self, newest: NewestState) -> None:
        self._newest = newest

    def check(self, lookup: RemoteLookup, info: ObjectInfo) -> None:
        """Raise NotFound for a copy that clients must no longer see, RemoteUnavailable if that is unknown."""
        if is_expired(info):
            raise NotFound(f"{info.name} has expired", status=404)
        if lookup.target.mapping.migration is not None:
            self._check_everywhere(lookup, info)
            return
        # the local 404 carries the timestamp of the tombstone, or of the expired object, if there is one and
        # the queried server has it
        text = lookup.local.header("x-backend-timestamp") or ""
        try:
            known = Timestamp.parse(text)
        except ValueError:
            return
        if is_deleted(lookup.target.mapping, info, known):
            raise NotFound(f"{info.name} was deleted", status=404)
        if self._has_expired(lookup, info, known):
            raise NotFound(f"{info.name} has expired in the cluster", status=404)

    def _check_everywhere(self, lookup: RemoteLookup, info: ObjectInfo) -> None:
        """Check the object at the source of a migration. It stays there, maybe for ever, so a replica that
        has missed a client's delete must not show it again."""
        state = self._newest_of(lookup, f"{info.name} was deleted, or has expired")
        if isinstance(state, Deleted) and is_deleted(lookup.target.mapping, info, state.timestamp):
            raise NotFound(f"{info.name} was deleted", status=404)
        if isinstance(state, Present) and state.expired and state.timestamp >= written_at(info):
            raise NotFound(f"{info.name} has expired in the cluster", status=404)
        if is_on_record(lookup, info):
            raise NotFound(f"{info.name} was deleted", status=404)

    def _newest_of(self, lookup: RemoteLookup, what: str) -> LocalState:
        try:
            return self._newest.of(lookup.target.mapping.account, lookup.container, lookup.name)
        except LocalUnavailable as error:
            raise RemoteUnavailable(f"cannot tell whether {what}: {error}") from error

    def _has_expired(self, lookup: RemoteLookup, info: ObjectInfo, known: Timestamp) -> bool:
        """Return whether the cluster still has the object, but hides it because its X-Delete-At has passed.

        The copy of a symlink, and so of an object in a container with versions, may not know that. If
        ``known`` is the copy's own timestamp, the cluster has the object; a later one is that of a delete or
        a POST.
        """
        copied = written_at(info)
        if known.offset or known <= copied:
            return known == copied
        state = self._newest_of(lookup, f"{info.name} has expired")
        return isinstance(state, Present) and state.expired


def is_on_record(lookup: RemoteLookup, info: ObjectInfo) -> bool:
    """Return whether a client's delete of what is at the source of a migration is on record. Raises
    RemoteUnavailable if that is unknown."""
    mapping = lookup.target.mapping
    if mapping.migration is None:
        return False
    request = replace(lookup.request, account=mapping.account)
    try:
        return DeletedNames(request, lookup.container).of(lookup.name) > written_at(info)
    except LocalUnavailable as error:
        raise RemoteUnavailable(f"cannot tell whether {info.name} was deleted: {error}") from error
