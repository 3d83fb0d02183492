"""Writes to one bucket that succeed only when the store's responses prove it.

An ETag equal to the MD5 of the bytes sent is a proof: only the store can know it. Any other ETag is none, as
web servers send ETags, too; then a HEAD must show the object. docs/answers.md has the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import uuid4

from s3_sync.errors import NotFound, RemoteError, UnexpectedAnswer
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import GetOptions
from s3_sync.providers.http_errors import NO_SUCH_BUCKET
from s3_sync.providers.object_headers import content_length
from s3_sync.providers.s3.client import Account
from s3_sync.providers.s3.download import Reader
from s3_sync.providers.s3.errors import translated, unexpected
from s3_sync.providers.s3.headers import USER_PREFIX, WRITTEN, stored_md5, unquoted
from s3_sync.providers.s3.transport.base import Transport, Upload
from s3_sync.providers.s3.transport.sigv4 import Header
from s3_sync.providers.s3.upload import EtagMismatch, Stored, store
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import BytesBody, read_all

_PROBE_BODY = b"what is the ETag of this?"
#: marks that distinguish one copy from another
_VERSION, _MD5 = WRITTEN, f"{USER_PREFIX}swift-etag"
#: marks that are a proof of the bytes of a large object, whatever its ETag is
_PROVING = frozenset({f"{USER_PREFIX}swift-slo-etag", f"{USER_PREFIX}swift-source-dlo-etag"})


@dataclass(frozen=True, slots=True)
class Expected:
    """What a HEAD must show; None: anything. ``marks``: from the headers of the request that wrote it."""

    size: int | None = None
    etag: str = ""
    md5: str | None = None
    marks: Sequence[Header] = ()

    def matches(self, headers: Mapping[str, str]) -> bool:
        """Whether the headers of a HEAD match, in at least one property that only this copy has: its ETag or
        its version."""
        marks = {name: value for name, value in self.marks if name in (_VERSION, _MD5)}
        etag = unquoted(headers.get("etag", ""))
        if self.size is not None and self.size != content_length("HEAD", headers):
            return False
        if any(headers.get(name) != value for name, value in marks.items()):
            return False
        if self.etag and etag == self.etag:
            return True
        known = self.md5 is None or stored_md5(headers) == self.md5 or _MD5 in marks
        return known and _VERSION in marks


@dataclass(frozen=True, slots=True)
class Written:
    """A proved write. ``md5``: of the bytes, if the ETag is that; ``head``: the headers of the HEAD, if one
    was needed."""

    etag: str
    md5: str | None = None
    head: Mapping[str, str] | None = None


class Writer:
    """Writes objects and verifies the result. Takes keys, not names. ``probe_headers``: of what it writes
    itself."""

    def __init__(
        self,
        account: Account,
        transport: Transport,
        bucket: str,
        namer: KeyNamer,
        probe_headers: tuple[Header, ...] = (),
    ) -> None:
        self._account = account
        self._transport = transport
        self._bucket = bucket
        self._namer = namer
        self._probe_headers = probe_headers
        self.reader = Reader(account, transport, bucket)

    def put(self, upload: Upload) -> Written:
        """Store an object. Raises BadDigest, UnexpectedAnswer."""
        expected = Expected(upload.size, "", upload.md5, upload.headers)
        try:
            stored = self._send(upload)
        except UnexpectedAnswer as error:
            return self.confirm(upload.key, expected, error)
        except EtagMismatch as error:
            if any(name in _PROVING for name, _ in upload.headers):
                self._discard(upload.key, error.etag)
            raise
        if stored.md5 is not None:
            return Written(stored.etag, stored.md5)
        why = "a HEAD does not show the object that was sent"
        unproved = unexpected(upload.what, why, self._account.endpoint, 200)
        written = self.confirm(upload.key, replace(expected, etag=stored.etag), unproved)
        self._account.mark_opaque_etags(self._bucket)
        return written

    def put_part(self, upload: Upload) -> Stored:
        """Store a part. The store verifies its ETag when the upload is completed."""
        return self._send(upload)

    def confirm(self, key: str, expected: Expected, error: RemoteError) -> Written:
        """Confirm a write by a HEAD. Raises ``error`` if it does not show the expected object."""
        try:
            headers = self.reader.head(key)
        except (NotFound, UnexpectedAnswer):
            raise error from None
        if not expected.matches(headers):
            raise error
        return Written(unquoted(headers["etag"]), None, headers)

    def delete(self, key: str) -> bool:
        """Delete a key. Returns False if the store reports that it did not exist. Raises UnexpectedAnswer."""
        what = f"DELETE {self._bucket}/{key}"
        try:
            with translated(what):
                response = self._account.client.delete_object(Bucket=self._bucket, Key=key)
        except NotFound as error:
            if error.code == NO_SUCH_BUCKET:
                raise
            return False
        metadata = response["ResponseMetadata"]
        if metadata["HTTPStatusCode"] == 204:
            return True
        try:
            self.reader.head(key)
        except NotFound:
            return True
        why, status = "the object still exists", metadata["HTTPStatusCode"]
        raise unexpected(what, why, self._account.endpoint, status, metadata["HTTPHeaders"])

    def _discard(self, key: str, etag: str) -> None:
        """Delete what was written just now, if it is still there: its marks tell of other bytes."""
        with suppress(RemoteError):
            if unquoted(self.reader.head(key).get("etag", "")) == etag:
                self.delete(key)

    def _send(self, upload: Upload) -> Stored:
        try:
            return store(self._account, self._transport, upload)
        except EtagMismatch as error:
            if not self._account.probe_opaque_etags(self._bucket, self._probe_etags):
                raise
            return Stored(error.etag)

    def _etag_is_md5(self, upload: Upload) -> bool:
        try:
            store(self._account, self._transport, upload)
        except EtagMismatch:
            return False
        return True

    def _probe_etags(self) -> bool:
        """Whether ETags of this bucket look like MD5s but are not: a probe object gets another ETag, and its
        bytes are read back correctly."""
        key = self._namer.manifest_key(f"\0{uuid4()}")  # no object has this key, and no listing shows it
        size = len(_PROBE_BODY)
        body, md5 = BytesBody(_PROBE_BODY), md5_hex(_PROBE_BODY)
        probe = Upload(self._bucket, key, body, size, md5, self._probe_headers)
        try:
            if self._etag_is_md5(probe):
                return False
            with self.reader.get(key, key, GetOptions()) as result:
                return result.info.size == size and read_all(result.body) == _PROBE_BODY
        except RemoteError:
            return False
        finally:
            with suppress(RemoteError):
                self.delete(key)
