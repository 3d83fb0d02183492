"""Writes to one bucket that are believed only when the store's own answers prove them.

An ETag that is the MD5 of what was sent is a proof: nobody else can know it. Others are none: web servers
send ETags, too. Then a HEAD shows what is there: docs/answers.md has the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import uuid4

from s3_sync.errors import NotFound, RemoteError, UnexpectedAnswer
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import GetOptions
from s3_sync.providers.s3.client import Account
from s3_sync.providers.s3.download import Reader
from s3_sync.providers.s3.errors import translated, unexpected
from s3_sync.providers.s3.headers import USER_PREFIX, WRITTEN, content_length, etag_is_md5, unquoted
from s3_sync.providers.s3.transport.base import Transport, Upload
from s3_sync.providers.s3.transport.sigv4 import Header
from s3_sync.providers.s3.upload import OtherETag, store
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import BytesBody, read_all

_TRIAL = b"what is the ETag of this?"
#: marks that tell one copy from another
_VERSION, _MD5 = WRITTEN, f"{USER_PREFIX}swift-etag"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a HEAD has to show; None: anything. ``marks``: among other headers of the request that made it."""

    size: int | None = None
    etag: str = ""
    md5: str | None = None
    marks: Sequence[Header] = ()

    def is_shown_by(self, headers: Mapping[str, str]) -> bool:
        """At least one thing must be known that only this copy has: its ETag, or the version that it is."""
        marks = {name: value for name, value in self.marks if name in (_VERSION, _MD5)}
        etag = unquoted(headers.get("etag", ""))
        if self.size is not None and self.size != content_length("HEAD", headers):
            return False
        if any(headers.get(name) != value for name, value in marks.items()):
            return False
        if self.etag and etag == self.etag:
            return True
        known = self.md5 is None or (etag_is_md5(headers) and etag == self.md5) or _MD5 in marks
        return known and _VERSION in marks


@dataclass(frozen=True, slots=True)
class Written:
    """``md5``: of the bytes, where the ETag is that; ``head``: what was seen where a look was needed."""

    etag: str
    md5: str | None = None
    head: Mapping[str, str] | None = None


class Writer:
    """Keys in, unlike ``Bucket``."""

    def __init__(self, account: Account, transport: Transport, bucket: str, namer: KeyNamer) -> None:
        self._account = account
        self._transport = transport
        self._bucket = bucket
        self._namer = namer
        self.reader = Reader(account, transport, bucket)

    def put(self, upload: Upload) -> Written:
        """An object. Raises BadDigest, UnexpectedAnswer."""
        expected = Expected(upload.size, "", upload.md5, upload.headers)
        try:
            etag, md5 = self._send(upload)
        except UnexpectedAnswer as error:
            return self.shown(upload.key, expected, error)
        if md5 is not None:
            return Written(etag, md5)
        odd = unexpected(upload.what, "a HEAD does not show what was sent", self._account.endpoint, 200)
        written = self.shown(upload.key, replace(expected, etag=etag), odd)
        self._account.note_opaque_etags(self._bucket)
        return written

    def put_part(self, upload: Upload) -> Written:
        """A part, whose ETag the store compares when the upload is completed."""
        etag, md5 = self._send(upload)
        return Written(etag, md5)

    def shown(self, key: str, expected: Expected, error: RemoteError) -> Written:
        """What a HEAD shows, if that is what is expected. Raises ``error`` otherwise."""
        try:
            headers = self.reader.head(key)
        except (NotFound, UnexpectedAnswer):
            raise error from None
        if not expected.is_shown_by(headers):
            raise error
        return Written(unquoted(headers["etag"]), None, headers)

    def delete(self, key: str) -> bool:
        """False: the store says that there was nothing. Raises UnexpectedAnswer."""
        what = f"DELETE {self._bucket}/{key}"
        try:
            with translated(what):
                answer = self._account.client.delete_object(Bucket=self._bucket, Key=key)
        except NotFound as error:
            if error.code == "NoSuchBucket":
                raise
            return False
        metadata = answer["ResponseMetadata"]
        if metadata["HTTPStatusCode"] == 204:
            return True
        try:
            self.reader.head(key)
        except NotFound:
            return True
        why, status = "what was to be deleted is there", metadata["HTTPStatusCode"]
        raise unexpected(what, why, self._account.endpoint, status, metadata["HTTPHeaders"])

    def _send(self, upload: Upload) -> tuple[str, str | None]:
        try:
            return store(self._account, self._transport, upload)
        except OtherETag as error:
            if not self._account.finds_opaque_etags(self._bucket, self._try_etags):
                raise
            return error.etag, None

    def _has_its_md5(self, upload: Upload) -> bool:
        try:
            store(self._account, self._transport, upload)
        except OtherETag:
            return False
        return True

    def _try_etags(self) -> bool:
        """Whether ETags here look like MD5s and are none: stored bytes come back right, under another
        one."""
        key = self._namer.manifest_key(f"\0{uuid4()}")  # no object is called so, and no listing shows it
        trial = Upload(self._bucket, key, BytesBody(_TRIAL), len(_TRIAL), md5_hex(_TRIAL))
        try:
            if self._has_its_md5(trial):
                return False
            with self.reader.get(key, key, GetOptions()) as result:
                return result.info.size == len(_TRIAL) and read_all(result.body) == _TRIAL
        except RemoteError:
            return False
        finally:
            with suppress(RemoteError):
                self.delete(key)
