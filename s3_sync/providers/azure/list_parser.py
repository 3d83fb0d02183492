"""Parses listings. Source: "List Blobs", "List Containers"."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote
from xml.etree import ElementTree

from s3_sync.model.timestamps import http_date_or_zero
from s3_sync.providers.azure.headers import hex_of
from s3_sync.providers.base import BucketEntry


@dataclass(frozen=True, slots=True)
class ListedBlob:
    """``etag``: the MD5 in hex, where the blob has a Content-MD5. ``tier``: empty for that of the account."""

    key: str
    size: int
    etag: str
    modified: float
    tier: str


@dataclass(frozen=True, slots=True)
class Page:
    """``token``: of the next page; empty on the last one."""

    blobs: tuple[ListedBlob, ...]
    groups: tuple[str, ...]
    token: str

    @property
    def first(self) -> str:
        """The first key or group; empty without any."""
        return min((*(blob.key for blob in self.blobs[:1]), *self.groups[:1]), default="")

    @property
    def last(self) -> str:
        return max((*(blob.key for blob in self.blobs[-1:]), *self.groups[-1:]), default="")


def parse_blobs(document: bytes) -> Page:
    """Parse a page of blobs. Raises ValueError for anything else."""
    root = _root(document)
    listed = root.find("Blobs")
    if listed is None:
        raise ValueError("a document without Blobs")
    blobs = tuple(_blob(element) for element in listed.findall("Blob"))
    groups = tuple(_name(element) for element in listed.findall("BlobPrefix"))
    return Page(blobs, groups, root.findtext("NextMarker") or "")


def parse_containers(document: bytes) -> tuple[list[BucketEntry], str]:
    """Parse a page of containers: those, and the token of the next page. Raises ValueError."""
    root = _root(document)
    listed = root.find("Containers")
    if listed is None:
        raise ValueError("a document without Containers")
    entries = [
        BucketEntry(_name(element), http_date_or_zero(element.findtext("Properties/Last-Modified") or ""))
        for element in listed.findall("Container")
    ]
    return entries, root.findtext("NextMarker") or ""


def _root(document: bytes) -> ElementTree.Element:
    try:
        root = ElementTree.fromstring(document)
    except ElementTree.ParseError as error:
        raise ValueError(f"no XML: {error}") from error
    if root.tag != "EnumerationResults":
        raise ValueError(f"a document {root.tag[:40]!r}")
    return root


def _blob(element: ElementTree.Element) -> ListedBlob:
    properties = {child.tag: child.text or "" for child in element.find("Properties") or ()}
    size = properties.get("Content-Length", "")
    if not size.isdecimal():
        raise ValueError(f"a blob without a size: {size[:20]!r}")
    inferred = properties.get("AccessTierInferred", "").lower() == "true"
    return ListedBlob(
        key=_name(element),
        size=int(size),
        etag=hex_of(properties.get("Content-MD5", "")) or properties.get("Etag", "").strip('"'),
        modified=http_date_or_zero(properties.get("Last-Modified", "")),
        tier="" if inferred else properties.get("AccessTier", ""),
    )


def _name(element: ElementTree.Element) -> str:
    """A name; one that XML cannot hold is percent-encoded, and says so (since version 2021-02-12)."""
    name = element.find("Name")
    if name is None or not name.text:
        raise ValueError("an entry without a name")
    return unquote(name.text) if name.get("Encoded") == "true" else name.text
