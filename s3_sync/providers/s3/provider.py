"""One S3 account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.credentials.s3_dialects import Dialect
from s3_sync.errors import InvalidRequest
from s3_sync.http.pool import Timeouts
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.base import BucketEntry, WriteOptions
from s3_sync.providers.s3.bucket import BucketView, S3Bucket
from s3_sync.providers.s3.client import Account
from s3_sync.providers.s3.errors import translated
from s3_sync.providers.s3.transport.base import Transport
from s3_sync.providers.s3.transport.direct import DirectTransport
from s3_sync.providers.s3.transport.sdk import SdkTransport

_PLAIN = WriteOptions()


class S3Provider:
    """See ``Provider``. ``connections``: maximum for reading, and for writing; the SDK's client has its own.

    ``dialect``: overrides the one derived from the endpoint. ``direct``: whether to transfer objects without
    the SDK; None: where that is possible.
    """

    def __init__(
        self,
        credentials: S3Credentials,
        *,
        connections: int = 32,
        dialect: Dialect | None = None,
        direct: bool | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        chosen = dialect or credentials.effective_dialect
        if direct is None:
            direct = can_send_directly(credentials)
        unsigned = not direct and chosen.unsigned_over_http
        with translated("set up the S3 client"):
            self._account = Account(
                credentials, chosen, connections=connections, unsigned=unsigned, timeouts=timeouts
            )
        self._transport: Transport = (
            DirectTransport(self._account, connections=connections) if direct else SdkTransport(self._account)
        )

    def bucket(self, name: str, namer: KeyNamer, write: WriteOptions = _PLAIN) -> S3Bucket:
        return S3Bucket(self._account, self._transport, BucketView(name, namer, write))

    def list_buckets(self) -> Iterator[BucketEntry]:
        with translated("list buckets"):
            response = self._account.client.list_buckets()
        entries = [
            BucketEntry(entry["Name"], entry["CreationDate"].timestamp() if "CreationDate" in entry else 0.0)
            for entry in response.get("Buckets", ())
        ]
        return iter(sorted(entries, key=lambda entry: entry.name))

    def head_bucket(self, name: str) -> Mapping[str, str]:
        with translated(f"HEAD {name}"):
            self._account.client.head_bucket(Bucket=name)
        return {}

    def head_account(self) -> Mapping[str, str]:
        return {}

    def create_bucket(self, name: str, storage_policy: str = "") -> None:
        parameters = {"Bucket": name}
        try:
            with translated(f"create {name}"):
                self._account.client.create_bucket(**parameters, **self._account.location())
        except InvalidRequest as error:
            if error.code == "BucketAlreadyOwnedByYou":
                return
            if error.code not in ("BucketAlreadyExists", "BucketNameUnavailable"):
                raise
            self.head_bucket(name)  # some stores return these codes for our own buckets, too

    def delete_bucket(self, name: str) -> None:
        with translated(f"delete {name}"):
            self._account.client.delete_bucket(Bucket=name)

    def close(self) -> None:
        self._transport.close()
        self._account.close()


def can_send_directly(credentials: S3Credentials) -> bool:
    """Whether objects can be transferred without the SDK: signature version 2 and https proxies need it."""
    proxies = (credentials.http_proxy, credentials.https_proxy)
    return credentials.signature_version == "s3v4" and not any(
        proxy and proxy.startswith("https://") for proxy in proxies
    )
