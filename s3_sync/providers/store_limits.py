"""Size limits of stores."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

MIB = 1024 * 1024
GIB = 1024 * MIB


@dataclass(frozen=True, slots=True)
class ItemLimits:
    """Limits of user metadata in a Swift: ``count`` items, names of ``name`` and values of ``value`` bytes of
    UTF-8."""

    count: int = 90
    name: int = 128
    value: int = 256


@dataclass(frozen=True, slots=True)
class Limits:
    """Size limits of a store, in bytes.

    ``max_metadata``: total of names and values of user metadata as sent. ``metadata_items``: the store keeps
    names and values as they are in Swift, within these limits; None: it keeps them in the form of S3.
    ``max_put`` and ``max_copy``: maximum object size for a single PUT, and for a single server-side copy.
    ``equal_parts``: all parts of an upload but the last must have the same size. With
    ``native_large_objects``, parts are segments of an SLO. ``max_object``: of an object, in however many
    parts; None: that of all parts.

    ``max_name`` is in bytes of UTF-8; in characters of UTF-16 if it ``counts_characters``. ``unsafe_name``:
    what keys must not have, as the store would make others of them. ``metadata_name``: returns a name of
    metadata as it is sent."""

    max_name: int = 1024
    counts_characters: bool = False
    unsafe_name: re.Pattern[str] | None = None
    metadata_name: Callable[[str], str] = str
    max_metadata: int = 2048
    metadata_items: ItemLimits | None = None
    max_put: int = 5 * GIB
    max_copy: int = 5 * GIB
    min_part: int = 5 * MIB
    max_part: int = 5 * GIB
    max_parts: int = 10_000
    equal_parts: bool = False
    max_object: int | None = None

    @property
    def max_key_bytes(self) -> int:
        """The longest key in bytes of UTF-8."""
        return 3 * self.max_name if self.counts_characters else self.max_name

    def key_length(self, key: str) -> int:
        """The length of a key, as ``max_name`` counts it. Raises UnicodeEncodeError."""
        return len(key.encode("utf-16-le")) // 2 if self.counts_characters else len(key.encode("utf-8"))
