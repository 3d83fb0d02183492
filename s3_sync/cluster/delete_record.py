"""The record of what clients have deleted while the source of a migration keeps its objects.

Swift forgets a tombstone after ``reclaim_age``, and lists none. So each such delete is an object without
bytes, with the delete's time, in a container that clients see neither in listings nor by its name: it is in
Swift's reserved namespace. cloud-shunt writes the record.
"""

from __future__ import annotations

from s3_sync.cluster.account_writer import AccountWriter
from s3_sync.errors import LocalChanged, LocalUnavailable
from s3_sync.model.migration import deletes_container, deletes_name
from s3_sync.model.timestamps import Timestamp
from s3_sync.streams.reader import BytesBody

#: Swift takes it from internal clients only
RESERVED = {"x-backend-allow-reserved-names": "true"}
#: the name of a container's own delete in its record
_ITSELF = ""


class DeleteRecord:
    """The record of one container of the writer's account."""

    def __init__(self, writer: AccountWriter, container: str) -> None:
        self._writer = writer
        self._container = deletes_container(container)

    @property
    def exists(self) -> bool:
        """Raises LocalUnavailable."""
        status, _ = self._writer.request("HEAD", self._container, headers=RESERVED)
        if status != 404 and status // 100 != 2:
            raise _unreadable(status)
        return status != 404

    def of(self, name: str) -> Timestamp:
        """Return when a client has deleted the name, zero if none has. Raises LocalUnavailable."""
        status, headers = self._writer.request("HEAD", self._container, deletes_name(name), headers=RESERVED)
        if status == 404:
            return Timestamp(0)
        written = headers.get("X-Timestamp")
        if status != 200 or written is None:
            raise _unreadable(status)
        return Timestamp.parse(written)

    @property
    def has_container(self) -> bool:
        """Whether a client has deleted the container. Raises LocalUnavailable."""
        return self.of(_ITSELF).raw > 0

    def add(self, name: str, deleted_at: Timestamp) -> None:
        """Raises LocalUnavailable, ObjectRefused for a name of the greatest length."""
        headers = {**RESERVED, "x-timestamp": deleted_at.internal}
        for _ in range(2):
            try:
                self._writer.put_object(self._container, deletes_name(name), BytesBody(b""), headers)
                return
            except LocalChanged:
                if self.exists:
                    return  # a later delete
                self._create()
        raise LocalUnavailable(f"the delete of {name} cannot be put on record")

    def add_container(self, deleted_at: Timestamp) -> None:
        """Raises as ``add``."""
        self.add(_ITSELF, deleted_at)

    def _create(self) -> None:
        status, _ = self._writer.request("PUT", self._container, headers=RESERVED)
        if status // 100 != 2:
            raise LocalUnavailable(f"PUT of the record of deletes: status {status}")


def _unreadable(status: int) -> LocalUnavailable:
    return LocalUnavailable(f"the record of deletes cannot be read: status {status}")
