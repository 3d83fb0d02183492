"""What swift-s3-sync 0.1.57 leaves behind: copies, manifests, status files, and tombstones in Swift.

Written from descriptions of that version with clients that are not ours, so that nothing here changes when
the product does.
"""

from __future__ import annotations

import hashlib
import json
import string
from collections.abc import Callable
from email.header import Header
from pathlib import Path
from typing import Any
from urllib.parse import quote

from servers.landed import key_prefix
from servers.large import SegmentFile
from servers.local import Local
from servers.pair import Pair

MIB = 1 << 20


def as_text_or_words(value: str) -> str:
    """Raw if it is printable ASCII, else in encoded words whose introducers are in capitals."""
    if all(character in string.printable for character in value):
        return value
    words = Header(value, "utf-8").encode(linesep="").split()
    return " ".join(f"=?UTF-8?{word[8].upper()}?{word[10:]}" for word in words)


class Earlier:
    """The earlier version, working for one mapping. `prefix`: what the keys begin with, its slash included;
    None = the hashed one."""

    def __init__(self, pair: Pair, prefix: str | None = None) -> None:
        self.pair = pair
        account, container = pair.swift.account, pair.container
        self.prefix = key_prefix(account, container) if prefix is None else prefix
        hashed = self.prefix.partition("/")[0]
        inside = f"{hashed}/.manifests/{account}/{container}/"
        self.manifests = inside if prefix is None else f"{prefix}.manifests/"

    def copy(self, name: str, written: Callable[[str], str] = as_text_or_words) -> None:
        """Content-Type and the user's metadata go along, and nothing else. `written`: the form of values."""
        answer = self.pair.swift.request("GET", self.pair.container, name)
        metadata = self._metadata(answer.headers, written)
        body = answer.body
        if "x-object-manifest" in answer.headers:  # of a DLO, only the empty object itself
            metadata["x-object-manifest"] = quote(answer.headers["x-object-manifest"])
            body = b""
        self.pair.s3.put_object(
            Bucket=self.pair.bucket,
            Key=self.prefix + name,
            Body=body,
            ContentType=answer.headers["content-type"],
            Metadata=metadata,
        )

    def copy_large(self, name: str, segments: list[SegmentFile]) -> None:
        """Copy an SLO: each segment becomes a part, and the manifest goes beside it."""
        s3, place = self.pair.s3, {"Bucket": self.pair.bucket, "Key": self.prefix + name}
        headers = self.pair.swift.request("HEAD", self.pair.container, name).headers
        metadata = {**self._metadata(headers, as_text_or_words), "x-static-large-object": "True"}
        begun = s3.create_multipart_upload(**place, ContentType=headers["content-type"], Metadata=metadata)
        upload = {**place, "UploadId": begun["UploadId"]}
        parts = []
        for number, segment in enumerate(segments, 1):
            answer = s3.upload_part(**upload, PartNumber=number, Body=segment.body)
            parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        # Swift's own words were others then
        self._put_manifest(name, json.dumps(json.loads(self._raw_manifest(name)), sort_keys=True).encode())

    def copy_large_in_one(self, name: str, segments: list[SegmentFile]) -> None:
        """As to Google: a single PUT, tied to its manifest by a mark."""
        raw = self._raw_manifest(name)
        headers = self.pair.swift.request("HEAD", self.pair.container, name).headers
        metadata = self._metadata(headers, as_text_or_words)
        self.pair.s3.put_object(
            Bucket=self.pair.bucket,
            Key=self.prefix + name,
            Body=b"".join(segment.body for segment in segments),
            ContentType=headers["content-type"],
            Metadata={
                **metadata,
                "x-static-large-object": "True",
                "swift-slo-etag": hashlib.md5(raw).hexdigest(),
            },
        )
        self._put_manifest(name, raw)

    def _raw_manifest(self, name: str) -> bytes:
        query = "multipart-manifest=get"
        return self.pair.swift.request("GET", self.pair.container, name, query=query).body

    def _put_manifest(self, name: str, manifest: bytes) -> None:
        self.pair.s3.put_object(
            Bucket=self.pair.bucket,
            Key=f"{self.manifests}{hashlib.sha256(name.encode()).hexdigest()}.swift_slo_manifest",
            Body=manifest,
            ContentType="application/json",
        )

    def give_up(self, local: Local, name: str) -> None:
        """Delete the local object, with an offset behind the time of its last change."""
        state: Any = local.newest_of(self.pair.container, name)
        headers = {
            "X-Timestamp": f"{state.timestamp.normal}_{1:016x}",
            "X-Backend-Storage-Policy-Index": str(state.policy),
        }
        path = f"{self.pair.swift.account}/{self.pair.container}/{name}"
        answer = local.client.request("DELETE", path, headers)
        answer.close()
        assert answer.status == 204

    def save_progress(self, status_dir: Path, last_row: int | None = None) -> None:
        """Up to a row, or to the last one. There is an entry of a replica that is gone, too."""
        identity, last = self.pair.database()
        mapping = self.pair.mapping
        policy = {
            "copy_after": mapping.get("copy_after", 0),
            "retain_local": mapping.get("retain_local", True),
            "propagate_delete": mapping.get("propagate_delete", True),
        }
        rows = last if last_row is None else last_row
        entry = {
            "last_row": rows,
            "last_verified_row": rows,
            "aws_bucket": self.pair.bucket,
            "policy": policy,
            "metadata_hash": "d751713988987e9331980363e24189ce",
        }
        path = status_dir / self.pair.swift.account / self.pair.container
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"c0ffee-of-old": {**entry, "last_row": 10**6}, identity: entry}))

    @staticmethod
    def _metadata(headers: dict[str, str], written: Callable[[str], str]) -> dict[str, str]:
        user = "x-object-meta-"
        return {key[len(user) :]: written(value) for key, value in headers.items() if key.startswith(user)}
