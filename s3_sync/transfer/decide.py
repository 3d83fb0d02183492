"""What to do with an object, from what both sides hold: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from urllib.parse import unquote

from s3_sync.model.objects import STORED_HEADERS, ObjectInfo, ObjectMeta

#: marks that say what kind of object this is in Swift; none for plain ones
KIND_MARKS = ("x-static-large-object", "x-object-manifest")
#: marks that name the manifest; a copy that an older version made may be without them
MANIFEST_MARKS = ("swift-slo-etag", "swift-source-dlo-etag")


class Decision(Enum):
    PUT = "put"  # send bytes and metadata
    POST = "post"  # the bytes are there: send metadata
    NOOP = "noop"  # nothing to do
    WAIT = "wait"  # the remote copy is newer than what we see here: our view is stale


def decide(
    local: ObjectInfo, remote: ObjectInfo | None, is_same: Callable[[ObjectInfo], bool] | None = None
) -> Decision:
    """Make ``remote`` agree with ``local``, which is the newest local state.

    Identity is size and MD5, or what ``is_same`` says of the remote copy's bytes; time is looked at only
    to notice that our own view is old. ``local.meta`` and ``remote.meta`` must be there (from a HEAD, not
    from a listing).
    """
    if remote is None:
        return Decision.PUT
    assert local.meta is not None
    assert remote.meta is not None
    marked = remote.meta.swift_timestamp
    if marked is not None and local.timestamp is not None and marked > local.timestamp:
        return Decision.WAIT
    if not (is_same(remote) if is_same is not None else _same_md5(local, remote)):
        return Decision.PUT
    if same_meta(local.meta, remote.meta):
        return Decision.NOOP
    return Decision.PUT if remote.archived else Decision.POST


def is_older_version_of(remote: ObjectInfo, local: ObjectInfo) -> bool:
    """Whether a stored copy was made of an older version than ``local``; its content may be the same. One
    that an older program made does not say."""
    marked = remote.meta.swift_timestamp if remote.meta is not None else None
    return marked is not None and local.timestamp is not None and marked < local.timestamp


def has_manifest_mark(remote: ObjectInfo) -> bool:
    """Whether a stored copy was made of a large object, so that a manifest may be beside it."""
    return remote.meta is not None and any(mark in remote.meta.marks for mark in KIND_MARKS)


def _same_md5(local: ObjectInfo, remote: ObjectInfo) -> bool:
    return remote.size == local.size and remote.md5 is not None and remote.md5 == local.md5


def same_meta(local: ObjectMeta, remote: ObjectMeta) -> bool:
    """Whether the remote copy carries the local metadata. Of the marks, expiry, kind and manifest are
    compared.

    A copy without our timestamp mark was written by an older version: its values may be percent-quoted, and
    what it has beyond ours is not held against it.
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
    # some stores drop an empty value, so that it is the same as none
    here = {name: value for name, value in local.user.items() if value}
    there = {name: value for name, value in remote.user.items() if value}
    if here.keys() != there.keys():
        return False
    return all(
        value == there[name] or (not ours and value == unquote(there[name])) for name, value in here.items()
    )
