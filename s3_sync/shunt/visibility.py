"""Whether clients may see a stored copy: not if its object has expired or was deleted."""

from __future__ import annotations

from s3_sync.cluster.newest import NewestState, Present
from s3_sync.errors import LocalUnavailable, NotFound, RemoteUnavailable
from s3_sync.model.objects import ObjectInfo
from s3_sync.model.timestamps import Timestamp
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

    def _has_expired(self, lookup: RemoteLookup, info: ObjectInfo, known: Timestamp) -> bool:
        """Return whether the cluster still has the object, but hides it because its X-Delete-At has passed.

        The copy of a symlink, and so of an object in a container with versions, may not know that. If
        ``known`` is the copy's own timestamp, the cluster has the object; a later one is that of a delete or
        a POST.
        """
        copied = written_at(info)
        if known.offset or known <= copied:
            return known == copied
        try:
            state = self._newest.of(lookup.target.mapping.account, lookup.container, lookup.name)
        except LocalUnavailable as error:
            raise RemoteUnavailable(f"cannot tell whether {info.name} has expired: {error}") from error
        return isinstance(state, Present) and state.expired
