"""Sends one plain object: a single PUT, or parts if it is too large for one."""

from __future__ import annotations

from s3_sync.model.objects import LocalInfo, ObjectMeta, PutOptions
from s3_sync.providers.base import Features
from s3_sync.providers.limits import check_limits
from s3_sync.runtime.key_locks import KeyLocks
from s3_sync.streams.counting import CountingBody
from s3_sync.transfer.decide import as_version
from s3_sync.transfer.multipart import upload_parts
from s3_sync.transfer.source import OpenObject, Source
from s3_sync.transfer.upload_session import Precondition, TransferContext


def remote_meta(info: LocalInfo, features: Features) -> ObjectMeta:
    """Return the metadata of a copy of ``info``: the object's own, and its version."""
    return info.meta.marked(swift_timestamp=as_version(info, features).timestamp.internal)


def upload(context: TransferContext, source: Source, local: OpenObject, precondition: Precondition) -> None:
    """Send ``local``, which is open and unread. Afterwards the store has exactly its bytes.

    Raises ObjectRefused, before any byte is sent, if the store cannot hold the object; PreconditionFailed if
    another object was in the way; any RemoteError or LocalError.
    """
    info, bucket = local.info, context.bucket
    meta = remote_meta(info, bucket.features)
    condition = precondition.for_bucket(bucket)
    if info.size > bucket.limits.max_put:
        meta = meta.marked(swift_etag=info.md5 or "")
        check_limits(bucket, info.name, meta, info.size)
        upload_parts(context, source, info, meta, condition)
        return
    check_limits(bucket, info.name, meta, info.size)
    options = PutOptions(
        info.size, meta, info.md5, condition.if_match, condition.if_absent, condition.replaces
    )
    locks = context.locks if bucket.features.native_large_objects else KeyLocks()
    with locks.hold((bucket.name, info.name)):
        bucket.put_object(info.name, CountingBody(local.body, context.count), options)
