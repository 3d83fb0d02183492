"""The source of one Swift object's bytes, as ``transfer`` uses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from s3_sync.model.objects import ByteRange, LocalInfo
from s3_sync.model.timestamps import Timestamp
from s3_sync.streams.reader import Body


class OpenObject(Protocol):
    """One version of an object, open for reading.

    ``kind``: ``plain``, ``slo``, ``dlo`` or ``symlink``. ``container``: the one that holds the bytes; for a
    symlink, that of its target.
    """

    info: LocalInfo
    headers: Mapping[str, str]
    kind: str
    container: str
    body: Body


@dataclass(frozen=True, slots=True)
class Source:
    """Opens one object of the local cluster, any number of times.

    ``open(expect, byte_range)``: exactly the version with that data timestamp, or LocalChanged.
    """

    name: str
    open: Callable[[Timestamp | None, ByteRange | None], AbstractContextManager[OpenObject]]
