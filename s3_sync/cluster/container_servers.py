"""What the replicas of a container have: the servers of all its primaries are asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from swift.common.ring import Ring

from s3_sync.cluster.rings import Node, Placement
from s3_sync.cluster.servers import ObjectServers
from s3_sync.cluster.swiftdir import swift_dir
from s3_sync.errors import LocalUnavailable
from s3_sync.http.pool import HttpError, Response
from s3_sync.model.timestamps import Timestamp


@dataclass(frozen=True, slots=True)
class ContainerTimes:
    """When a container was created, or written to, and when it was deleted, as the newest replica of each
    knows; zero: never, or too long ago for anybody to know."""

    put: Timestamp
    deleted: Timestamp

    @property
    def exists(self) -> bool:
        return self.put > self.deleted

    @property
    def deleted_by_client(self) -> bool:
        """Whether a client has deleted it; deletes of this product have an offset in their time."""
        return self.deleted.raw > 0 and not self.exists and self.deleted.offset == 0


class ContainerServers:
    """``servers``: sends requests to any server of the cluster; shared with others. ``swift_dir``: where the
    ring is; None: that of the process."""

    def __init__(self, servers: ObjectServers, swift_dir: str | None = None) -> None:
        self._servers = servers
        self._swift_dir = swift_dir
        self._ring: Ring | None = None

    def times(self, account: str, container: str) -> ContainerTimes:
        """Return the newest times of the primaries, more than half of which must answer. Raises
        LocalUnavailable."""
        put = deleted = Timestamp(0)
        for headers in self._answers(account, container):
            put = max(put, Timestamp.parse(headers.get("x-backend-put-timestamp", "0")))
            deleted = max(deleted, Timestamp.parse(headers.get("x-backend-delete-timestamp", "0")))
        return ContainerTimes(put, deleted)

    def _answers(self, account: str, container: str) -> list[Mapping[str, str]]:
        placement = self._placement(account, container)
        answers: list[Mapping[str, str]] = []
        silent: list[str] = []
        for node in placement.primaries:
            try:
                with self._servers.request("HEAD", node, placement) as response:
                    if response.status != 404 and not 200 <= response.status < 300:
                        raise ValueError(f"status {response.status}")
                    answers.append(dict(response.headers.items()))
            except (HttpError, ValueError) as error:
                silent.append(f"{node.ip}:{node.port}: {error}")
        if 2 * len(answers) <= len(placement.primaries):
            raise _no_majority(account, container, silent)
        return answers

    def check_metadata(
        self, account: str, container: str, expected: Mapping[str, str], concerns: Callable[[str], bool]
    ) -> None:
        """Check that every replica that answers has exactly these headers among those that ``concerns``
        selects, and that more than half of the primaries answer.

        A replica that was down has old metadata until it is replicated, and the timestamps of its headers are
        known to itself only. Raises LocalUnavailable.
        """
        placement = self._placement(account, container)
        answers, silent = 0, []
        for node in placement.primaries:
            try:
                with self._servers.request("HEAD", node, placement) as response:
                    found = _headers(response)
            except (HttpError, ValueError) as error:
                silent.append(f"{node.ip}:{node.port}: {error}")
                continue
            answers += 1
            if {name: value for name, value in found.items() if concerns(name)} != expected:
                raise LocalUnavailable(
                    f"{account}/{container}: {node.ip}:{node.port} has other metadata: not replicated yet"
                )
        if 2 * answers <= len(placement.primaries):
            raise _no_majority(account, container, silent)

    def _placement(self, account: str, container: str) -> Placement:
        """Raises LocalUnavailable."""
        try:
            if self._ring is None:
                self._ring = Ring(self._swift_dir or swift_dir(), ring_name="container")
            ring = self._ring
            partition, devices = ring.get_nodes(account, container)
        except Exception as error:  # a damaged file can raise anything, from zlib's errors to array's
            raise LocalUnavailable(f"the container ring cannot be read: {error!r}") from error
        return Placement(
            0,  # without a meaning for containers
            tuple(Node.of(device) for device in devices),
            lambda: (Node.of(device) for device in ring.get_more_nodes(partition)),
            f"/{partition}{quote(f'/{account}/{container}')}",
        )


def _no_majority(account: str, container: str, silent: list[str]) -> LocalUnavailable:
    return LocalUnavailable(f"{account}/{container}: no majority of answers: {'; '.join(silent)}")


def _headers(response: Response) -> dict[str, str]:
    """Return the headers of a replica, none for a deleted one. Raises ValueError for any other answer."""
    headers = {name: value for name, value in response.headers.items() if value}
    if response.status == 404 and Timestamp.parse(headers.get("x-backend-timestamp", "0")).raw:
        return {}
    if not 200 <= response.status < 300:
        raise ValueError(f"status {response.status}")
    return headers
