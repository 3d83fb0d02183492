"""One Azure storage account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from s3_sync.config.credentials.azure import AzureCredentials
from s3_sync.errors import InvalidRequest
from s3_sync.http.network import Network
from s3_sync.http.pool import Timeouts
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.azure.bucket import AzureBucket
from s3_sync.providers.azure.listing import Lister, list_containers
from s3_sync.providers.azure.management import ManagementPolicy
from s3_sync.providers.azure.tokens import Tokens
from s3_sync.providers.azure.transport import AzureTransport
from s3_sync.providers.base import BucketEntry, ListQuery, WriteOptions

_PLAIN = WriteOptions()
_CONTAINER = [("restype", "container")]


class AzureProvider:
    """See ``Provider``; a bucket is a container. ``connections``: maximum for reading, and for writing."""

    def __init__(
        self, credentials: AzureCredentials, *, connections: int = 32, timeouts: Timeouts | None = None
    ) -> None:
        network = Network(credentials, timeouts)
        self.transport = AzureTransport(credentials, network, connections)
        self._tokens = Tokens()
        self._policy = ManagementPolicy(credentials, network)

    def bucket(self, name: str, namer: KeyNamer, write: WriteOptions = _PLAIN) -> AzureBucket:
        return AzureBucket(self.transport, self._tokens, self._policy, (name, namer, write))

    def list_buckets(self) -> Iterator[BucketEntry]:
        return list_containers(self.transport)

    def head_bucket(self, name: str) -> Mapping[str, str]:
        self.transport.request("HEAD", f"/{name}", query=_CONTAINER).close()
        return {}

    def head_account(self) -> Mapping[str, str]:
        return {}

    def create_bucket(self, name: str, storage_policy: str = "") -> None:
        try:
            self.transport.request("PUT", f"/{name}", query=_CONTAINER).drain()
        except InvalidRequest as error:
            if error.code != "ContainerAlreadyExists":
                raise

    def delete_bucket(self, name: str) -> None:
        """Azure would delete the blobs, too."""
        page = Lister(self.transport, Tokens(), name, KeyNamer.literal("")).page(ListQuery(limit=1))
        if page.objects or page.next_after is not None:
            raise InvalidRequest(f"the container {name} is not empty", status=409, code="BucketNotEmpty")
        self.transport.request("DELETE", f"/{name}", query=_CONTAINER).drain()

    def close(self) -> None:
        self.transport.close()
        self._policy.close()
