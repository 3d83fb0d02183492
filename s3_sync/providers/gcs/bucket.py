"""The ``Bucket`` of Google Cloud Storage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn

from s3_sync.errors import InvalidRequest, NotSupported
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import GetOptions, ObjectInfo, ObjectMeta, PutOptions, PutResult
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import (
    Failures,
    Features,
    ListPage,
    ListQuery,
    OpenUpload,
    WriteOptions,
)
from s3_sync.providers.gcs.lifecycle import set_expiry_rule
from s3_sync.providers.gcs.listing import Lister
from s3_sync.providers.gcs.reads import Reader
from s3_sync.providers.gcs.transport import GcsTransport
from s3_sync.providers.gcs.writes import Writer
from s3_sync.providers.large_objects import LargeObjects
from s3_sync.providers.manifests import StoredManifests
from s3_sync.providers.open_object import OpenObject
from s3_sync.providers.store_limits import GIB, Limits
from s3_sync.streams.reader import Body

_WHOLE = GetOptions()
_LARGEST = 5 * 1024 * GIB
#: Cloud Storage documentation, "Quotas and limits": objects
LIMITS = Limits(max_name=1024, max_metadata=8192, max_put=_LARGEST, max_copy=_LARGEST)


class GcsBucket:
    """See ``Bucket``. ETags are the MD5 of the bytes, or the generation of an object that has none (a
    composite one)."""

    limits = LIMITS
    features = Features(
        multipart=False, open_uploads=False, one_stream=True, put_if_absent=True, put_if_match=True
    )

    def __init__(self, transport: GcsTransport, name: str, namer: KeyNamer, write: WriteOptions) -> None:
        self.name = name
        self.namer = namer
        self._transport = transport
        self._write = write
        self._reader = Reader(transport, name)
        self._writer = Writer(transport, name, write, lambda key: self._reader.head(key, key))
        self._lister = Lister(transport, name, namer)

    @property
    def manifests(self) -> StoredManifests:
        write = self._write.of_other_objects
        return StoredManifests(_ManifestBucket(self._transport, self.name, self.namer.manifests, write))

    @property
    def large_objects(self) -> LargeObjects:
        raise NotSupported("Google Cloud Storage has no large objects as Swift has them")

    @property
    def clock_offset(self) -> float:
        return self._transport.clock.offset

    def probe_conditional_writes(self) -> None:
        """Does nothing: the store has them."""

    # Objects

    def head_object(self, name: str) -> ObjectInfo:
        return self._reader.head(name, self.namer.key(name)).info

    def get_object(self, name: str, options: GetOptions = _WHOLE) -> OpenObject:
        return self._reader.get(name, self.namer.key(name), options)

    def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
        if options.size > self.limits.max_put:
            raise InvalidRequest(f"{options.size} bytes in one PUT", code="EntityTooLarge")
        return self._writer.put(self.namer.key(name), body, options)

    def post_object(self, name: str, meta: ObjectMeta, if_match: str | None = None) -> None:
        self._writer.post(self.namer.key(name), meta, if_match)

    def retrieve_object(self, name: str, days: int, tier: str) -> NoReturn:
        self.head_object(name)
        raise NotSupported("objects of every class of Google Cloud Storage can be read at once")

    def delete_object(self, name: str, deleted_at: Timestamp | None = None) -> bool:
        found = self._writer.delete(self.namer.key(name))
        self._writer.delete(self.namer.manifest_key(name))
        return found

    def delete_objects(self, names: Sequence[str]) -> Failures:
        raise NotSupported(f"{len(names)} deletes in one request")

    def list_objects(self, query: ListQuery) -> ListPage:
        return self._lister.page(query)

    def set_expiry_rule(self, days: int) -> bool:
        return set_expiry_rule(self._transport, self.name, self.namer.key_spaces, days)

    # What the store does in its own way

    def create_upload(self, name: str, meta: ObjectMeta) -> NoReturn:
        raise NotSupported("objects of any size are sent as one stream (providers.gcs.resumable)")

    def upload_by_id(self, name: str, upload_id: str) -> NoReturn:
        raise NotSupported("objects of any size are sent as one stream (providers.gcs.resumable)")

    def list_uploads(self, name: str | None = None) -> Iterator[OpenUpload]:
        return iter(())

    def post_container(self, headers: Mapping[str, str]) -> None:
        raise NotSupported("Google Cloud Storage has no metadata of buckets that Swift knows")

    def close(self) -> None:
        """Does nothing: connections belong to the provider."""


class _ManifestBucket(GcsBucket):
    """The stored manifests of a mapping as objects, which have no manifests themselves."""

    def delete_object(self, name: str, deleted_at: Timestamp | None = None) -> bool:
        return self._writer.delete(self.namer.key(name))
