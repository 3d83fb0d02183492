"""The ``Bucket`` of Azure: a container of block blobs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, partial
from typing import NoReturn

from s3_sync.errors import Archived, InvalidRequest, NotFound, NotSupported, RemoteUnavailable
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import GetOptions, ObjectInfo, ObjectMeta, PutOptions, PutResult
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.azure.blocks import BLOCK, MAX_BLOCKS, MAX_BUFFERED, BlockWriter, Sent, without_blob
from s3_sync.providers.azure.errors import NO_SUCH_BLOCKS, unexpected
from s3_sync.providers.azure.headers import (
    ARCHIVE,
    is_large_copy,
    meta_headers,
    metadata_name,
    property_headers,
    swift_etag,
    tier_headers,
)
from s3_sync.providers.azure.listing import Lister
from s3_sync.providers.azure.management import ManagementPolicy
from s3_sync.providers.azure.properties import PropertyWriter
from s3_sync.providers.azure.reads import Reader
from s3_sync.providers.azure.tokens import Tokens
from s3_sync.providers.azure.transport import AzureTransport
from s3_sync.providers.azure.uploads import AzureUpload
from s3_sync.providers.base import (
    Failures,
    Features,
    ListPage,
    ListQuery,
    OpenUpload,
    Retrieval,
    WriteOptions,
)
from s3_sync.providers.http_errors import NO_SUCH_BUCKET
from s3_sync.providers.large_objects import LargeObjects
from s3_sync.providers.manifests import StoredManifests
from s3_sync.providers.object_headers import Header, write_conditions
from s3_sync.providers.open_object import OpenObject
from s3_sync.providers.store_limits import GIB, Limits
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import Body
from s3_sync.streams.restartable import RestartableBody
from s3_sync.streams.verifying import read_exactly

_WHOLE = GetOptions()
_MAX_PARTS = 10_000
#: whatever its parts are, it has no more blocks than a blob may have
_MAX_BLOB = (MAX_BLOCKS - _MAX_PARTS) * BLOCK
#: what no name may have, because the service would change it: URLs have no control characters, the service
#: turns backslashes into slashes, and drops dots before a slash and at the end ("Naming and referencing
#: containers, blobs, and metadata")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\\ufffe\uffff]|\.(?=/|\Z)")
LIMITS = Limits(
    max_name=1024,
    counts_characters=True,
    unsafe_name=_UNSAFE,
    max_metadata=8192,
    metadata_name=metadata_name,
    max_put=5 * GIB,
    max_copy=_MAX_BLOB,
    min_part=1,
    max_part=5 * GIB,
    max_parts=_MAX_PARTS,
    max_object=_MAX_BLOB,
)


class AzureBucket:
    """See ``Bucket``."""

    limits = LIMITS
    features = Features(
        open_uploads=False, put_if_absent=True, put_if_match=True, archive_classes=frozenset({ARCHIVE})
    )

    def __init__(
        self,
        transport: AzureTransport,
        tokens: Tokens,
        policy: ManagementPolicy,
        view: tuple[str, KeyNamer, WriteOptions],
    ) -> None:
        self.name, self.namer, self._write = view
        self._transport = transport
        self._tokens = tokens
        self._policy = policy
        self._reader = Reader(transport, self.name)
        self._blocks = BlockWriter(transport, self.name)
        self._properties = PropertyWriter(transport, self.name, self._reader)
        self._lister = Lister(transport, tokens, self.name, self.namer)

    @cached_property
    def manifests(self) -> StoredManifests:
        view = (self.name, self.namer.manifests, self._write.of_other_objects)
        return StoredManifests(_ManifestBucket(self._transport, self._tokens, self._policy, view))

    @property
    def large_objects(self) -> LargeObjects:
        raise NotSupported("Azure has no large objects as Swift has them")

    @property
    def clock_offset(self) -> float:
        return self._transport.clock.offset

    def probe_conditional_writes(self) -> None:
        """Does nothing: Azure has both conditions."""

    # Objects

    def head_object(self, name: str) -> ObjectInfo:
        return self._reader.head(name, self.namer.key(name))

    def get_object(self, name: str, options: GetOptions = _WHOLE) -> OpenObject:
        return self._reader.get(name, self.namer.key(name), options)

    def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
        if options.size > self.limits.max_put:
            raise InvalidRequest(f"{options.size} bytes in one PUT", code="EntityTooLarge")
        key = self._writable(name, options.meta)
        watched = RestartableBody(body)
        if options.size <= MAX_BUFFERED:
            data = read_exactly(watched, options.size, options.md5)
            headers = self._headers(options.meta, swift_etag(options.meta, options.md5 or md5_hex(data)))
            write = partial(self._blocks.put_blob, key, data)
            return PutResult(self._replacing(key, write, headers, options.if_match, options.if_absent))
        sent = self._blocks.send(key, watched, options.size, options.md5)
        try:
            return PutResult(
                self._commit(key, options.meta, [sent], sent.md5, options.if_match, options.if_absent)
            )
        except NotFound as error:
            if error.code != NO_SUCH_BLOCKS:
                raise
            raise RemoteUnavailable(str(error), status=error.status, code=error.code) from error

    def post_object(self, name: str, meta: ObjectMeta, if_match: str | None = None) -> None:
        self._properties.replace(name, self.namer.key(name), meta, if_match)

    def retrieve_object(self, name: str, days: int, tier: str) -> Retrieval:
        """A retrieved blob stays in an online tier: Azure has no retrieval for some days only."""
        target = self._write.storage_class if self._write.storage_class != ARCHIVE else ""
        info = self.head_object(name)
        found = self._properties.rehydrate(info, self.namer.key(name), target, tier)
        if is_large_copy(info):
            with suppress(NotFound):
                key = self.namer.manifest_key(name)
                manifest = self._properties.rehydrate(self._reader.head(name, key), key, target, tier)
                found = manifest if found is Retrieval.READABLE else found
        return found

    def delete_object(self, name: str, deleted_at: Timestamp | None = None) -> bool:
        found = self._delete(self.namer.key(name))
        self._delete(self.namer.manifest_key(name))
        return found

    def delete_objects(self, names: Sequence[str]) -> Failures:
        raise NotSupported(f"{len(names)} deletes in one request")

    def list_objects(self, query: ListQuery) -> ListPage:
        return self._lister.page(query)

    # Multipart uploads

    def create_upload(self, name: str, meta: ObjectMeta) -> AzureUpload:
        key = self._writable(name, meta)

        def commit(sent: Sequence[Sent], joined: str | None, if_match: str | None, if_absent: bool) -> str:
            # of a plain object in parts, only a mark holds the MD5
            md5 = joined if "x-static-large-object" in meta.marks else None
            return self._commit(key, meta, sent, md5, if_match, if_absent)

        return AzureUpload(self._blocks, self.limits, name, key, commit)

    def upload_by_id(self, name: str, upload_id: str) -> AzureUpload:
        return AzureUpload(self._blocks, self.limits, name, self.namer.key(name), None, upload_id)

    def list_uploads(self, name: str | None = None) -> Iterator[OpenUpload]:
        """Yields none: there is nothing that could be aborted."""
        return iter(())

    # The container

    def set_expiry_rule(self, days: int) -> bool:
        return self._policy.set_rule(self.name, self.namer.key_spaces, days)

    def post_container(self, headers: Mapping[str, str]) -> NoReturn:
        raise NotSupported("metadata of containers is not copied to Azure")

    def close(self) -> None:
        """Does nothing: connections belong to the provider."""

    # Internals

    def _writable(self, name: str, meta: ObjectMeta) -> str:
        """The key of an object that is about to be written. Raises InvalidRequest, NotSupported."""
        key = self.namer.key(name)
        if _UNSAFE.search(key):
            why = f"Azure would change the name {key!r}"
            raise InvalidRequest(why, status=400, code="InvalidResourceName")
        meta_headers(meta)
        return key

    def _headers(self, meta: ObjectMeta, md5: str | None) -> list[Header]:
        tier = tier_headers(self._write.storage_class)
        return [*property_headers(meta, md5), *meta_headers(meta), *tier]

    def _commit(
        self,
        key: str,
        meta: ObjectMeta,
        sent: Sequence[Sent],
        md5: str | None,
        if_match: str | None,
        if_absent: bool,
    ) -> str:
        headers = self._headers(meta, swift_etag(meta, md5))
        return self._replacing(key, partial(self._blocks.commit, key, sent), headers, if_match, if_absent)

    def _replacing(
        self,
        key: str,
        write: Callable[[Sequence[Header]], str],
        headers: Sequence[Header],
        if_match: str | None,
        if_absent: bool,
    ) -> str:
        """Write a blob. One in the archive tier, which no write can replace, is deleted first, provided that
        a HEAD shows that tier, too."""
        try:
            return write([*headers, *write_conditions(if_match, if_absent)])
        except NotFound as error:
            raise without_blob(error, if_match) from error
        except Archived as error:
            if if_absent:
                raise
            found = self._reader.head(key, key)
            if not found.archived:
                why = f"{error}: but it is in the tier {found.storage_class or 'of the account'}"
                raise RemoteUnavailable(why, status=error.status, code=error.code) from error
            self._delete(key, found.etag if if_match is None else if_match)
        try:
            return write([*headers, *write_conditions(None, True)])
        except NotFound as error:
            if error.code == NO_SUCH_BUCKET:
                raise
            why = "the blob in the archive tier is deleted, and its blocks with it"
            raise RemoteUnavailable(f"{error}: {why}", status=error.status, code=error.code) from error

    def _delete(self, key: str, if_match: str | None = None) -> bool:
        """Delete a blob and its snapshots. Returns False if there was none."""
        headers = [("x-ms-delete-snapshots", "include"), *write_conditions(if_match, False)]
        try:
            response = self._transport.request("DELETE", f"/{self.name}/{key}", headers=headers)
            response.drain()
        except NotFound as error:
            if error.code == NO_SUCH_BUCKET:
                raise
            return False
        if response.status != 202:
            raise unexpected(f"DELETE {self.name}/{key}", response.status, "not the answer to a delete")
        return True


class _ManifestBucket(AzureBucket):
    """The stored manifests of a mapping as objects."""

    def delete_object(self, name: str, deleted_at: Timestamp | None = None) -> bool:
        return self._delete(self.namer.key(name))
