"""Sharding of containers among the processes of one daemon."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProcessShard:
    """The shard of process ``number``, from 0, of ``count``. No state on disk depends on it."""

    number: int = 0
    count: int = 1

    def owns(self, account: str, container: str) -> bool:
        """Whether the container belongs to this process; for a container's shards, pass the root
        container."""
        if self.count == 1:
            return True
        digest = hashlib.sha256(f"{account}/{container}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.number
