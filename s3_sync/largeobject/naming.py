"""Which objects name others: SLOs, DLOs and symlinks."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import unquote

#: container and name
Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Named:
    """What an object names. ``below``: a DLO's container and prefix. ``is_link``: it is a symlink, and names
    its target."""

    places: frozenset[Place] = frozenset()
    below: Place | None = None
    is_link: bool = False


class PlaceIndex:
    """Index of the objects to find."""

    def __init__(self, places: Collection[Place]) -> None:
        self._places = frozenset(places)
        self._names: dict[str, list[str]] = defaultdict(list)
        for container, name in sorted(places):
            self._names[container].append(name)

    def matching(self, named: Named) -> set[Place]:
        found = set(named.places & self._places)
        if named.below is not None:
            container, prefix = named.below
            names = self._names.get(container, [])
            for position in range(bisect_left(names, prefix), len(names)):
                if not names[position].startswith(prefix):
                    break
                found.add((container, names[position]))
        return found


def may_name(size: int, etag: str, content_type: str) -> bool:
    """Return whether an object may be a manifest or a link, by its listing entry or row. An encrypted entry
    (``swift_meta``) may be anything."""
    return size == 0 or "slo_etag=" in etag or "swift_meta=" in etag or "swift_bytes=" in content_type


def place_of(target: str) -> Place:
    """Parse a header's quoted ``container/name``."""
    container, _, name = unquote(target).lstrip("/").partition("/")
    return container, name
