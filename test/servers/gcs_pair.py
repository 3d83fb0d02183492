"""A container of Swift and its copy in the strict Google Cloud Storage, as a test sees both."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from servers.fake_gcs import Bucket, FakeGcs
from servers.landed import Stored, stored
from servers.pair import Pair
from servers.raw_swift import RawSwift
from servers.swift import SwiftCluster

_HEADERS = {
    "content-type": "contentType",
    "content-encoding": "contentEncoding",
    "content-disposition": "contentDisposition",
    "content-language": "contentLanguage",
    "cache-control": "cacheControl",
}


class GcsPair(Pair):
    """`through`: the address at which the daemon finds the store."""

    def __init__(self, cluster: SwiftCluster, gcs: FakeGcs, *, through: str = "", **options: Any) -> None:
        self.gcs = gcs
        self.swift = RawSwift(cluster)
        self.container, self.bucket = f"c-{uuid4().hex[:12]}", f"bucket-{uuid4().hex[:12]}"
        gcs.buckets[self.bucket] = Bucket(self.bucket)
        self.swift.put_container(self.container)
        self.mapping = {
            "account": self.swift.account,
            "container": self.container,
            "protocol": "gcs",
            "aws_bucket": self.bucket,
            "aws_endpoint": through or gcs.endpoint,
            "aws_secret": gcs.key_json,
            **options,
        }

    def keys(self) -> list[str]:
        return sorted(self.gcs.objects(self.bucket))

    def landed(self, name: str) -> Stored:
        found = self.gcs.objects(self.bucket)[self.prefix + name]
        headers = {header: found.fields.get(field, "") for header, field in _HEADERS.items()}
        return stored(found.data, headers, found.fields.get("metadata", {}))

    def document(self, key: str) -> bytes | None:
        found = self.gcs.objects(self.bucket).get(key)
        if found is None:
            return None
        assert found.fields["contentType"] == "application/json"
        assert not found.fields.get("metadata")
        return found.data

    def open_uploads(self) -> list[str]:
        """The key of each session that has not ended: the service forgets it after a week."""
        sessions = [each for each in list(self.gcs.uploads.values()) if each.bucket == self.bucket]
        return [each.fields["name"] for each in sessions if each.done is None]
