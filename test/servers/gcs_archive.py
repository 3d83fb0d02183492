"""A container and its bucket in a strict Google Cloud Storage."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from servers.fake_gcs import Bucket, FakeGcs, Stored
from servers.landed import key_prefix
from servers.raw_swift import RawSwift
from servers.shunted import Archive, Shunted


class GcsArchive(Archive):
    """`options`: further keys of the mapping, which is that of the whole account of a new Swift account with
    `every_container`."""

    def __init__(
        self, cluster: Shunted, gcs: FakeGcs, *, every_container: bool = False, **options: Any
    ) -> None:
        self.cluster = cluster
        self.gcs = gcs
        self.swift = RawSwift(cluster)
        self.container = f"c-{uuid4().hex[:12]}"
        self.bucket = f"bucket-{uuid4().hex[:12]}"
        gcs.buckets[self.bucket] = Bucket(self.bucket)
        self.swift.put_container(self.container)
        self.mapping = {
            "account": self.swift.account,
            "container": "/*" if every_container else self.container,
            "protocol": "gcs",
            "aws_bucket": self.bucket,
            "aws_endpoint": gcs.endpoint,
            "aws_secret": gcs.key_json,
            "merge_namespaces": True,
            "retain_local": False,
            "propagate_delete": False,
            **options,
        }
        cluster.add(self.mapping)

    @property
    def prefix(self) -> str:
        return key_prefix(self.swift.account, self.container)

    def stored(self) -> list[str]:
        return sorted(self.gcs.objects(self.bucket))

    def landed(self, name: str) -> Stored:
        return self.gcs.objects(self.bucket)[self.prefix + name]
