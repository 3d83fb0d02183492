"""A container of Swift and its copy in a directory of a share, as a test sees both."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

from conformance.samples import names, read
from s3_sync.errors import NotFound
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.file.bucket import FileBucket
from servers.landed import Stored, stored
from servers.pair import Pair
from servers.raw_swift import RawSwift
from servers.shared_directory import SharedDirectory
from servers.swift import SwiftCluster


class FilePair(Pair):
    """The share is to be mounted whenever a test looks at what is there."""

    def __init__(self, cluster: SwiftCluster, share: SharedDirectory, **options: Any) -> None:
        self.share = share
        self.swift = RawSwift(cluster)
        self.container, self.bucket = f"c-{uuid4().hex[:12]}", f"files-{uuid4().hex[:12]}"
        self.swift.put_container(self.container)
        self.mapping = {
            "account": self.swift.account,
            "container": self.container,
            "hashed_prefix": True,  # keys as at S3, which is not the default
            **share.entry(self.bucket),
            **options,
        }
        self._provider = share.provider()

    @property
    def directory(self) -> Path:
        return self.share.path / self.bucket

    @property
    def there(self) -> FileBucket:
        return self._provider.bucket(self.bucket, KeyNamer.literal(""))

    def keys(self) -> list[str]:
        return names(self.there)

    def landed(self, name: str) -> Stored:
        meta = self.there.head_object(self.prefix + name).meta
        return stored(read(self.there, self.prefix + name), meta.headers, {**meta.user, **meta.marks})

    def document(self, key: str) -> bytes | None:
        try:
            return read(self.there, key)
        except NotFound:
            return None

    def open_uploads(self) -> list[str]:
        return [upload.name for upload in self.there.list_uploads()]

    def temporary_files(self) -> list[str]:
        return [path.name for path in (self.directory / "%tmp").iterdir()]
