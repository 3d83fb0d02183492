"""What a strict Google Cloud Storage takes."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from servers.fake_gcs import Refused, Stored, crc_of, md5_of

CLASSES = {"STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"}
HEADERS = ("contentType", "contentEncoding", "contentDisposition", "contentLanguage", "cacheControl")
SET_BY_CLIENTS = {*HEADERS, "name", "metadata", "storageClass", "md5Hash", "crc32c"}


def patch(stored: Stored, changes: dict[str, Any]) -> None:
    check_fields({"name": stored.name, **{key: value for key, value in changes.items() if value is not None}})
    metadata = dict(stored.fields.get("metadata", {}))
    for name, value in (changes.pop("metadata", None) or {}).items():
        metadata[name] = value
    for key, value in {**changes, "metadata": metadata}.items():
        stored.fields[key] = value
    stored.fields["metadata"] = {name: value for name, value in metadata.items() if value is not None}
    stored.fields = {key: value for key, value in stored.fields.items() if value not in (None, {})}
    stored.metageneration += 1
    stored.updated = time.time()


def check_fields(fields: dict[str, Any]) -> None:
    name = fields["name"]
    if not name or len(name.encode()) > 1024 or name in (".", "..") or re.search("[\r\n]", name):
        raise Refused(400, "invalid", "Disallowed unicode characters present in object name")
    if unknown := fields.keys() - SET_BY_CLIENTS:
        raise Refused(400, "invalid", f"Unknown fields {unknown}")
    metadata = {key: value for key, value in fields.get("metadata", {}).items() if value is not None}
    if sum(len(key.encode()) + len(value.encode()) for key, value in metadata.items()) > 8192:
        raise Refused(400, "invalid", "The metadata for object is too large.")
    if fields.get("storageClass", "STANDARD") not in CLASSES:
        raise Refused(400, "invalid", "Invalid argument.")


def check_digests(data: bytes, md5: str | None, crc: str | None) -> None:
    checks: tuple[tuple[str, str | None, Callable[[bytes], str]], ...] = (
        ("MD5 hash", md5, md5_of),
        ("CRC32C", crc, crc_of),
    )
    for kind, given, digest in checks:
        if given not in (None, digest(data)):
            message = f'Provided {kind} "{given}" doesn\'t match calculated {kind} "{digest(data)}".'
            raise Refused(400, "invalid", message)


def check_rule(rule: dict[str, Any]) -> None:
    condition = rule.get("condition", {})
    prefixes = condition.get("matchesPrefix", ["any"])
    dated = re.fullmatch(r"\d{4}-\d\d-\d\d", condition.get("createdBefore", "2026-01-01"))
    if (
        set(rule) != {"action", "condition"}
        or not condition
        or not dated
        or not all(prefixes)
        or not prefixes
    ):
        raise Refused(400, "invalid", "Invalid lifecycle rule")
