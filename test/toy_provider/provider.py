from __future__ import annotations

from typing import Any

from s3_sync.providers.memory import MemoryProvider
from toy_provider.credentials import ToyCredentials


class ToyProvider(MemoryProvider):
    def __init__(self, credentials: ToyCredentials, **options: Any) -> None:
        super().__init__()
        self.owner = credentials.owner
