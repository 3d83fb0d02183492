"""Tells in what one object differs from its source: no I/O."""

from __future__ import annotations

from collections.abc import Iterator

from s3_sync.largeobject.manifest import multipart_etag
from s3_sync.migrate.compare.findings import DIGEST, METADATA, SIZE, UNSURE
from s3_sync.migrate.compare.local_objects import LocalObject
from s3_sync.model.headers import storable
from s3_sync.model.objects import ObjectInfo, ObjectMeta, is_md5
from s3_sync.model.timestamps import Timestamp


def differences(local: LocalObject, source: ObjectInfo, version: Timestamp) -> Iterator[tuple[str, str]]:
    """Yield the kind of each difference, and a description. ``version``: the source's."""
    kind, other = _kind(source), local.kind
    if kind != "plain" and kind != other:
        yield DIGEST, f"{kind} at the source, {other} in Swift"
        return
    if kind in ("link", "dlo") and _target(source) != local.target:
        yield DIGEST, f"it leads to {_target(source)!r} at the source, to {local.target!r} in Swift"
    if local.size != source.size:
        yield SIZE, f"{source.size} bytes at the source, {local.size} in Swift"
    elif kind != "link":
        yield from _digests(local, source, version)
    yield from _metadata(local.meta, source)


def _kind(source: ObjectInfo) -> str:
    if source.meta.link is not None:
        return "link"
    if source.x_timestamp is None:
        return "plain"
    marks = source.meta.marks
    return "dlo" if "x-object-manifest" in marks else "slo" if "x-static-large-object" in marks else "plain"


def _target(source: ObjectInfo) -> str:
    if source.meta.link is not None:
        return source.meta.link.header
    return source.meta.marks.get("x-object-manifest", "").lstrip("/")


def _digests(local: LocalObject, source: ObjectInfo, version: Timestamp) -> Iterator[tuple[str, str]]:
    kind = _kind(source)
    here, there = local.etag, source.etag if kind != "plain" else source.md5 or ""
    if here == there:
        return
    if local.source_etag:  # what the bytes here were proved to be when they were copied
        if local.source_etag != source.etag:
            yield DIGEST, f"ETag {source.etag} at the source, copied from {local.source_etag}"
        return
    if _parts(local) == source.etag:
        return
    if is_md5(there) and is_md5(here) and local.kind == kind:
        yield DIGEST, f"{there} at the source, {here} in Swift"
    elif not (local.is_owned and local.timestamp == version):
        yield UNSURE, "no digest is known on both sides"


def _parts(local: LocalObject) -> str:
    """The ETag of an S3 upload with these segments as its parts."""
    if local.kind != "slo" or not all(map(is_md5, local.parts)):
        return ""
    return multipart_etag(local.parts)


def _metadata(local: ObjectMeta, source: ObjectInfo) -> Iterator[tuple[str, str]]:
    there, here = storable(source.meta), storable(local)
    if source.expires is not None:
        there["x-delete-at"] = str(source.expires)
    if "content-type" not in there:  # Swift gives every object a type
        here.pop("content-type", None)
    names = sorted(name for name in {*here, *there} if here.get(name) != there.get(name))
    if names:
        yield METADATA, ", ".join(names)
