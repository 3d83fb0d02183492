"""The ``Bucket`` of another Swift: a container, whose objects keep their names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn

from s3_sync.errors import NotSupported, PreconditionFailed
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import GetOptions, ObjectInfo, ObjectMeta, PutOptions, PutResult
from s3_sync.model.segment_names import SegmentNamer
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import (
    ANY_SIZE,
    Failures,
    Features,
    ListPage,
    ListQuery,
    OpenUpload,
    WriteOptions,
)
from s3_sync.providers.native_manifests import NativeManifests
from s3_sync.providers.open_object import OpenObject
from s3_sync.providers.store_limits import ItemLimits, Limits
from s3_sync.providers.swift.headers import is_static
from s3_sync.providers.swift.large_objects import SwiftLargeObjects
from s3_sync.providers.swift.link_writes import LinkWriter
from s3_sync.providers.swift.links import Links
from s3_sync.providers.swift.listing import Lister
from s3_sync.providers.swift.reads import Reader
from s3_sync.providers.swift.told_limits import refusal_explained
from s3_sync.providers.swift.transport import SwiftTransport
from s3_sync.providers.swift.writes import Writer
from s3_sync.streams.reader import Body

_WHOLE = GetOptions()
#: Swift's defaults (swift.common.constraints) of what costs nothing to check
LIMITS = Limits(
    max_name=1024,
    max_metadata=4096,
    metadata_items=ItemLimits(),
    max_put=ANY_SIZE,
    max_copy=ANY_SIZE,
)


class SwiftBucket:
    """See ``Bucket``. The container is created with the first object."""

    limits = LIMITS
    features = Features(
        multipart=False,
        open_uploads=False,
        put_if_absent=True,
        x_timestamp=True,
        native_large_objects=True,
        symlinks=True,
        container_metadata=True,
    )

    def __init__(self, transport: SwiftTransport, name: str, namer: KeyNamer, write: WriteOptions) -> None:
        self.name = name
        self.namer = namer
        self._clock = transport.clock
        self._transport = transport
        self._write = write
        links = Links(write.segments or SegmentNamer(name, name), namer)
        self._reader = Reader(transport, name, links, write.segments)
        self.writer = Writer(transport, name, write, lambda key: self._reader.head(key, key))
        self._link_writer = LinkWriter(transport, self.writer, self._reader, links)
        self._lister = Lister(transport, name, namer, links)

    @property
    def manifests(self) -> NativeManifests:
        return NativeManifests(self, self._write.segments or SegmentNamer("", self.name))

    @property
    def large_objects(self) -> SwiftLargeObjects:
        return SwiftLargeObjects(self._transport, self, self._write)

    @property
    def clock_offset(self) -> float:
        return self._clock.offset

    def probe_conditional_writes(self) -> None:
        """Does nothing: the conditions that Swift has are known."""

    # Objects

    def head_object(self, name: str) -> ObjectInfo:
        return self._reader.head(name, self.namer.key(name))

    def get_object(self, name: str, options: GetOptions = _WHOLE) -> OpenObject:
        return self._reader.get(name, self.namer.key(name), options)

    def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
        if options.if_match is not None:
            raise NotSupported("Swift has no If-Match for a PUT")
        with refusal_explained(self._transport, self, name, options.meta, options.size):
            return self._put_object(name, body, options)

    def _put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
        if options.meta.link is not None:
            return self._link_writer.put(self.namer.key(name), options.meta.link, options)
        if (target := options.meta.marks.get("x-object-manifest")) is not None:
            # Swift says of a DLO whose segments have no container that there is no such object
            self.large_objects.segments(target.lstrip("/").partition("/")[0]).writer.create_container()
        return self.writer.put(self.namer.key(name), body, options)

    def post_object(self, name: str, meta: ObjectMeta, if_match: str | None = None) -> None:
        key = self.namer.key(name)
        current, headers = self._reader.headers_of(name, key)
        if if_match is not None and current.etag != if_match:
            raise PreconditionFailed(f"{name} has ETag {current.etag}, expected {if_match}", status=412)
        if meta.link != current.meta.link:
            raise PreconditionFailed(f"{name} leads to {current.meta.link}, not {meta.link}", status=412)
        with refusal_explained(self._transport, self, name, meta, current.size):
            self.writer.post(key, meta, current, is_static(headers))

    def retrieve_object(self, name: str, days: int, tier: str) -> NoReturn:
        self.head_object(name)
        raise NotSupported("Swift has no archive classes")

    def delete_object(self, name: str, deleted_at: Timestamp | None = None) -> bool:
        return self.writer.delete(self.namer.key(name), deleted_at)

    def delete_objects(self, names: Sequence[str]) -> Failures:
        raise NotSupported(f"{len(names)} deletes in one request")

    def list_objects(self, query: ListQuery) -> ListPage:
        return self._lister.page(query)

    # What a Swift does in its own way

    def create_upload(self, name: str, meta: ObjectMeta) -> NoReturn:
        raise NotSupported("Swift has no multipart uploads")

    def upload_by_id(self, name: str, upload_id: str) -> NoReturn:
        raise NotSupported("Swift has no multipart uploads")

    def list_uploads(self, name: str | None = None) -> Iterator[OpenUpload]:
        return iter(())

    def set_expiry_rule(self, days: int) -> NoReturn:
        raise NotSupported("Swift has no rules that make objects expire; each object has its own X-Delete-At")

    def post_container(self, headers: Mapping[str, str]) -> None:
        self.writer.post_container(headers)

    def close(self) -> None:
        """Does nothing: connections belong to the provider."""
