"""Whether a stored copy may be seen by clients: not when its object has expired or was deleted."""

from __future__ import annotations

from s3_sync.cluster.newest import NewestState, Present
from s3_sync.errors import LocalUnavailable, NotFound, RemoteUnavailable
from s3_sync.model.objects import ObjectInfo
from s3_sync.model.timestamps import Timestamp
from s3_sync.shunt.headers import is_deleted, is_expired, written_at
from s3_sync.shunt.wanted import Wanted


class Visibility:
    """``newest``: what all replicas know of an object."""

    def __init__(self, newest: NewestState) -> None:
        self._newest = newest

    def check(self, wanted: Wanted, info: ObjectInfo) -> None:
        """Raises NotFound for a copy that is there and must not be seen any more, RemoteUnavailable where
        that cannot be told."""
        if is_expired(info):
            raise NotFound(f"{info.name} has expired", status=404)
        # the local 404 tells the time of the tombstone, or of the expired object, where there is one and the
        # server that was asked has it
        text = wanted.local.header("x-backend-timestamp") or ""
        try:
            known = Timestamp.parse(text)
        except ValueError:
            return
        if is_deleted(wanted.target.mapping, info, known):
            raise NotFound(f"{info.name} was deleted", status=404)
        if self._has_expired(wanted, info, known):
            raise NotFound(f"{info.name} has expired in the cluster", status=404)

    def _has_expired(self, wanted: Wanted, info: ObjectInfo, known: Timestamp) -> bool:
        """Whether the cluster has it still, and does not show it because its X-Delete-At has passed.

        The copy of a symlink, and so of an object of a container with versions, need not know of that. What
        the copy was made of is there if ``known`` is its time. A later one is that of a delete, or of a POST.
        """
        copied = written_at(info)
        if known.offset or known <= copied:
            return known == copied
        try:
            state = self._newest.of(wanted.target.mapping.account, wanted.container, wanted.name)
        except LocalUnavailable as error:
            raise RemoteUnavailable(f"whether {info.name} has expired is not known: {error}") from error
        return isinstance(state, Present) and state.expired
