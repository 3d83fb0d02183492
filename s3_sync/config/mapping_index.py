"""Finds the mapping that the middleware uses for a container, with dict lookups per request.

Unlike ``coverage``, exactly one mapping applies: a container's own mapping before an account-wide one, and of
several equal ones the last.
"""

from __future__ import annotations

from collections.abc import Iterable

from s3_sync.config.settings import Mapping


class Index:
    """Account and container -> mapping."""

    def __init__(self, mappings: Iterable[Mapping]) -> None:
        self._exact: dict[tuple[str, str], Mapping] = {}
        self._whole: dict[str, Mapping] = {}
        for mapping in mappings:
            if mapping.is_account_wide:
                self._whole[mapping.account] = mapping
            else:
                self._exact[mapping.account, mapping.container] = mapping

    def __len__(self) -> int:
        return len(self._exact) + len(self._whole)

    def of_account(self, account: str) -> Mapping | None:
        """Return the account-wide mapping, or None."""
        return self._whole.get(account)

    def find(self, account: str, container: str) -> Mapping | None:
        """Return the mapping, with the container filled in; None if there is none, as for Swift's reserved
        containers."""
        found = self._exact.get((account, container))
        if found is not None:
            return found
        whole = self._whole.get(account)
        if whole is None or not container or container.startswith("\0"):
            return None
        return whole.of_container(container)
