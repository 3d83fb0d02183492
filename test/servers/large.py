"""Large objects in Swift, and what of them is in a bucket."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from s3_sync.largeobject.rebuild import Rebuilt
from servers.landed import key_prefix
from servers.pair import Pair


@dataclass(frozen=True)
class SegmentFile:
    """One segment as a test wrote it."""

    container: str
    name: str
    body: bytes

    @property
    def md5(self) -> str:
        return hashlib.md5(self.body).hexdigest()


class Large:
    """The large objects of one pair. Segments are in a container of their own, ``<container>_segments``."""

    def __init__(self, pair: Pair, segments_policy: str = "") -> None:
        self.pair = pair
        self.container = f"{pair.container}_segments"
        headers = {"X-Storage-Policy": segments_policy} if segments_policy else {}
        pair.swift.put_container(self.container, headers)
        self._seed = 0

    # In Swift

    def segment(self, name: str, size: int) -> SegmentFile:
        """Put one, of bytes that no other has."""
        self._seed += 1
        block = hashlib.sha512(b"%d" % self._seed).digest() * 64
        body = (block * (size // len(block) + 1))[:size]
        self.pair.swift.put(self.container, name, body)
        return SegmentFile(self.container, name, body)

    def put_slo(
        self,
        name: str,
        segments: Sequence[SegmentFile | Mapping[str, Any]],
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """``segments`` may hold entries of a manifest, too."""
        entries = [
            {"path": f"/{each.container}/{each.name}", "etag": each.md5, "size_bytes": len(each.body)}
            if isinstance(each, SegmentFile)
            else dict(each)
            for each in segments
        ]
        self.pair.swift.request(
            "PUT",
            self.pair.container,
            name,
            query="multipart-manifest=put",
            headers=headers,
            body=json.dumps(entries).encode(),
        )

    def copy(self, segment: SegmentFile, name: str) -> SegmentFile:
        """Put a segment's bytes under another name."""
        self.pair.swift.put(self.container, name, segment.body)
        return SegmentFile(self.container, name, segment.body)

    def dlo_header(self, prefix: str) -> dict[str, str]:
        return {"X-Object-Manifest": quote(f"{self.container}/{prefix}")}

    def put_dlo(self, name: str, prefix: str, headers: Mapping[str, str] | None = None) -> None:
        self.pair.put(name, b"", {**self.dlo_header(prefix), **(headers or {})})

    def wipe(self, name: str, *segments: SegmentFile) -> None:
        self.pair.delete(name)
        for segment in segments:
            self.pair.swift.delete(segment.container, segment.name)

    def rebuild(self, name: str, rebuilt: Rebuilt) -> None:
        """Write into Swift what is in the bucket, as a client would."""
        key = self.pair.prefix + name
        for each in rebuilt.segments:
            assert each.byte_range is not None
            answer = self.pair.s3.get_object(Bucket=self.pair.bucket, Key=key, Range=each.byte_range.header)
            self.pair.swift.put(each.segment.container, each.segment.name, answer["Body"].read())
        self.pair.swift.request(
            "PUT",
            self.pair.container,
            name,
            query="multipart-manifest=put",
            headers=rebuilt.headers,
            body=rebuilt.manifest,
        )

    def raw_manifest(self, name: str) -> list[dict[str, Any]]:
        """What Swift has stored, without the fields that only the listing form has."""
        answer = self.pair.swift.request("GET", self.pair.container, name, query="multipart-manifest=get")
        found: list[dict[str, Any]] = json.loads(answer.body)
        return found

    # In the bucket

    def head(self, name: str) -> Any:
        return self.pair.s3.head_object(Bucket=self.pair.bucket, Key=self.pair.prefix + name)

    def etag(self, name: str) -> str:
        return str(self.head(name)["ETag"]).strip('"')

    def manifest(self, name: str) -> Any:
        """The stored manifest; None when there is none."""
        body = self.manifest_bytes(name)
        return None if body is None else json.loads(body)

    def manifest_bytes(self, name: str) -> Any:
        return self.pair.document(self.manifest_key(name))

    def manifest_key(self, name: str) -> str:
        account, container = self.pair.swift.account, self.pair.container
        hashed = key_prefix(account, container).partition("/")[0]
        digest = hashlib.sha256(name.encode()).hexdigest()
        return f"{hashed}/.manifests/{account}/{container}/{digest}.swift_slo_manifest"

    def check(self, *names: str) -> None:
        """Bytes and metadata of these are in the bucket, with a manifest for each and no open upload."""
        found = self.pair.keys()
        manifests = sorted(key for key in found if "/.manifests/" in key)
        assert manifests == sorted(self.manifest_key(name) for name in names)
        assert sorted(set(found) - set(manifests)) == sorted(self.pair.prefix + name for name in names)
        for name in names:
            self.pair.check_object(name)
        assert self.open_uploads() == []

    def open_uploads(self) -> list[str]:
        return self.pair.open_uploads()

    def abort_all(self) -> None:
        answer = self.pair.s3.list_multipart_uploads(Bucket=self.pair.bucket)
        for upload in answer.get("Uploads", ()):
            self.pair.s3.abort_multipart_upload(
                Bucket=self.pair.bucket, Key=upload["Key"], UploadId=upload["UploadId"]
            )

    @staticmethod
    def multipart_etag(segments: Sequence[SegmentFile]) -> str:
        digests = b"".join(hashlib.md5(segment.body).digest() for segment in segments)
        return f"{hashlib.md5(digests).hexdigest()}-{len(segments)}"
