"""Which mappings a container has: its own, and that of its whole account (``/*``).

Both count, with three exceptions:

- Swift's reserved containers have none;
- where both would write the same keys, the container's own mapping takes the other's place;
- a mapping of a whole account that moves objects leaves containers alone that have a mapping of their own:
  the middleware shows what that one says, so that nobody could reach what the other had moved. It also leaves
  alone those whose names say that they hold segments of large objects.
"""

from __future__ import annotations

from collections.abc import Iterable

from s3_sync.config.settings import Mapping

#: how the containers that clients and Swift's s3api keep segments in are called
SEGMENTS = ("_segments", "+segments")
#: in ``segment_containers``: every container of the account
EVERYWHERE = "*"


class Coverage:
    """Of these mappings, in the order of the file. Never changes."""

    def __init__(self, mappings: Iterable[Mapping]) -> None:
        self._wholes: dict[str, list[tuple[int, Mapping]]] = {}
        self._own: dict[tuple[str, str], list[tuple[int, Mapping]]] = {}
        for number, mapping in enumerate(mappings):
            if mapping.is_whole:
                self._wholes.setdefault(mapping.account, []).append((number, mapping))
            else:
                self._own.setdefault((mapping.account, mapping.container), []).append((number, mapping))

    def of(self, account: str, container: str) -> list[Mapping]:
        """Every mapping that copies or moves what is in this container, with its name filled in."""
        found = list(self._own.get((account, container), ()))
        for number, whole in self._wholes.get(account, ()):
            if (mapping := self.share(whole, container)) is not None:
                found.append((number, mapping))
        return [mapping for _, mapping in sorted(found, key=lambda entry: entry[0])]

    def share(self, whole: Mapping, container: str) -> Mapping | None:
        """What the mapping of a whole account comes to for one of its containers; None = nothing."""
        if not container or container.startswith("\0"):
            return None
        own = [mapping for _, mapping in self._own.get((whole.account, container), ())]
        moves = not whole.profile.retain_local
        if moves and (own or container.endswith(SEGMENTS)):
            return None
        mapping = whole.of_container(container)
        return None if any(each.fingerprint == mapping.fingerprint for each in own) else mapping

    def named(self) -> Iterable[tuple[str, str]]:
        """Account and container of every container that has a mapping of its own."""
        return self._own

    def whole(self, account: str) -> list[Mapping]:
        """The mappings of an account as a whole."""
        return [mapping for _, mapping in self._wholes.get(account, ())]
