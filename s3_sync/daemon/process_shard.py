"""Which containers are a process's own, where a daemon has several."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """That of process ``number``, from 0, of ``count``. Nothing that is kept on disk depends on it."""

    number: int = 0
    count: int = 1

    def has(self, account: str, container: str) -> bool:
        """``container``: where shards are meant, the one that they are of."""
        if self.count == 1:
            return True
        digest = hashlib.sha256(f"{account}/{container}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.number
