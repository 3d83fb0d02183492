"""Whether the credentials may do what a mapping does, one operation at a time.

Those of ACCESS are about one object and come in this order; each of them works as well if the object is
missing, because its PUT was refused. A check is about its own operation: what another one would show is left
out where that is not permitted.
"""

from __future__ import annotations

from contextlib import suppress

from s3_sync.config.credentials.permissions import Operation
from s3_sync.errors import AccessDenied, CopyUnproven, NotFound, RemoteError
from s3_sync.providers.base import Bucket, MultipartUpload
from s3_sync.providers.checks.base import Check, Finding, Site
from s3_sync.providers.checks.probes import (
    BODY,
    begin_upload,
    check_bytes,
    exists,
    list_names,
    metadata,
    post,
    put,
)
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import BytesBody

#: user metadata of the probe, as in earlier versions
USER = {"cloud-sync": "fabcab"}
#: a stored manifest with no segments
_MANIFEST = b"[]"
_NO_OBJECT = Finding("permitted, though there is no object to try it with")


def delete_nothing(site: Site) -> Finding:
    """Delete the object before it is written, so that nothing is written which could not be removed."""
    site.bucket().delete_object(site.name)
    return Finding()


def write_object(site: Site) -> Finding:
    put(site.bucket(), site.name)
    return Finding(f"{len(BODY)} bytes")


def replace_metadata(site: Site) -> Finding:
    """New metadata for an object whose bytes stay: on S3 a copy onto itself."""
    post(site.bucket(), site.name, metadata(USER))
    return Finding("new metadata for the same bytes")


def head(site: Site) -> Finding:
    """A HEAD shows what was written, last by ``replace_metadata``."""
    try:
        info = site.bucket().head_object(site.name)
    except NotFound:
        return _NO_OBJECT
    if info.size != len(BODY):
        raise CopyUnproven(f"{len(BODY)} bytes were written, a HEAD shows {info.size}")
    return Finding()


def metadata_shown(site: Site) -> Finding:
    """A HEAD shows the metadata of ``replace_metadata``."""
    user = dict(site.bucket().head_object(site.name).meta.user)
    if user != USER:
        raise CopyUnproven(f"{USER} was written, a HEAD shows {user}")
    return Finding()


def read_object(site: Site) -> Finding:
    try:
        check_bytes(site.bucket(), site.name, BODY)
    except NotFound:
        return _NO_OBJECT
    return Finding("the same bytes")


def list_objects(site: Site) -> Finding:
    bucket = site.bucket()
    found = list_names(bucket, site.name)
    with suppress(AccessDenied):
        if site.name not in found and exists(bucket, site.name):
            raise CopyUnproven("a listing does not show the object that was written")
    return Finding()


def delete_object(site: Site) -> Finding:
    bucket = site.bucket()
    bucket.delete_object(site.name)
    with suppress(AccessDenied):
        if exists(bucket, site.name):
            raise CopyUnproven("the object is still there after its DELETE")
    site.written.discard(site.name)
    return Finding()


def upload_in_parts(site: Site) -> Finding:
    bucket = site.bucket()
    if not bucket.features.multipart:
        return Finding("not used with this store")
    name = f"{site.name}.parts"
    _complete(begin_upload(bucket, name))
    with suppress(AccessDenied):
        check_bytes(bucket, name, BODY)
    bucket.delete_object(name)
    return Finding()


def abort_upload(site: Site) -> Finding:
    """Abort an upload; one that must not be aborted is completed, so that nothing is left."""
    bucket = site.bucket()
    if not bucket.features.multipart:
        return Finding("not used with this store")
    name = f"{site.name}.aborted"
    upload = begin_upload(bucket, name)
    try:
        upload.abort()
    except RemoteError:
        _complete(upload)
        bucket.delete_object(name)
        raise
    return Finding()


def list_uploads(site: Site) -> Finding:
    """An open upload is listed, so that one which a crash has left behind is found."""
    bucket = site.bucket()
    if not (bucket.features.multipart and bucket.features.open_uploads):
        return Finding("not used with this store")
    name = f"{site.name}.open"
    upload = begin_upload(bucket, name)
    try:
        found = {each.upload_id for each in bucket.list_uploads(name)}
    finally:
        _end(bucket, upload)
    if upload.upload_id not in found:
        text = "an open upload is not listed: uploads that a crash has left behind are not found"
        return Finding(text, noted=True)
    return Finding()


def _complete(upload: MultipartUpload) -> None:
    upload.complete([upload.upload_part(1, BytesBody(BODY), len(BODY), md5_hex(BODY))])


def _end(bucket: Bucket, upload: MultipartUpload) -> None:
    try:
        upload.abort()
    except AccessDenied:
        with suppress(RemoteError):
            _complete(upload)
            bucket.delete_object(upload.name)


#: in this order, for one object
ACCESS = (
    Check("PUT", write_object, Operation.PUT),
    Check("POST", replace_metadata, Operation.POST),
    Check("HEAD", head, Operation.HEAD),
    Check("metadata", metadata_shown, Operation.HEAD),
    Check("GET", read_object, Operation.GET),
    Check("LIST", list_objects, Operation.LIST),
    Check("DELETE", delete_object, Operation.DELETE),
)
UPLOADS = (
    Check("multipart upload", upload_in_parts, Operation.MULTIPART),
    Check("abort upload", abort_upload, Operation.ABORT),
    Check("list uploads", list_uploads, Operation.LIST_UPLOADS),
)


def store_manifest(bucket: Bucket, name: str) -> Finding:
    """Write to the place of stored manifests, which may lie outside the prefix of the objects. ``bucket``:
    with the keys of the mapping."""
    manifests = bucket.manifests
    try:
        manifests.put(name, _MANIFEST)
        with suppress(AccessDenied, NotFound):  # a store with manifests of its own keeps none
            if manifests.get(name) != _MANIFEST:
                raise CopyUnproven("a stored manifest comes back with other bytes")
    finally:
        with suppress(RemoteError):
            manifests.delete(name)
    return Finding()


def written_as_configured(bucket: Bucket, name: str, storage_class: str) -> Finding:
    """A PUT with the options of the mapping, such as storage class, key, ACL and tags."""
    try:
        put(bucket, name)
        there = bucket.head_object(name)
    finally:
        with suppress(RemoteError):
            bucket.delete_object(name)
    if storage_class and there.storage_class != ("" if storage_class == "STANDARD" else storage_class):
        text = f"the store took storage_class {storage_class}, and tells {there.storage_class or 'STANDARD'}"
        return Finding(text, wrong=True)
    return Finding()
