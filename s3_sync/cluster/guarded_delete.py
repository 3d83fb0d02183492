"""Deletes exactly one version of a local object."""

from __future__ import annotations

from s3_sync.cluster.client import LocalSwift
from s3_sync.cluster.newest import NewestState, Present
from s3_sync.errors import LocalChanged, LocalUnavailable

_NOT_FOUND = 404
_CONFLICT = 409


class GuardedDelete:
    """Deletes with the smallest timestamp that is newer than the version's own, so any other write by a
    client, later or concurrent, is newer and survives.

    The tombstone's timestamp has a non-zero offset, which client requests never have. So the container
    databases of every node show that the delete is ours, for as long as they keep it.
    """

    def __init__(self, newest: NewestState, client: LocalSwift) -> None:
        self._newest = newest
        self._client = client

    def delete_version(self, account: str, container: str, name: str, version: Present) -> None:
        """Delete ``version`` if it is still the newest state; raise LocalChanged if it is not.

        An object server refuses the delete (409) if the *data* changed, but not after a POST alone: so the
        state is checked again right before. A POST within that short window is lost for the local object; its
        bytes and older metadata are safe at the remote. Raises LocalUnavailable if Swift does not confirm the
        delete.
        """
        path = f"{account}/{container}/{name}"
        if not self._is_newest(account, container, name, version):
            raise LocalChanged(f"{path} changed after it was copied")
        headers = {
            "X-Timestamp": version.data_timestamp.after().internal,
            "X-Backend-Storage-Policy-Index": str(version.policy),
        }
        answer = self._client.request("DELETE", path, headers)
        answer.close()
        if answer.status == _CONFLICT:
            raise LocalChanged(f"{path} was overwritten after it was copied")
        if answer.status == _NOT_FOUND:
            # either a minority of replicas had it, or the proxy finds no such container and sent no request
            if self._is_newest(account, container, name, version):
                raise LocalUnavailable(f"delete of {path}: status 404, but the object still exists")
        elif not 200 <= answer.status < 300:
            raise LocalUnavailable(f"delete of {path}: status {answer.status}")

    def _is_newest(self, account: str, container: str, name: str, version: Present) -> bool:
        now = self._newest.of(account, container, name, [version.policy])
        return isinstance(now, Present) and _version(now) == _version(version)


def _version(state: Present) -> tuple[object, ...]:
    return state.policy, state.data_timestamp, state.timestamp
