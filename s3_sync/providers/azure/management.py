"""Rules that delete blobs, in the account's management policy. (To come with identities.)"""

from __future__ import annotations

from collections.abc import Sequence

from s3_sync.config.credentials.azure import AzureCredentials
from s3_sync.errors import NotSupported


class ManagementPolicy:
    def __init__(self, credentials: AzureCredentials) -> None:
        self._credentials = credentials

    def set_rule(self, container: str, prefixes: Sequence[str], days: int) -> bool:
        raise NotSupported(self._credentials.no_expiry_rules)
