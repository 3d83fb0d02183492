"""Reads single objects of the local cluster as they are stored, and describes large ones as clients see
them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from s3_sync.cluster.client import LocalSwift
from s3_sync.errors import LocalUnavailable, ObjectRefused
from s3_sync.largeobject.stored_slo import StoredSlo
from s3_sync.model.headers import from_swift, is_true
from s3_sync.model.migration import OWNER, SOURCE_ETAG
from s3_sync.model.objects import ObjectMeta
from s3_sync.model.timestamps import Timestamp

#: as a symlink is, a DLO and an SLO without what middlewares make of them; the newest of all replicas
_ITSELF = "multipart-manifest=get&symlink=get&format=raw"
_NEWEST = {"X-Newest": "true"}
_MAX_MANIFEST = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LocalObject:
    """``size`` and ``etag``: as clients see them, of a large object those of the whole. ``timestamp``: when
    bytes or metadata last changed. ``is_owned``: a migration has written it, and no client has touched it
    since. ``source_etag``: that of the source, if it says nothing about the bytes here. ``kind``: plain, slo,
    dlo or link; ``target``: of a DLO or a link, as its header says. ``parts``: ETags of an SLO's segments."""

    size: int
    etag: str
    timestamp: Timestamp
    meta: ObjectMeta
    is_owned: bool = False
    source_etag: str = ""
    kind: str = "plain"
    target: str = ""
    parts: tuple[str, ...] = ()


class LocalObjectReader:
    """Reads the objects of one container. Methods raise LocalUnavailable."""

    def __init__(self, client: LocalSwift, account: str, container: str) -> None:
        self._client = client
        self._account = account
        self._container = container

    def find(self, name: str) -> LocalObject | None:
        """Return an object; None if there is none, and for one that has expired."""
        path = f"{self._account}/{self._container}/{name}"
        answer = self._client.request("HEAD", path, _NEWEST, _ITSELF)
        answer.close()
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise LocalUnavailable(f"HEAD {path}: status {answer.status}")
        headers = dict(answer.headers)
        found = _described(path, headers)
        if found.kind == "slo":
            return self._static(path, found)
        return self._dynamic(found) if found.kind == "dlo" else found

    def _static(self, path: str, found: LocalObject) -> LocalObject:
        answer = self._client.request("GET", path, _NEWEST, _ITSELF)
        try:
            raw = b"".join(answer.body)
        finally:
            answer.close()
        if answer.status != 200 or len(raw) > _MAX_MANIFEST:
            raise LocalUnavailable(f"GET {path}: status {answer.status}, {len(raw)} bytes")
        try:
            manifest = StoredSlo.parse(raw)
        except ObjectRefused as error:
            raise LocalUnavailable(f"the manifest of {path}: {error}") from error
        parts = tuple(entry.share for entry in manifest.entries)
        return replace(found, size=manifest.size, etag=manifest.etag, parts=parts)

    def _dynamic(self, found: LocalObject) -> LocalObject:
        container, _, prefix = found.target.partition("/")
        size, joined = 0, hashlib.md5(usedforsecurity=False)
        for entry in self._client.objects(self._account, container, prefix):
            size += entry["bytes"]
            joined.update(entry["hash"].partition(";")[0].encode("utf-8"))
        return replace(found, size=size, etag=joined.hexdigest())


def _described(path: str, headers: Mapping[str, str]) -> LocalObject:
    meta = from_swift(headers.items())
    try:
        timestamp = Timestamp.parse(headers.get("x-backend-timestamp") or headers["x-timestamp"])
        size, etag = int(headers["content-length"]), headers["etag"].strip('"')
    except (KeyError, ValueError) as error:
        raise LocalUnavailable(f"HEAD {path}: unusable headers: {error!r}") from error
    kind, target = "plain", ""
    if link := headers.get("x-symlink-target"):
        kind, target = "link", link
    elif is_true(headers.get("x-static-large-object", "")):
        kind = "slo"
    elif "x-object-manifest" in meta.marks:
        kind, target = "dlo", meta.marks["x-object-manifest"].lstrip("/")
    return LocalObject(
        size, etag, timestamp, meta, _is_owned(headers, timestamp), headers.get(SOURCE_ETAG, ""), kind, target
    )


def _is_owned(headers: Mapping[str, str], timestamp: Timestamp) -> bool:
    """The mark has to be the X-Timestamp: a copy that a client makes inherits it, with a time of its own."""
    try:
        return Timestamp.parse(headers.get(OWNER, "")) == timestamp
    except ValueError:
        return False
