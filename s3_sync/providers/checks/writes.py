"""How the store checks what it is sent: digests, conditions, ETags, encodings."""

from __future__ import annotations

import gzip

from s3_sync.config.credentials.permissions import Operation
from s3_sync.errors import BadDigest, CopyUnproven, NotSupported, PreconditionFailed, UnexpectedAnswer
from s3_sync.model.objects import PutOptions, PutResult
from s3_sync.providers.base import Bucket
from s3_sync.providers.checks.base import Check, Finding, Site
from s3_sync.providers.checks.probes import (
    BODY,
    OTHER_ETAG,
    begin_upload,
    check_bytes,
    exists,
    marked,
    metadata,
    post,
    put,
    put_and_check,
    refusal,
)
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import CHUNK, BytesBody

#: more than what is hashed before it is sent: its digest, if any, comes behind the body
STREAM = bytes(range(256)) * (2 * CHUNK // 256)
_CHECKSUMS = ("md5", "crc32", "crc64nvme", "sha256")
_COPY_HEADERS = ("x-amz-copy-source-if-match", "x-amz-copy-if-match")


def stream(site: Site) -> Finding:
    """A body of 128 KiB, which is sent while it is read."""
    first = refusal(lambda: put_and_check(site.bucket(), "stream", STREAM))
    if first is None:
        return Finding(f"{len(STREAM) // 1024} KiB")
    for name in ("trailing_checksums", "unsigned_over_http"):
        if not site.properties.get(name):
            continue
        bucket = site.bucket(**{name: False})
        if refusal(lambda: put_and_check(bucket, "stream", STREAM)) is None:  # noqa: B023 - called at once
            return Finding(f"refused as configured: {first}", needed={name: False})
    raise first


def etags(site: Site) -> Finding:
    """Whether the ETag of a PUT is the MD5 of its bytes."""
    etag = put_and_check(site.bucket(), "etag", STREAM).etag
    is_md5 = etag == md5_hex(STREAM)
    text = "MD5s" if is_md5 else "no MD5s, as with a key service: each upload is proved by a HEAD"
    if not is_md5 and site.bucket().head_object("etag").md5 == md5_hex(STREAM):
        text = "the store's own, beside the MD5"
    found = site.abilities(text, etag_is_md5=is_md5)
    # a wrong claim costs requests, and nothing fails
    return Finding(text, advised={**found.needed, **found.advised})


def digests(site: Site) -> Finding:
    """Whether the store compares what arrives with the digest that comes with it."""
    bucket = site.bucket()
    options = PutOptions(len(STREAM), marked(bucket), md5_hex(b"other bytes"))
    if refusal(lambda: bucket.put_object("damaged", BytesBody(STREAM), options)) is None:
        return Finding("bytes that do not match their digest are taken, without a word", wrong=True)
    if exists(bucket, "damaged"):
        text = "Content-MD5 is not checked: only ETags show that bytes arrived damaged"
        return Finding(text, noted=True)
    return Finding("checked")


def checksums(site: Site) -> Finding:
    """Which digests can be sent with a body."""
    configured = site.properties.get("checksum")
    if configured is None:
        return Finding("the provider's own")
    taken = [
        algorithm
        for algorithm in _CHECKSUMS
        if refusal(lambda: put_and_check(site.bucket(checksum=algorithm), "checksum")) is None  # noqa: B023
    ]
    text = ", ".join(taken) or "none"
    if configured in (*taken, "none") or not taken:
        return Finding(text)
    return Finding(f"{configured} is refused; taken: {text}", needed={"checksum": taken[0]})


def conditions(site: Site) -> Finding:
    """Whether If-None-Match and If-Match hold for a PUT, and for the end of an upload."""
    bucket = site.bucket(put_if_absent=True, put_if_match=True)
    features = bucket.features
    absent = features.put_if_absent and _holds(bucket, "absent", None)
    match = features.put_if_match and _holds(bucket, "match", OTHER_ETAG)
    if match:
        etag = put(bucket, "match").etag
        match = refusal(lambda: put(bucket, "match", b"next", if_match=etag)) is None
    text = f"If-None-Match: {_enforced(absent)}; If-Match: {_enforced(match)}"
    own = site.bucket().features
    if not site.properties and (own.put_if_absent, own.put_if_match) != (absent, match):
        return Finding(text, wrong=True)
    return site.abilities(text, put_if_absent=absent, put_if_match=match)


def _holds(bucket: Bucket, name: str, if_match: str | None) -> bool:
    """Whether writes under a condition that does not hold are refused, and change nothing. ``if_match`` None:
    the condition is that nothing is there."""
    put(bucket, name)
    absent = if_match is None
    writes = [lambda: put(bucket, name, b"other", if_match=if_match, if_absent=absent)]
    if bucket.features.multipart:
        writes.append(lambda: _complete(bucket, name, if_match))
    if not all(isinstance(refusal(write), PreconditionFailed) for write in writes):
        return False
    check_bytes(bucket, name, BODY)
    return True


def _complete(bucket: Bucket, name: str, if_match: str | None) -> PutResult:
    upload = begin_upload(bucket, name)
    try:
        part = upload.upload_part(1, BytesBody(b"other"), 5)
        return upload.complete([part], if_match, if_absent=if_match is None)
    except BaseException:
        upload.abort()
        raise


def _enforced(holds: bool) -> str:
    return "enforced" if holds else "not enforced"


def conditional_metadata(site: Site) -> Finding:
    """Whether new metadata is refused for an object that has changed."""
    own = site.properties.get("copy_condition")
    for header in dict.fromkeys((own, *_COPY_HEADERS)) if own else (None,):
        bucket = site.bucket(copy_condition=header)
        etag = put(bucket, "posted").etag
        wrong = refusal(lambda: post(bucket, "posted", if_match=OTHER_ETAG))  # noqa: B023
        if not isinstance(wrong, PreconditionFailed):
            continue
        if refusal(lambda: post(bucket, "posted", if_match=etag)) is None:  # noqa: B023
            text = "enforced" if header is None else f"enforced ({header})"
            return Finding(text, advised={} if header == own else {"copy_condition": header})
    text = "not enforced: a newer version could get older metadata, for as long as both are sent"
    return Finding(text, noted=True)


def gzipped(site: Site) -> Finding:
    """Whether bytes with Content-Encoding gzip come back as they are stored."""
    data = gzip.compress(STREAM, mtime=0)
    meta = metadata(content_encoding="gzip")
    put(site.bucket(), "gzip", data, meta)
    for unpacks in (False, True):
        bucket = site.bucket(unpacks_gzip=unpacks)
        try:
            check_bytes(bucket, "gzip", data)
        except (CopyUnproven, BadDigest, NotSupported, UnexpectedAnswer):
            continue
        own = site.properties.get("unpacks_gzip", False)
        if unpacks and not own:
            return Finding("unpacked for clients that do not take gzip", needed={"unpacks_gzip": True})
        return Finding("as they are stored")
    return Finding("other bytes come back than were stored", wrong=True)


WRITES = (
    Check("streamed body", stream, Operation.PUT),
    Check("ETags", etags, Operation.PUT),
    Check("digests", digests, Operation.PUT),
    Check("checksums", checksums, Operation.PUT),
    Check("conditional writes", conditions, Operation.PUT),
    Check("conditional metadata", conditional_metadata, Operation.POST),
    Check("gzip", gzipped, Operation.GET),
)
