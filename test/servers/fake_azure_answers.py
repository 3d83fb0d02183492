"""Responses of the strict Azure in ``fake_azure``."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from email.utils import formatdate
from urllib.parse import quote
from xml.sax.saxutils import escape

from azure.storage.extensions.checksums import crc64

from servers.fake_azure_store import Blob


@dataclass
class Answer:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def crc64_of(data: bytes) -> str:
    return base64.b64encode(crc64.compute(data, 0).to_bytes(8, "little")).decode()


def described(blob: Blob) -> dict[str, str]:
    headers = {"ETag": f'"{blob.etag}"', "Last-Modified": formatdate(blob.modified, usegmt=True)}
    headers["Content-Type"] = "application/octet-stream"
    headers |= {_title(name): value for name, value in blob.properties.items()}
    headers |= {f"x-ms-meta-{name}": value for name, value in blob.metadata.items()}
    headers["x-ms-blob-type"], headers["x-ms-access-tier"] = "BlockBlob", blob.tier or "Hot"
    if not blob.tier:
        headers["x-ms-access-tier-inferred"] = "true"
    if blob.pending:
        headers["x-ms-archive-status"] = f"rehydrate-pending-to-{blob.pending.lower()}"
    return headers


def _title(name: str) -> str:
    return {"content-md5": "Content-MD5"}.get(name, name.title())


def entry(name: str, blob: Blob | None) -> str:
    encodable = all(
        character in "\t\n" or " " <= character <= "\ud7ff" or "\ue000" <= character <= "\ufffd"
        or character > "\uffff"
        for character in name
    )  # fmt: skip
    written = f"<Name>{escape(name)}</Name>" if encodable else f'<Name Encoded="true">{quote(name)}</Name>'
    if blob is None:
        return f"<BlobPrefix>{written}</BlobPrefix>"
    found = described(blob)
    properties = {
        "Last-Modified": found["Last-Modified"], "Etag": blob.etag, "Content-Length": str(len(blob.data)),
        "Content-MD5": found.get("Content-MD5", ""), "AccessTier": found["x-ms-access-tier"],
        "AccessTierInferred": found.get("x-ms-access-tier-inferred", ""),
    }  # fmt: skip
    inner = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in properties.items() if value)
    return f"<Blob>{written}<Properties>{inner}</Properties></Blob>"


def xml_answer(inner: str) -> Answer:
    document = f'\ufeff<?xml version="1.0" encoding="utf-8"?><EnumerationResults>{inner}</EnumerationResults>'
    return Answer(200, {"Content-Type": "application/xml"}, document.encode())
