"""A container of Swift and its copy in the strict Azure, as a test sees both."""

from __future__ import annotations

from typing import Any

from s3_sync.providers.azure.names import from_identifier
from servers.azure_archive import AzureArchive
from servers.fake_azure import FakeAzure
from servers.fake_azure_store import Blob, Container
from servers.landed import Stored, stored
from servers.pair import Pair
from servers.raw_swift import RawSwift
from servers.swift import SwiftCluster


class AzurePair(Pair):
    """`through`: the address at which the daemon finds the store."""

    def __init__(self, cluster: SwiftCluster, azure: FakeAzure, *, through: str = "", **options: Any) -> None:
        # keys as at S3, which is not the default
        archive = AzureArchive(azure, RawSwift(cluster), hashed_prefix=True, **options)
        self.azure = azure
        self.swift, self.container, self.bucket = archive.swift, archive.container, archive.bucket
        self.mapping = archive.mapping | ({"aws_endpoint": through} if through else {})

    @property
    def there(self) -> Container:
        return self.azure.store.containers[self.bucket]

    def keys(self) -> list[str]:
        return sorted(self.there.blobs)

    def landed(self, name: str) -> Stored:
        return _stored(self.there.blobs[self.prefix + name])

    def document(self, key: str) -> bytes | None:
        blob = self.there.blobs.get(key)
        if blob is None:
            return None
        assert (blob.properties["content-type"], blob.metadata) == ("application/json", {})
        return blob.data

    def open_uploads(self) -> list[str]:
        """The key of each blob with blocks that no list has named."""
        return [key for key, blocks in self.there.uncommitted.items() if blocks]


def _stored(blob: Blob) -> Stored:
    metadata = {from_identifier(name): value for name, value in blob.metadata.items()}
    return stored(blob.data, blob.properties, metadata)
