"""What the container servers say of a container's own metadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from s3_sync.errors import LocalUnavailable


class ContainerReplicas:
    """As ``ContainerServers``, over the databases of a Swift in memory."""

    def __init__(self, swift: Any) -> None:
        self._swift = swift

    def check_metadata(
        self, account: str, container: str, expected: Mapping[str, str], concerns: Callable[[str], bool]
    ) -> None:
        answering = [db for db in self._swift.dbs if db.id not in self._swift.silent]
        if 2 * len(answering) <= len(self._swift.dbs):
            raise LocalUnavailable("no majority of answers")
        for db in answering:
            if {name: value for name, value in db.metadata().items() if concerns(name)} != expected:
                raise LocalUnavailable(f"{db.id} has other metadata")
