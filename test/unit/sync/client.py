from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unit.sync.cluster import Swift


class Client:
    """The internal client's listings; what else it is asked is the fake's."""

    def __init__(self, swift: Swift) -> None:
        self._swift = swift
        self.containers, self.container, self.request = swift.containers, swift.container, swift.request

    def objects(
        self, account: str, container: str, prefix: str, reserved: bool = False
    ) -> Iterator[dict[str, Any]]:
        yield from self._swift.objects_of(container, prefix)
