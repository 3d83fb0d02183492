"""Compares objects whose times are equal on both sides, and whose ETags differ in the listings."""

from __future__ import annotations

from urllib.parse import unquote

from s3_sync.cluster.client_writer import StoredManifest
from s3_sync.errors import NotFound, ObjectRefused
from s3_sync.largeobject.stored_slo import StoredSlo
from s3_sync.migrate.large.job import LargeServices
from s3_sync.migrate.large.stored_object import StoredThere, read_stored
from s3_sync.migrate.large.swift_objects import SwiftCopier
from s3_sync.model.migration import SOURCE_ETAG
from s3_sync.model.objects import ListedObject

#: reason of a difference at equal times
MISMATCH = "mismatching_etag"


def check_same(
    services: LargeServices, copier: SwiftCopier | None, container: str, listed: ListedObject
) -> None:
    """Raise ObjectRefused (``mismatching_etag``) unless the local object is a copy of the listed one. Nothing
    is changed: neither side can be told to be the right one. ``copier``: of a Swift source. Raises
    SyncError."""
    local = services.writer.stored(container, listed.name)
    if local is None or local.headers.get(SOURCE_ETAG, "").lower() == listed.etag.lower():
        return  # a missing one is copied in the next pass
    if copier is not None:
        try:
            there = read_stored(services.source, services.source.name, listed.name)
        except NotFound:
            return
        if _is_same(copier, there, local):
            return
    raise ObjectRefused(
        MISMATCH,
        f"{listed.name} has ETag {local.headers.get('Etag', '')} here, {listed.etag} at the source, and the "
        "same time",
    )


def _is_same(copier: SwiftCopier, there: StoredThere, local: StoredManifest) -> bool:
    """Return whether both are the same large object or symlink, or plain objects with the same ETag."""
    link, target = there.info.meta.link, local.headers.get("X-Symlink-Target")
    if link is not None or target is not None:
        return link is not None and unquote(target or "") == f"{copier.local(link.container)}/{link.name}"
    if there.manifest is not None or local.manifest is not None:
        return (
            there.manifest is not None
            and local.manifest is not None
            and copier.renamed(there.manifest).is_same(StoredSlo.parse(local.manifest))
        )
    dynamic = local.headers.get("X-Object-Manifest")
    if there.dynamic is not None or dynamic is not None:
        named = "/".join((copier.local(there.dynamic[0]), there.dynamic[1])) if there.dynamic else None
        return named is not None and named == unquote(dynamic or "").lstrip("/")
    return there.info.etag == local.headers.get("Etag", "").strip('"')
