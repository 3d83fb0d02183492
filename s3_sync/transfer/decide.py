"""Decides what to do with an object from the metadata of both sides: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from urllib.parse import quote, unquote

from s3_sync.model.objects import KIND_MARKS, STORED_HEADERS, LocalInfo, ObjectInfo, ObjectMeta
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import Features

#: marks that identify the manifest; copies made by older versions may lack them
MANIFEST_MARKS = ("swift-slo-etag", "swift-source-dlo-etag")


class Decision(Enum):
    PUT = "put"  # send bytes and metadata
    POST = "post"  # the bytes are there: send metadata
    NOOP = "noop"  # both sides agree
    WAIT = "wait"  # the remote has something newer than the local state: ours is stale


def decide(
    local: LocalInfo,
    remote: ObjectInfo | None,
    is_same: Callable[[ObjectInfo], bool] | None = None,
    clock_offset: float = 0.0,
) -> Decision:
    """Decide how to make ``remote`` agree with ``local``, the newest local state.

    Objects are identical if size and MD5 are, or if ``is_same`` says so for the remote copy's bytes;
    timestamps only show that the local state is stale. Only a symlink to the same target is the copy of a
    symlink. ``clock_offset``: of the store's clock, in seconds.
    """
    if remote is None:
        return Decision.PUT
    marked = remote.meta.swift_timestamp
    if marked is not None and marked > local.timestamp:
        return Decision.WAIT
    same_bytes = is_same(remote) if is_same is not None else _same_md5(local, remote)
    if local.meta.link != remote.meta.link:
        same_bytes = False
    if same_bytes and same_meta(local.meta, remote.meta):
        return Decision.NOOP
    # unless a copying program made it of the local one, a client of another Swift has written it there
    written_there = marked is None and not (same_bytes and _is_less(remote.meta, local.meta))
    if written_there and is_newer(remote, local.timestamp, clock_offset):
        return Decision.WAIT
    if not same_bytes:
        return Decision.PUT
    return Decision.PUT if remote.archived else Decision.POST


def is_newer(remote: ObjectInfo, timestamp: Timestamp, clock_offset: float = 0.0) -> bool:
    """Return whether what is stored is known to be newer than this version of the local object."""
    version = remote.version(clock_offset)
    return version is not None and version > timestamp


def as_version(local: LocalInfo, features: Features) -> LocalInfo:
    """Return ``local`` as the version that its copy counts as.

    For another Swift, what a daemon has written here is the version that it is a copy of: two clusters that
    copy from each other would otherwise take each other's copies for new versions, for ever.
    """
    if features.x_timestamp and local.origin is not None:
        return replace(local, timestamp=local.origin.version)
    return local


def is_older_version_of(remote: ObjectInfo, local: LocalInfo) -> bool:
    """Return whether a stored copy was made from an older version than ``local``; its content may be the
    same. False for copies by older programs, which do not record the version."""
    marked = remote.meta.swift_timestamp
    return marked is not None and marked < local.timestamp


def has_manifest_mark(remote: ObjectInfo) -> bool:
    """Return whether a stored copy was made from a large object, so that its manifest may be stored, too."""
    return any(mark in remote.meta.marks for mark in KIND_MARKS)


def _same_md5(local: ObjectInfo, remote: ObjectInfo) -> bool:
    return remote.size == local.size and remote.md5 is not None and remote.md5 == local.md5


def same_meta(local: ObjectMeta, remote: ObjectMeta) -> bool:
    """Return whether the remote copy has the local metadata. Of the marks, expiry, kind and manifest are
    compared.

    A copy without a timestamp mark was made by an older version: its values may be percent-encoded, and
    headers beyond the local ones are not a difference.
    """
    ours = "swift-timestamp" in remote.marks
    here, there = local.marks.get("x-delete-at"), remote.marks.get("x-delete-at")
    if here != there and (here or ours):
        return False
    if any(local.marks.get(mark) != remote.marks.get(mark) for mark in KIND_MARKS):
        return False
    if any(_contradict(local.marks.get(mark), remote.marks.get(mark)) for mark in MANIFEST_MARKS):
        return False
    return _same_headers(local, remote, ours) and _same_user(local, remote, ours)


def _is_less(remote: ObjectMeta, local: ObjectMeta) -> bool:
    """Return whether all metadata of a copy without our mark is from ``local``: earlier versions changed
    capital letters and percent signs, and they and other programs left some of it out."""

    def same(here: str | None, there: str) -> bool:
        return here is not None and there in (here, here.lower(), quote(here), quote(here).lower())

    return all(
        same(local.content_type if name == "content-type" else local.headers.get(name), value)
        for name, value in remote.headers.items()
    ) and all(same(local.user.get(name), value) for name, value in remote.user.items())


def _contradict(here: str | None, there: str | None) -> bool:
    return here is not None and there is not None and here != there


def _same_headers(local: ObjectMeta, remote: ObjectMeta, ours: bool) -> bool:
    if local.content_type != remote.content_type:
        return False
    for name in STORED_HEADERS:
        if name == "content-type":
            continue
        here, there = local.headers.get(name, ""), remote.headers.get(name, "")
        if here != there and (here or ours):
            return False
    return True


def _same_user(local: ObjectMeta, remote: ObjectMeta, ours: bool) -> bool:
    # some stores drop empty values, so an empty value equals none
    here = {name: value for name, value in local.user.items() if value}
    there = {name: value for name, value in remote.user.items() if value}
    if here.keys() != there.keys():
        return False
    return all(
        value == there[name] or (not ours and value == unquote(there[name])) for name, value in here.items()
    )
