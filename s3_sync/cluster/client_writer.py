"""Writes into the local cluster from a daemon, through the internal client."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from swift.common.header_key_dict import HeaderKeyDict

from s3_sync.cluster.account_writer import AccountWriter, Input, to_wsgi
from s3_sync.cluster.client import LocalSwift
from s3_sync.errors import LocalUnavailable, ObjectRefused
from s3_sync.model.headers import is_true
from s3_sync.model.timestamps import Timestamp
from s3_sync.streams.hashing import md5_hex

#: of a manifest, in bytes
_MAX_MANIFEST = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """An object as it is stored. ``headers``: all of them, names in any case. ``manifest``: the JSON of an
    SLO; None for any other object."""

    headers: Mapping[str, str]
    manifest: bytes | None

    @property
    def timestamp(self) -> Timestamp:
        """When bytes or metadata last changed."""
        return Timestamp.parse(self.headers.get("X-Backend-Timestamp") or self.headers["X-Timestamp"])


class ClientWriter(AccountWriter):
    """Writes into one account. Swift accepts what only its own daemons may set: X-Timestamp, and system
    headers."""

    def __init__(self, client: LocalSwift, account: str) -> None:
        self._client = client
        self._account = account

    def request(
        self,
        method: str,
        container: str = "",
        name: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        body: Input | None = None,
        query: str = "",
    ) -> tuple[int, Mapping[str, str]]:
        path = "/".join(filter(None, (self._account, container, name)))
        encoded = {to_wsgi(header): to_wsgi(value) for header, value in (headers or {}).items()}
        answer = self._client.request(method, path, encoded, query, body)
        answer.close()
        return answer.status, HeaderKeyDict(answer.headers)

    def stored(self, container: str, name: str) -> StoredManifest | None:
        """Return an object as it is stored, a symlink as what it is; None if there is none. Raises
        LocalUnavailable; ObjectRefused (``slo_malformed``) for a manifest that is too large."""
        path = f"{self._account}/{container}/{name}"
        answer = self._client.request("GET", path, {}, "symlink=get")
        try:
            headers = HeaderKeyDict(answer.headers)
            if answer.status == 404:
                return None
            if answer.status != 200:
                raise LocalUnavailable(f"GET {container}/{name}: status {answer.status}")
            if not is_true(headers.get("X-Static-Large-Object", "")):
                return StoredManifest(headers, None)
            manifest = _joined(answer.body)
            if md5_hex(manifest) != headers.get("Etag", "").strip('"'):
                raise LocalUnavailable(f"GET {container}/{name}: the manifest does not have its ETag")
            return StoredManifest(headers, manifest)
        finally:
            answer.close()


def _joined(chunks: Iterable[bytes]) -> bytes:
    pieces: list[bytes] = []
    size = 0
    for chunk in chunks:
        pieces.append(chunk)
        size += len(chunk)
        if size > _MAX_MANIFEST:
            raise ObjectRefused("slo_malformed", f"a local manifest has more than {_MAX_MANIFEST} bytes")
    return b"".join(pieces)
