"""One S3 account."""

from __future__ import annotations

from collections.abc import Iterator

from s3_sync.config.settings import Credentials
from s3_sync.errors import InvalidRequest
from s3_sync.http.pool import Timeouts
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.base import BucketEntry, WriteOptions
from s3_sync.providers.s3.bucket import S3Bucket, View
from s3_sync.providers.s3.client import Account
from s3_sync.providers.s3.dialect import Dialect, dialect_of
from s3_sync.providers.s3.errors import translated
from s3_sync.providers.s3.transport.base import Transport
from s3_sync.providers.s3.transport.direct import DirectTransport
from s3_sync.providers.s3.transport.sdk import SdkTransport

_PLAIN = WriteOptions()


class S3Provider:
    """See ``Provider``. At most ``connections`` for reading, and as many for writing; control has its own.

    ``dialect``: what to expect of the store, instead of what its endpoint suggests. ``direct``: whether
    bytes travel without the SDK; None = where that is possible.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        connections: int = 32,
        dialect: Dialect | None = None,
        direct: bool | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        chosen = dialect or dialect_of(credentials)
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
        return S3Bucket(self._account, self._transport, View(name, namer, write))

    def list_buckets(self) -> Iterator[BucketEntry]:
        with translated("list buckets"):
            answer = self._account.client.list_buckets()
        entries = [
            BucketEntry(entry["Name"], entry["CreationDate"].timestamp() if "CreationDate" in entry else 0.0)
            for entry in answer.get("Buckets", ())
        ]
        return iter(sorted(entries, key=lambda entry: entry.name))

    def head_bucket(self, name: str) -> None:
        with translated(f"HEAD {name}"):
            self._account.client.head_bucket(Bucket=name)

    def create_bucket(self, name: str) -> None:
        parameters = {"Bucket": name}
        try:
            with translated(f"create {name}"):
                self._account.client.create_bucket(**parameters, **self._account.location())
        except InvalidRequest as error:
            if error.code == "BucketAlreadyOwnedByYou":
                return
            if error.code != "BucketAlreadyExists":
                raise
            self.head_bucket(name)  # some stores say that of our own buckets; those of others we cannot see

    def close(self) -> None:
        self._transport.close()
        self._account.close()


def can_send_directly(credentials: Credentials) -> bool:
    """Signature version 2, and proxies that are spoken to in TLS, are left to the SDK."""
    proxies = (credentials.http_proxy, credentials.https_proxy)
    return credentials.signature_version == "s3v4" and not any(
        proxy and proxy.startswith("https://") for proxy in proxies
    )
