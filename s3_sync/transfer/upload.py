"""Sending one plain object: a single PUT, or parts when it is too large for one."""

from __future__ import annotations

from dataclasses import dataclass

from s3_sync.model.objects import ObjectInfo, ObjectMeta, PutOptions
from s3_sync.providers.base import Bucket
from s3_sync.providers.limits import check_limits
from s3_sync.streams.metered import MeteredBody
from s3_sync.transfer.parts import upload_parts
from s3_sync.transfer.source import OpenObject, Source


@dataclass(frozen=True, slots=True)
class Overwrite:
    """What may be in the way: ``if_absent``, nothing; ``if_match``, exactly this ETag; neither, anything.

    A bucket that cannot promise either is written to without a condition.
    """

    if_absent: bool = False
    if_match: str | None = None


def remote_meta(info: ObjectInfo) -> ObjectMeta:
    """The metadata that goes with a copy of ``info``: the object's own, and the version that it is."""
    assert info.meta is not None
    assert info.timestamp is not None
    return info.meta.marked(swift_timestamp=info.timestamp.internal)


def upload(bucket: Bucket, source: Source, local: OpenObject, overwrite: Overwrite) -> None:
    """Send ``local``, which is open and unread. Afterwards the store holds exactly its bytes.

    Raises ObjectRefused before any byte moves when the store cannot hold the object;
    PreconditionFailed when something else was in the way; any RemoteError or LocalError.
    """
    info = local.info
    meta = remote_meta(info)
    if_match = overwrite.if_match if bucket.features.put_if_match else None
    if_absent = overwrite.if_absent and bucket.features.put_if_absent
    if info.size > bucket.limits.max_put:
        meta = meta.marked(swift_etag=info.md5 or "")
        check_limits(bucket, info.name, meta, info.size)
        upload_parts(bucket, source, info, meta, if_match, if_absent)
        return
    check_limits(bucket, info.name, meta, info.size)
    options = PutOptions(info.size, meta, info.md5, if_match, if_absent)
    bucket.put_object(info.name, MeteredBody(local.body, source.count), options)
