"""Finds the mappings of a container: its own ones, and the account-wide ones (``/*``).

Both kinds apply, with three exceptions:

- Swift's reserved containers have no mapping;
- if both would write the same keys, the container's own mapping replaces the account-wide one;
- an account-wide mapping that moves objects skips containers that have their own mapping, because the
  middleware uses only that one and clients could not reach the moved objects. It also skips containers whose
  names mark them as segment containers.

``mapping_index`` answers the same question for the middleware, where exactly one mapping applies.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from s3_sync.config.settings import Mapping

#: suffixes of the containers in which clients and Swift's s3api keep segments
SEGMENTS = ("_segments", "+segments")
#: in ``segment_containers``: every container of the account
EVERYWHERE = "*"


class Coverage:
    """An immutable set of mappings, in the order of the file."""

    def __init__(self, mappings: Iterable[Mapping]) -> None:
        self._wholes: dict[str, list[tuple[int, Mapping]]] = {}
        self._own: dict[tuple[str, str], list[tuple[int, Mapping]]] = {}
        for number, mapping in enumerate(mappings):
            if mapping.is_account_wide:
                self._wholes.setdefault(mapping.account, []).append((number, mapping))
            else:
                self._own.setdefault((mapping.account, mapping.container), []).append((number, mapping))

    def all_for(self, account: str, container: str) -> list[Mapping]:
        """Return every mapping that copies or moves objects of this container, with its name filled in."""
        found = list(self._own.get((account, container), ()))
        for number, whole in self._wholes.get(account, ()):
            if (mapping := self.for_container(whole, container)) is not None:
                found.append((number, mapping))
        return [mapping for _, mapping in sorted(found, key=lambda entry: entry[0])]

    def for_container(self, whole: Mapping, container: str) -> Mapping | None:
        """Return the mapping that an account-wide mapping makes for one container; None if it skips it."""
        if not container or container.startswith("\0"):
            return None
        own = [mapping for _, mapping in self._own.get((whole.account, container), ())]
        moves = not whole.profile.retain_local
        if moves and (own or container.endswith(SEGMENTS)):
            return None
        mapping = whole.of_container(container)
        return None if any(each.fingerprint == mapping.fingerprint for each in own) else mapping

    def named_containers(self) -> Collection[tuple[str, str]]:
        """Iterate over account and container of every container that has its own mapping."""
        return self._own

    def account_wide(self, account: str) -> list[Mapping]:
        """Return the account-wide mappings of an account."""
        return [mapping for _, mapping in self._wholes.get(account, ())]
