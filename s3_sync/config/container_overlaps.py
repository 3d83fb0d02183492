"""Overlaps between mappings to one account of another Swift.

A mapping writes into a container of its own, and the segments of its large objects into the one with the
suffix ``_segments``; what clients of Swift's S3 API upload there has segments in the one with ``+segments``,
which it reads. One of a whole account writes into every container whose name begins with its prefix and
goes on with the name of a container there.
"""

from __future__ import annotations

from collections.abc import Iterator

from s3_sync.config.coverage import SEGMENTS
from s3_sync.config.settings import Mapping


class ContainerSpaces:
    """The containers of one remote account that mappings own."""

    def __init__(self) -> None:
        self._owners: dict[str, list[Mapping]] = {}
        self._wholes: list[Mapping] = []

    def add(self, mapping: Mapping) -> Mapping | None:
        """Add a mapping, unless it could write into a container of another one, which is returned."""
        other = next(self._collisions(mapping), None)
        if other is None and mapping.is_account_wide:
            self._wholes.append(mapping)
        elif other is None:
            for container in _containers(mapping):
                self._owners.setdefault(container, []).append(mapping)
        return other

    def _collisions(self, mapping: Mapping) -> Iterator[Mapping]:
        if mapping.is_account_wide:
            yield from (each for each in self._wholes if _is_nested(each.bucket, mapping.bucket))
            for container, owners in self._owners.items():
                yield from (each for each in owners if _may_be_of(container, each, mapping))
            return
        for container in _containers(mapping):
            owners = self._owners.get(container, [])
            yield from (each for each in owners if not _is_segments(mapping, each))
            yield from (whole for whole in self._wholes if _may_be_of(container, mapping, whole))


def _containers(mapping: Mapping) -> list[str]:
    return [mapping.bucket + suffix for suffix in ("", *SEGMENTS)]


def _is_nested(first: str, second: str) -> bool:
    return first.startswith(second) or second.startswith(first)


def _is_segments(first: Mapping, second: Mapping) -> bool:
    """Whether one maps the segment container of the other to the same place as that one does itself."""
    return first.account == second.account and any(
        (one.container, one.bucket) == (other.container + suffix, other.bucket + suffix)
        for one, other in ((first, second), (second, first))
        for suffix in SEGMENTS
    )


def _may_be_of(container: str, mapping: Mapping, whole: Mapping) -> bool:
    """Whether ``container``, which belongs to ``mapping``, may be that of another container of ``whole``.

    For a container of the same account, of that name, ``mapping`` replaces ``whole``.
    """
    name = container.removeprefix(whole.bucket)
    if name in (container, ""):
        return False
    own = mapping.container + container.removeprefix(mapping.bucket)
    return (whole.account, name) != (mapping.account, own)
