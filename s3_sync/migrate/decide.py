"""Decides what to do with a name from the listings of both sides: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from s3_sync.model.objects import ListedObject
from s3_sync.model.timestamps import UNITS


@dataclass(frozen=True, slots=True)
class LocalEntry:
    """One object in a local listing. ``last_modified``: seconds since the epoch. ``etag``: as the listing
    shows it, for a large object that of its manifest."""

    name: str
    size: int
    etag: str
    last_modified: float


class Action(Enum):
    #: nothing: both sides agree, a client has written something newer, or the source's is too young
    NONE = "none"
    #: the local cluster has no object, or an older one
    COPY = "copy"
    #: the bytes are the same, and the source's metadata is newer
    UPDATE = "update"
    #: the times are equal and the ETags differ: large objects, or a difference that has to be reported
    COMPARE = "compare"
    #: only the local cluster has the object: it may have been deleted at the source
    LOCAL_ONLY = "local_only"


def decide(source: ListedObject | None, local: LocalEntry | None, not_after: float | None) -> Action:
    """``not_after``: objects that were modified later are left alone for now; None: none are.

    Times are compared with Swift's precision, that of the local side.
    """
    if source is None:
        return Action.LOCAL_ONLY
    if not_after is not None and source.last_modified > not_after:
        return Action.NONE
    if local is None:
        return Action.COPY
    there, here = round(source.last_modified * UNITS), round(local.last_modified * UNITS)
    same_bytes = local.etag == source.etag and local.size == source.size
    if here > there:
        return Action.NONE
    if here < there:
        return Action.UPDATE if same_bytes else Action.COPY
    return Action.NONE if same_bytes else Action.COMPARE
