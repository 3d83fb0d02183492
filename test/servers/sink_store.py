"""What a sink knows: buckets, what was stored in them, open uploads. No I/O."""

from __future__ import annotations

import hashlib
import itertools
import time
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

#: bodies up to this many bytes are kept, so that they can be read again; of others only what they were
KEPT = 64 * 1024


@dataclass(slots=True)
class Stored:
    """One object. ``data`` None: it was too large to be kept."""

    size: int
    etag: str
    modified: float
    headers: tuple[tuple[str, str], ...] = ()
    data: bytes | None = None


@dataclass(slots=True)
class Upload:
    """An open multipart upload; ``parts``: number -> size and MD5."""

    key: str
    headers: tuple[tuple[str, str], ...]
    parts: dict[int, tuple[int, str]] = field(default_factory=dict)


class Refusal(Exception):
    """An answer that is an error of S3's."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


class Bucket:
    """Objects by key, and the keys in the order of their UTF-8 bytes, which is that of their characters."""

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self.keys: list[str] = []
        self.uploads: dict[str, Upload] = {}
        self._ids = itertools.count(1)

    def put(self, key: str, stored: Stored) -> None:
        if key not in self.objects:
            if self.keys and key < self.keys[-1]:
                insort(self.keys, key)
            else:
                self.keys.append(key)
        self.objects[key] = stored

    def fill(self, entries: Sequence[tuple[str, int, str]], modified: float) -> None:
        """Many objects at once: key, size, ETag."""
        for key, size, etag in entries:
            self.objects[key] = Stored(size, etag, modified)
        self.keys = sorted(self.objects)

    def get(self, key: str) -> Stored:
        stored = self.objects.get(key)
        if stored is None:
            raise Refusal(404, "NoSuchKey")
        return stored

    def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            if self.objects.pop(key, None) is not None:
                del self.keys[bisect_left(self.keys, key)]

    def begin(self, key: str, headers: tuple[tuple[str, str], ...]) -> str:
        upload_id = f"upload-{next(self._ids)}"
        self.uploads[upload_id] = Upload(key, headers)
        return upload_id

    def upload(self, upload_id: str) -> Upload:
        upload = self.uploads.get(upload_id)
        if upload is None:
            raise Refusal(404, "NoSuchUpload")
        return upload

    def complete(self, upload_id: str, listed: Sequence[tuple[int, str]]) -> Stored:
        """``listed``: number and ETag of each part. The ETag is made as S3 makes it."""
        upload = self.upload(upload_id)
        whole = hashlib.md5(usedforsecurity=False)
        size = 0
        for number, etag in listed:
            length, md5 = upload.parts.get(number, (0, ""))
            if md5 != etag:
                raise Refusal(400, "InvalidPart")
            whole.update(bytes.fromhex(md5))
            size += length
        del self.uploads[upload_id]
        stored = Stored(size, f"{whole.hexdigest()}-{len(listed)}", time.time(), upload.headers)
        self.put(upload.key, stored)
        return stored

    def page(self, prefix: str, after: str, delimiter: str, limit: int) -> tuple[list[str], list[str], str]:
        """Keys, common prefixes, and after which name the listing goes on ("" = that was all)."""
        keys: list[str] = []
        groups: list[str] = []
        for name, is_group in self._below(prefix, after, delimiter):
            if len(keys) + len(groups) == limit:
                return keys, groups, max((*keys[-1:], *groups[-1:]))
            (groups if is_group else keys).append(name)
        return keys, groups, ""

    def _below(self, prefix: str, after: str, delimiter: str) -> Iterator[tuple[str, bool]]:
        position = max(bisect_right(self.keys, after), bisect_left(self.keys, prefix))
        while position < len(self.keys) and self.keys[position].startswith(prefix):
            key = self.keys[position]
            head, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            if found:
                group = prefix + head + delimiter
                position = bisect_right(self.keys, group + "\U0010ffff")
                if group > after:
                    yield group, True
            else:
                position += 1
                yield key, False


def error_document(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()


def listing_document(bucket: Bucket, listed: tuple[list[str], list[str], str], encode: bool) -> bytes:
    """ListObjectsV2's and ListObjects' answer in one; ``encode``: keys are percent-encoded."""
    from urllib.parse import quote

    def text(name: str) -> str:
        return quote(name, safe="/-._~") if encode else escape(name)

    keys, groups, following = listed
    pieces = [
        '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
        "<EncodingType>url</EncodingType>" if encode else "",
        f"<KeyCount>{len(keys) + len(groups)}</KeyCount>",
        f"<IsTruncated>{'true' if following else 'false'}</IsTruncated>",
    ]
    if following:
        token = text(following)
        pieces.append(
            f"<NextContinuationToken>{quote(following, safe='')}</NextContinuationToken>"
            f"<NextMarker>{token}</NextMarker>"
        )
    for key in keys:
        stored = bucket.objects[key]
        pieces.append(
            f"<Contents><Key>{text(key)}</Key><LastModified>{iso_date(stored.modified)}</LastModified>"
            f"<ETag>&quot;{stored.etag}&quot;</ETag><Size>{stored.size}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
        )
    pieces.extend(f"<CommonPrefixes><Prefix>{text(group)}</Prefix></CommonPrefixes>" for group in groups)
    pieces.append("</ListBucketResult>")
    return "".join(pieces).encode("utf-8")


def iso_date(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))
