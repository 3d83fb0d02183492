"""Writes probes, reads them back, and removes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from s3_sync.errors import (
    AccessDenied,
    CopyUnproven,
    NotFound,
    ObjectRefused,
    RemoteError,
    RemoteUnavailable,
    Throttled,
)
from s3_sync.model.objects import ObjectMeta, PutOptions, PutResult
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import Bucket, ListQuery, MultipartUpload, OpenUpload
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import CHUNK, BytesBody

#: the smallest probe; 11 bytes, as in earlier versions
BODY = b"1space-test"
#: an ETag that no object has
OTHER_ETAG = "0" * 32
#: the mark of the version
_VERSION = Timestamp.from_seconds(1_700_000_000.0).normal


def metadata(user: dict[str, str] | None = None, **headers: str) -> ObjectMeta:
    """The metadata of a probe. ``headers``: ``content_encoding`` stands for ``content-encoding``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ObjectMeta({"content-type": "text/plain", **named}, user or {})


def marked(bucket: Bucket, meta: ObjectMeta | None = None) -> ObjectMeta:
    """The metadata as it is written: with the mark of a version, as every object of ours has it, except at
    another Swift, where that would be the X-Timestamp, and an old one."""
    meta = meta or metadata()
    return meta if bucket.features.x_timestamp else meta.marked(swift_timestamp=_VERSION)


def put(
    bucket: Bucket,
    name: str,
    data: bytes = BODY,
    meta: ObjectMeta | None = None,
    *,
    if_match: str | None = None,
    if_absent: bool = False,
) -> PutResult:
    options = PutOptions(len(data), marked(bucket, meta), md5_hex(data), if_match, if_absent)
    return bucket.put_object(name, BytesBody(data), options)


def post(bucket: Bucket, name: str, meta: ObjectMeta | None = None, if_match: str | None = None) -> None:
    bucket.post_object(name, marked(bucket, meta), if_match)


def begin_upload(bucket: Bucket, name: str) -> MultipartUpload:
    return bucket.create_upload(name, marked(bucket))


def check_bytes(bucket: Bucket, name: str, data: bytes) -> None:
    """Read an object. Raises CopyUnproven for other bytes."""
    pieces: list[bytes] = []
    left = len(data) + 1
    with bucket.get_object(name) as result:
        while left > 0 and (piece := result.body.read(min(left, CHUNK))):
            pieces.append(piece)
            left -= len(piece)
    if b"".join(pieces) != data:
        raise CopyUnproven(f"{name}: {len(data)} bytes were written, and other bytes came back")


def put_and_check(bucket: Bucket, name: str, data: bytes = BODY, meta: ObjectMeta | None = None) -> PutResult:
    """Write an object and read it back."""
    result = put(bucket, name, data, meta)
    check_bytes(bucket, name, data)
    return result


def exists(bucket: Bucket, name: str) -> bool:
    try:
        bucket.head_object(name)
    except NotFound:
        return False
    return True


def refusal(function: Callable[[], object]) -> RemoteError | None:
    """The error by which the store refuses a probe, or that shows that it does something else; None if it
    takes it.

    Raises errors that say nothing about what the store can do: no permission, an outage, an answer that is
    not the store's.
    """
    try:
        function()
    except (AccessDenied, Throttled, RemoteUnavailable):
        raise
    except RemoteError as error:
        return error
    return None


def odd_refusal(function: Callable[[], object]) -> str:
    """How the store refuses something odd, which may be a wrong signature for it, or an error of its own;
    empty if it takes it."""
    try:
        function()
    except CopyUnproven as error:
        return str(error)
    except ObjectRefused as error:
        return f"refused ({error.reason})"
    except RemoteError as error:
        if not error.status:  # no connection
            raise
        return f"refused ({' '.join(filter(None, (str(error.status), error.code)))})"
    return ""


def list_names(bucket: Bucket, prefix: str = "", limit: int = 1000, delimiter: str = "") -> list[str]:
    """All names, and common prefixes, below a prefix."""
    found: list[str] = []
    after = ""
    while True:
        page = bucket.list_objects(ListQuery(prefix, after, delimiter, limit))
        found += sorted([*(entry.name for entry in page.objects), *page.prefixes])
        if page.next_after is None:
            return found
        after = page.next_after


def tidy(bucket: Bucket, written: Sequence[str]) -> list[str]:
    """Remove all objects and uploads of the bucket's key prefix, and ``written``, should the store not list
    them. Returns what could not be removed, with the reason."""
    failed: dict[str, RemoteError] = {}
    for name in sorted({*written, *(_listed(bucket) or ())}):
        try:
            bucket.delete_object(name)
        except RemoteError as error:
            failed[name] = error
    left = _listed(bucket)
    if left is None:
        left = [name for name in failed if _may_exist(bucket, name)]
    return [str(failed.get(name, f"{name}: still there after its DELETE")) for name in left] + _abort(bucket)


def _listed(bucket: Bucket) -> list[str] | None:
    try:
        return list_names(bucket)
    except RemoteError:
        return None


def _may_exist(bucket: Bucket, name: str) -> bool:
    try:
        return exists(bucket, name)
    except RemoteError:
        return True


def _abort(bucket: Bucket) -> list[str]:
    """Abort all uploads. Returns what could not be aborted."""
    uploads: list[OpenUpload] = []
    if bucket.features.multipart:
        with suppress(RemoteError):
            uploads = list(bucket.list_uploads())
    left: list[str] = []
    for upload in uploads:
        try:
            bucket.upload_by_id(upload.name, upload.upload_id).abort()
        except RemoteError as error:
            left.append(str(error))
    return left
