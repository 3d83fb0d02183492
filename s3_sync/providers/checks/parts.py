"""What the store takes as the parts of an upload, and deletes in bulk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from s3_sync.config.credentials.permissions import Operation
from s3_sync.errors import BadDigest, RemoteError
from s3_sync.model.objects import ByteRange
from s3_sync.providers.base import Bucket, MultipartUpload, Part
from s3_sync.providers.checks.base import Check, Finding, Site
from s3_sync.providers.checks.probes import (
    begin_upload,
    check_bytes,
    exists,
    put,
    refusal,
)
from s3_sync.providers.store_limits import MIB
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import BytesBody

#: parts above this size are not tried
_MAX_TRIED = 8 * MIB
#: the highest number of parts that S3 has
_MAX_PARTS = 10_000
_BULK = ("bulk 1", "bulk 2")
_NO_UPLOADS = Finding("no uploads in parts to try it with")


def sizes(site: Site) -> Finding:
    """Which parts an upload can have, and what its ETag is."""
    bucket = site.bucket()
    if not bucket.features.multipart:
        return _without_multipart(site)
    if refusal(lambda: _assemble(bucket, (3, 2, 1))) is None:
        return _of_any_size(site, bucket)
    small = bucket.limits.min_part
    if small > _MAX_TRIED:
        return Finding(f"parts of {_bytes(small)} and more were not tried")
    return _legal(site, bucket, small)


def _without_multipart(site: Site) -> Finding:
    bucket = site.bucket(multipart=True)
    if not bucket.features.multipart or refusal(lambda: _assemble(bucket, (1,))) is not None:
        return _NO_UPLOADS
    return Finding("there are uploads in parts", advised={"multipart": True})


def _of_any_size(site: Site, bucket: Bucket) -> Finding:
    changes = {"min_part": 1} if bucket.limits.min_part > 1 and "min_part" in site.properties else {}
    found = site.abilities("", multipart_etag_is_md5s=_etag_follows(bucket))
    # a store whose ETags are others than claimed would have failed
    return Finding("parts of any size", advised={**changes, **_less(site), **found.advised})


def _less(site: Site) -> dict[str, object]:
    return {"equal_parts": False} if site.properties.get("equal_parts") else {}


def _legal(site: Site, bucket: Bucket, small: int) -> Finding:
    """Parts of the smallest legal size, of different or of equal ones."""
    text = f"{_bytes(small)} or more, the last one less"
    different, equal = (small + 1, small, 1), (small, small, 1)
    own_shape = equal if bucket.limits.equal_parts else different
    first = refusal(lambda: _assemble(bucket, own_shape))
    if first is None:
        return Finding(text)
    if own_shape is different and refusal(lambda: _assemble(bucket, equal)) is None:
        return Finding(f"{text}, all of them equal", needed={"equal_parts": True})
    changes: dict[str, object] = {"declared_checksums": not site.properties.get("declared_checksums")}
    if isinstance(first, BadDigest):
        changes = {"multipart_etag_is_md5s": False}
    other = site.bucket(**changes)
    if other is not bucket and refusal(lambda: _assemble(other, own_shape)) is None:
        return Finding(f"{text}; refused as configured: {first}", needed=changes)
    raise first


def _bytes(number: int) -> str:
    return f"{number} bytes" if number % MIB else f"{number // MIB} MiB"


def _assemble(bucket: Bucket, lengths: Sequence[int], name: str = "parts") -> tuple[str, list[Part]]:
    """Upload an object in parts of these lengths, and read it back. Returns its ETag and the parts."""
    pieces = [bytes([65 + number]) * length for number, length in enumerate(lengths)]
    upload = begin_upload(bucket, name)
    try:
        parts = [
            upload.upload_part(number, BytesBody(piece), len(piece), md5_hex(piece))
            for number, piece in enumerate(pieces, 1)
        ]
        etag = upload.complete(parts).etag
    except RemoteError:
        upload.abort()
        raise
    check_bytes(bucket, name, b"".join(pieces))
    bucket.delete_object(name)
    return etag, parts


def _etag_follows(bucket: Bucket) -> bool:
    etag, parts = _assemble(bucket, (1, 1))
    digest = hashlib.md5(usedforsecurity=False)
    for part in parts:
        digest.update(bytes.fromhex(part.md5 or ""))
    return etag == f"{digest.hexdigest()}-{len(parts)}"


def numbers(site: Site) -> Finding:
    """The highest number of a part, which limits the size of an object."""
    bucket = site.bucket()
    if not bucket.features.multipart:
        return _NO_UPLOADS
    upload = begin_upload(bucket, "numbers")
    try:
        limit = bucket.limits.max_parts
        if _takes(upload, limit):
            if limit == _MAX_PARTS or "max_parts" not in site.properties or not _takes(upload, _MAX_PARTS):
                return Finding(f"{limit:,} and more" if limit < _MAX_PARTS else f"{limit:,}")
            return Finding(f"{_MAX_PARTS:,}", advised={"max_parts": _MAX_PARTS})
        taken, refused = 0, limit
        while refused - taken > 1:
            middle = (taken + refused) // 2
            taken, refused = (middle, refused) if _takes(upload, middle) else (taken, middle)
        needed = site.changed(max_parts=taken) if taken else {}
        return Finding(f"{taken:,}", needed=needed, wrong=not needed)
    finally:
        upload.abort()


def _takes(upload: MultipartUpload, number: int) -> bool:
    return refusal(lambda: upload.upload_part(number, BytesBody(b"x"), 1, md5_hex(b"x"))) is None


def copied_parts(site: Site) -> Finding:
    """Whether parts can be copied within the store: new metadata of an object above the limit of a copy."""
    bucket = site.bucket(copies_parts=True, copies_parts_of_any_key=True)
    if not bucket.features.multipart:
        return _NO_UPLOADS
    plain = refusal(lambda: _copy(bucket, "copied")) is None
    put(bucket, "copied b", b"taken for it")  # where the key is decoded twice
    encoded = plain and refusal(lambda: _copy(bucket, "copied%20b")) is None
    text = "copied" if encoded else "copied, but not from keys with % or ?" if plain else "not copied"
    return site.abilities(text, copies_parts=plain, copies_parts_of_any_key=encoded)


def _copy(bucket: Bucket, name: str) -> None:
    put(bucket, name, b"0123456789")
    upload = begin_upload(bucket, name)
    try:
        upload.complete([upload.copy_part(1, ByteRange(2, 5))])
    except RemoteError:
        upload.abort()
        raise
    check_bytes(bucket, name, b"2345")


def bulk_deletes(site: Site) -> Finding:
    """Whether many names can be deleted with one request."""
    own, needs_md5 = site.properties.get("max_deletes"), site.properties.get("delete_needs_md5")
    first: RemoteError | None = None
    for md5 in (needs_md5, not needs_md5) if own is not None else (None,):
        bucket = site.bucket(max_deletes=own or 1000, delete_needs_md5=md5)
        if not bucket.features.bulk_delete:
            break
        error = _refusal_of_bulk(bucket, tolerant=not own)
        first = first or error
        if error is not None:
            continue
        if left := [name for name in _BULK if exists(bucket, name)]:
            return Finding(f"{', '.join(left)}: still there, though the store says that all went", wrong=True)
        changes: dict[str, object] = {} if md5 == needs_md5 else {"delete_needs_md5": md5}
        if not own:
            changes |= site.changed(max_deletes=1000)
        return Finding("with one request", advised=changes)
    text = "one by one" if first is None else f"one by one: {first}"
    return Finding(text, advised={"max_deletes": 0} if own else {})


def _refusal_of_bulk(bucket: Bucket, tolerant: bool) -> RemoteError | None:
    """``tolerant``: any error is one, as nobody says that this store deletes in bulk."""
    for name in _BULK:
        put(bucket, name)

    def delete() -> None:
        for error in bucket.delete_objects(_BULK).values():
            raise error

    try:
        return refusal(delete)
    except RemoteError as error:
        if tolerant:
            return error
        raise


PARTS = (
    Check("sizes of parts", sizes, Operation.MULTIPART),
    Check("number of parts", numbers, Operation.MULTIPART),
    Check("copied parts", copied_parts, Operation.MULTIPART),
    Check("bulk deletes", bulk_deletes, Operation.DELETE),
)
