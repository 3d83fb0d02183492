"""One account at Google Cloud Storage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from s3_sync.config.credentials.gcs import GcsCredentials
from s3_sync.errors import InvalidRequest, PreconditionFailed, RemoteError, UnexpectedAnswer
from s3_sync.http.network import Network
from s3_sync.http.pool import Timeouts
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.base import BucketEntry, WriteOptions
from s3_sync.providers.gcs.bucket import GcsBucket
from s3_sync.providers.gcs.listing import OBJECTS, list_buckets
from s3_sync.providers.gcs.login import GoogleLogin
from s3_sync.providers.gcs.transport import GcsTransport, bucket_path
from s3_sync.providers.token_session import Session

_PLAIN = WriteOptions()


class GcsProvider:
    """See ``Provider``. ``connections``: maximum for reading, and for all else."""

    def __init__(
        self, credentials: GcsCredentials, *, connections: int = 32, timeouts: Timeouts | None = None
    ) -> None:
        network = Network(credentials, timeouts)
        self._credentials = credentials
        self._login = GoogleLogin(credentials, network)
        self.transport = GcsTransport(credentials, Session(self._login), network, connections)

    def bucket(self, name: str, namer: KeyNamer, write: WriteOptions = _PLAIN) -> GcsBucket:
        return GcsBucket(self.transport, name, namer, write)

    def list_buckets(self) -> Iterator[BucketEntry]:
        return iter(list_buckets(self.transport, self._project()))

    def head_bucket(self, name: str) -> Mapping[str, str]:
        """As a listing, which needs no permission beyond those of a mapping."""
        query = {"maxResults": "1", "fields": "kind,nextPageToken"}
        found = self.transport.document(f"HEAD {name}", "GET", f"{bucket_path(name)}/o", query)
        if found.get("kind") != OBJECTS:
            raise UnexpectedAnswer(f"HEAD {name}: not a list of objects", status=200)
        return {}

    def head_account(self) -> Mapping[str, str]:
        return {}

    def create_bucket(self, name: str, storage_policy: str = "") -> None:
        described = {"name": name, "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}}}
        if self._credentials.region:
            described["location"] = self._credentials.region
        query = {"project": self._project()}
        try:
            self.transport.document(f"create {name}", "POST", "/storage/v1/b", query, described)
        except InvalidRequest as error:
            if error.status != 409:
                raise
            self._check_own(name, error)

    def delete_bucket(self, name: str) -> None:
        what = f"DELETE {name}"
        try:
            self.transport.request(what, "DELETE", bucket_path(name)).drain()
        except (InvalidRequest, PreconditionFailed) as error:
            if error.status not in (409, 412):
                raise
            raise InvalidRequest(str(error), status=error.status, code="BucketNotEmpty") from error

    def close(self) -> None:
        self.transport.close()

    def _check_own(self, name: str, error: RemoteError) -> None:
        """Raise ``error`` unless this account may use the bucket that is there."""
        try:
            self.head_bucket(name)
        except RemoteError:
            raise error from None

    def _project(self) -> str:
        project = self._credentials.project_name or self._login.project()
        if not project:
            raise InvalidRequest("buckets belong to projects: set project_name, as the credentials name none")
        return project
