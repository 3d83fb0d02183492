"""Copies in another Swift as that cluster's own daemon sees them: which version they are, and who wrote them.

A daemon that writes an object into another Swift marks it as its copy: ``swift-copy`` says in which place,
so that the marks count for nothing on a copy of the copy, and by which mapping. Two daemons that copy to each
other's clusters can therefore tell a client's object from the other one's copy, and agree on which version is
newer.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from s3_sync.model.timestamps import Timestamp

#: headers of the marks in Swift
_COPY, _TIMESTAMP = "x-object-meta-swift-copy", "x-object-meta-swift-timestamp"

#: bytes of the mark's name and value
COPY_MARK_SIZE = len("swift-copy") + 16 + 1 + 8
#: writer of copies that no mapping made
NOBODY = "0" * 8
_FORM = re.compile(r"([0-9a-f]{16})-([0-9a-f]{8})")


@dataclass(frozen=True, slots=True)
class Origin:
    """What an object that a daemon has written here is a copy of. ``version``: X-Timestamp of the original.
    ``writer``: the mapping that made it."""

    version: Timestamp
    writer: str


def copy_mark(container: str, key: str, writer: str) -> str:
    """Return the mark ``swift-copy`` of a copy in this container. ``writer``: 8 hexadecimal digits."""
    return f"{_digest(f'{container}/{key}', 16)}-{writer}"


def writer_id(mapping: str) -> str:
    """Return the ``writer`` of what this mapping copies."""
    return _digest(mapping, 8)


def writer_of(mark: str, container: str, key: str) -> str | None:
    """Return the writer that the mark names; None if it is not the mark of a copy in this place."""
    found = _FORM.fullmatch(mark)
    if not found or found[1] != _digest(f"{container}/{key}", 16):
        return None
    return found[2]


def origin_of(
    headers: Iterable[tuple[str, str]], container: str, name: str, written: Timestamp
) -> Origin | None:
    """Return what an object of this cluster is a copy of, by its headers with lower-case names; None for an
    object that a client wrote.

    ``written``: when it was written here. A copy is younger than its original: clients can write such
    headers, too, and must not make an object newer than it is.
    """
    marks = {name: value for name, value in headers if name in (_COPY, _TIMESTAMP)}
    writer = writer_of(marks.get(_COPY, ""), container, name)
    if writer is None:
        return None
    try:
        version = Timestamp.parse(marks.get(_TIMESTAMP, ""))
    except ValueError:
        return None
    return Origin(version, writer) if version <= written else None


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:length]
