"""One account of a Swift cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from s3_sync.config.credentials.swift import SwiftCredentials
from s3_sync.errors import InvalidRequest, PreconditionFailed
from s3_sync.http.network import Network
from s3_sync.http.pool import Timeouts
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.base import BucketEntry, WriteOptions
from s3_sync.providers.swift.auth import login_for
from s3_sync.providers.swift.bucket import SwiftBucket
from s3_sync.providers.swift.listing import list_containers
from s3_sync.providers.swift.transport import SwiftTransport
from s3_sync.providers.token_session import Session

_PLAIN = WriteOptions()


class SwiftProvider:
    """See ``Provider``; a bucket is a container. ``connections``: maximum for reading, and for writing."""

    def __init__(
        self, credentials: SwiftCredentials, *, connections: int = 32, timeouts: Timeouts | None = None
    ) -> None:
        network = Network(credentials, timeouts)
        session = Session(login_for(credentials, network))
        self.transport = SwiftTransport(session, network, credentials.store_id, connections)

    def bucket(self, name: str, namer: KeyNamer, write: WriteOptions = _PLAIN) -> SwiftBucket:
        return SwiftBucket(self.transport, name, namer, write)

    def list_buckets(self) -> Iterator[BucketEntry]:
        return (entry for page in list_containers(self.transport) for entry in page.entries)

    def head_bucket(self, name: str) -> Mapping[str, str]:
        return self._head(f"/{name}")

    def head_account(self) -> Mapping[str, str]:
        return self._head("")

    def _head(self, path: str) -> Mapping[str, str]:
        with self.transport.request("HEAD", path) as response:
            return dict(reversed(response.headers.items()))

    def create_bucket(self, name: str, storage_policy: str = "") -> None:
        headers = [("X-Storage-Policy", storage_policy)] if storage_policy else []
        self.transport.request("PUT", f"/{name}", headers=headers).drain()

    def delete_bucket(self, name: str) -> None:
        try:
            self.transport.request("DELETE", f"/{name}").drain()
        except PreconditionFailed as error:
            raise InvalidRequest(str(error), status=error.status, code="BucketNotEmpty") from error

    def close(self) -> None:
        self.transport.close()
