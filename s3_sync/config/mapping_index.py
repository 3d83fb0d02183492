"""Which mapping an object of a container belongs to: one look into a dict for each request."""

from __future__ import annotations

from collections.abc import Iterable

from s3_sync.config.settings import Mapping


class Index:
    """Account and container -> mapping. What names the container goes before ``/*``; of two mappings that
    say the same, the last one counts."""

    def __init__(self, mappings: Iterable[Mapping]) -> None:
        self._exact: dict[tuple[str, str], Mapping] = {}
        self._whole: dict[str, Mapping] = {}
        for mapping in mappings:
            if mapping.is_whole:
                self._whole[mapping.account] = mapping
            else:
                self._exact[mapping.account, mapping.container] = mapping

    def __len__(self) -> int:
        return len(self._exact) + len(self._whole)

    def find(self, account: str, container: str) -> Mapping | None:
        """The mapping with this very container filled in. Swift's reserved containers have none."""
        found = self._exact.get((account, container))
        if found is not None:
            return found
        whole = self._whole.get(account)
        if whole is None or not container or container.startswith("\0"):
            return None
        return whole.of_container(container)
