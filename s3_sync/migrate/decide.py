"""Decides what to do with a name from the listings of both sides: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from s3_sync.model.objects import ListedObject
from s3_sync.model.timestamps import UNITS, iso_date_or_zero


@dataclass(frozen=True, slots=True)
class LocalEntry:
    """One object in a local listing. ``last_modified``: seconds since the epoch. ``etag``: for an SLO
    (``is_static``) that of its manifest. ``s3_etag``: the one that clients of S3 see, if that is another."""

    name: str
    size: int
    etag: str
    last_modified: float
    s3_etag: str = ""
    is_static: bool = False

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> LocalEntry:
        """``row``: of a JSON listing that slo and s3api have not changed."""
        etag, *more = row["hash"].split("; ")
        parameters = dict(each.partition("=")[::2] for each in more)
        modified = iso_date_or_zero(row["last_modified"])
        s3_etag, is_static = parameters.get("s3_etag", ""), "slo_etag" in parameters
        return cls(row["name"], row["bytes"], etag, modified, s3_etag, is_static)


class Action(Enum):
    #: nothing: both sides agree, a client has written something newer, or the source's is too young
    NONE = "none"
    #: the local cluster has no object, or an older one
    COPY = "copy"
    #: the local cluster has an older SLO, whose segments may have to go
    REPLACE = "replace"
    #: the bytes are the same, and the source's metadata is newer
    UPDATE = "update"
    #: the times are equal, or within the one second that the source tells, and the ETags differ: large
    #: objects, two writes within a second, or a difference that has to be reported
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
    same_bytes = source.etag in (local.etag, local.s3_etag or local.etag) and local.size == source.size
    if here > there and not (_may_be_the_same_second(there, here) and not same_bytes):
        return Action.NONE
    if here < there and local.is_static:
        return Action.REPLACE
    if here < there:
        return Action.UPDATE if same_bytes else Action.COPY
    return Action.NONE if same_bytes else Action.COMPARE


def _may_be_the_same_second(there: int, here: int) -> bool:
    """Return whether the source, which tells whole seconds, may have been written after the local object."""
    return there % UNITS == 0 and here - there < UNITS
