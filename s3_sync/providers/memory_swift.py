"""Another Swift in memory: the reference implementation of what only a Swift has among remote stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from s3_sync.errors import (
    InvalidRequest,
    LinkTargetMissing,
    NotFound,
    RemoteUnavailable,
    SegmentChanged,
)
from s3_sync.largeobject.manifest import Manifest, Segment, joined_etag
from s3_sync.largeobject.naming import Named, Place
from s3_sync.largeobject.plan import PartLimits
from s3_sync.model.keys import KeyNamer
from s3_sync.model.lifetime import later
from s3_sync.model.objects import KIND_MARKS, ObjectMeta, PutOptions, PutResult
from s3_sync.model.segment_names import SegmentNamer
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import Features, ListPage, ListQuery, WriteOptions
from s3_sync.providers.large_objects import ManifestPage
from s3_sync.providers.memory import MemoryBucket, MemoryProvider
from s3_sync.providers.memory_object import StoredObject
from s3_sync.providers.native_manifests import NativeManifests
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import Body

_PLAIN = WriteOptions()
#: entries of a page of manifests
PAGE = 1000


class MemorySwift(MemoryProvider):
    """Its buckets keep large objects and symlinks as what they are, and are created when they are first
    written."""

    def bucket(self, name: str, namer: KeyNamer, write: WriteOptions = _PLAIN) -> MemoryContainer:
        return MemoryContainer(self, name, namer, write)

    def head_bucket(self, name: str) -> Mapping[str, str]:
        store = self.store(name)
        changed = Timestamp.from_seconds(max(store.created, store.changed))
        return {**store.metadata, "x-put-timestamp": changed.normal}

    def head_account(self) -> Mapping[str, str]:
        return dict(self.metadata)

    def segments_of(self, found: StoredObject) -> tuple[Segment, ...] | None:
        """What a large object consists of now; None for a plain one."""
        if found.below is None:
            return found.segments
        container, prefix = found.below
        try:
            objects = self.store(container).objects
        except NotFound:
            return ()
        return tuple(
            Segment(container, name, len(each.data), md5_hex(each.data))
            for name, each in sorted(objects.items())
            if name.startswith(prefix)
        )

    def has(self, segment: Segment) -> bool:
        try:
            found = self.store(segment.container).objects.get(segment.name)
        except NotFound:
            return False
        return found is not None and (found.etag, len(found.data)) == (segment.md5, segment.size)


class MemoryContainer(MemoryBucket):
    """See ``Bucket``."""

    features = Features(
        multipart=False,
        put_if_absent=True,
        native_large_objects=True,
        symlinks=True,
        container_metadata=True,
    )

    def __init__(self, provider: MemorySwift, name: str, namer: KeyNamer, write: WriteOptions) -> None:
        super().__init__(provider, name, namer, write)
        self._swift = provider
        self.write = write
        self._segments = write.segments or SegmentNamer("", name)

    @property
    def manifests(self) -> NativeManifests:
        return NativeManifests(self, self._segments)

    @property
    def large_objects(self) -> MemoryLargeObjects:
        return MemoryLargeObjects(self, self._swift, self._segments)

    def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
        self._provider.create_bucket(self.name)
        with self._lock:  # a Swift refuses before it has read anything
            self._check_conditions(name, options.if_match, options.if_absent)
        return super().put_object(name, body, options)

    def list_objects(self, query: ListQuery) -> ListPage:
        self._provider.create_bucket(self.name)  # a missing container is an empty one
        return super().list_objects(query)

    def post_container(self, headers: Mapping[str, str]) -> None:
        with self._lock:
            if any(headers.values()):
                self._provider.create_bucket(self.name)
            metadata = self._store.metadata
            self._store.changed = self._swift.clock()
            metadata.update(headers)
            for name in [name for name, value in metadata.items() if not value]:
                del metadata[name]

    def put_manifest(self, name: str, segments: tuple[Segment, ...], options: PutOptions) -> None:
        with self._lock:
            self._provider.create_bucket(self.name)
            self._check_conditions(name, options.if_match, options.if_absent)
            key = self.namer.key(name)
            kept = super()._keep(key, b"", joined_etag(each.md5 for each in segments), options.meta)
            expires = self._write.lifetime.delete_at(options.meta)
            self._store.objects[key] = replace(kept, segments=segments, expires=expires)

    def raw(self, name: str) -> StoredObject:
        """An object as it is stored."""
        return super()._find(name)

    def _stored(self, name: str) -> StoredObject:
        found = self.raw(name)
        user = {mark: value for mark, value in found.meta.marks.items() if mark not in KIND_MARKS}
        meta = replace(found.meta, user={**found.meta.user, **user}, marks={})
        if found.segments is not None:
            raw = Manifest.of(found.segments).raw
            meta = meta.marked(x_static_large_object="True")
            return replace(found, data=raw, etag=md5_hex(raw), meta=meta, segments=None)
        if found.below is not None:
            meta = meta.marked(x_object_manifest="/".join(found.below))
            return replace(found, etag=md5_hex(found.data), meta=meta, below=None)
        return replace(found, meta=meta)

    def _find(self, name: str) -> StoredObject:
        """A large object with the size, ETag and marks that a HEAD shows."""
        found = self.raw(name)
        segments = self._swift.segments_of(found)
        if segments is None:
            return found
        etag = joined_etag(segment.md5 for segment in segments)
        marks = dict(found.meta.marks)
        if found.below is not None:
            marks["swift-source-dlo-etag"] = etag
        elif "x-object-manifest" not in marks:
            marks["x-static-large-object"] = "True"
        meta = replace(found.meta, marks=marks)
        return replace(found, etag=etag, meta=meta, whole=sum(segment.size for segment in segments))

    def _read(self, found: StoredObject) -> bytes:
        segments = self._swift.segments_of(found)
        if segments is None:
            return found.data
        with self._lock:
            for segment in segments:
                if not self._swift.has(segment):
                    raise RemoteUnavailable(f"409: segment {segment.path} is gone", status=409)
            stores = [self._swift.store(each.container).objects[each.name] for each in segments]
        return b"".join(each.data for each in stores)

    def _keep(
        self, key: str, data: bytes, etag: str, meta: ObjectMeta, before: StoredObject | None = None
    ) -> StoredObject:
        static = None if before is None else before.segments
        below = self._below(meta) if static is None else None
        expires = self._write.lifetime.delete_at(meta)
        if before is not None and before.meta.is_segment and not meta.is_segment:
            meta = meta.marked(swift_source=before.meta.marks["swift-source"])
            expires = later(expires, before.expires)
        marks = {name: value for name, value in meta.marks.items() if name != "x-static-large-object"}
        kept = super()._keep(key, data, etag, replace(meta, marks=marks), before)
        self._store.objects[key] = replace(kept, segments=static, below=below, expires=expires)
        return self._store.objects[key]

    def _check_link(self, options: PutOptions) -> None:
        link = options.meta.link
        if link is not None and options.size:
            raise InvalidRequest("a symlink has no bytes", status=400)
        if link is not None and link.etag:
            store = self._swift.store(self._segments.copies(link.container))
            target = store.objects.get(self.namer.key(link.name))
            if target is None or target.bound_etag != link.etag:
                raise LinkTargetMissing(f"{link.name} is not stored with ETag {link.etag}", status=409)

    def _below(self, meta: ObjectMeta) -> Place | None:
        """Container and prefix of a DLO's segments here. Raises InvalidRequest for what Swift does not
        take."""
        target = meta.marks.get("x-object-manifest")
        if target is None:
            return None
        container, slash, prefix = target.lstrip("/").partition("/")
        if not (container and slash and prefix):
            raise InvalidRequest(f"X-Object-Manifest: {target!r} is not <container>/<prefix>", status=400)
        return self._segments.remote(container), prefix


class MemoryLargeObjects:
    """See ``LargeObjects``."""

    def __init__(self, bucket: MemoryContainer, swift: MemorySwift, namer: SegmentNamer) -> None:
        self._bucket = bucket
        self._swift = swift
        self._namer = namer

    @property
    def limits(self) -> PartLimits:
        return self._swift.limits

    def segments(self, container: str, needed: ObjectMeta | None = None) -> MemoryContainer:
        return self._container(self._namer.remote(container), needed)

    def remote(self, container: str, needed: ObjectMeta | None = None) -> MemoryContainer:
        return self._container(container, needed)

    def _container(self, name: str, needed: ObjectMeta | None) -> MemoryContainer:
        write = self._bucket.write
        options = WriteOptions(segments=self._namer, lifetime=write.lifetime.of_segments(needed))
        return self._swift.bucket(name, KeyNamer.plain(), options)

    def put_static(self, name: str, segments: Sequence[Segment], options: PutOptions) -> PutResult:
        with self._swift.lock:
            for segment in segments:
                if not self._swift.has(segment):
                    raise SegmentChanged(f"segment {segment.path} is not at the store")
            self._bucket.put_manifest(name, tuple(segments), options)
        return PutResult(joined_etag(segment.md5 for segment in segments))

    def manifest(self, name: str) -> Manifest:
        with self._swift.lock:
            segments = self._swift.segments_of(self._bucket.raw(name))
        if segments is None:
            raise NotFound(f"{name} is no large object", status=404, code="NoSuchKey")
        return Manifest.of(segments)

    def reveal(self, name: str) -> bool:
        return False  # nothing is hidden here

    def containers(self) -> Sequence[str]:
        return [entry.name for entry in self._swift.list_buckets()]

    def list_manifests(self, container: str, after: str) -> ManifestPage:
        with self._swift.lock:
            objects = dict(self._swift.store(container).objects)
        names = sorted(name for name in objects if name > after)
        page = [(name, objects[name]) for name in names[:PAGE]]
        return ManifestPage(
            tuple((name, f"{each.etag} {each.modified}") for name, each in page if not each.data),
            page[-1][0] if len(names) > PAGE else None,
            len(page),
            len(objects),
        )

    def named_by(self, container: str, name: str) -> Named:
        try:
            found = self.remote(container).raw(name)
        except NotFound:
            return Named()
        if (link := found.meta.link) is not None:
            return Named(frozenset({(self._namer.copies(link.container), link.name)}), is_link=True)
        return Named(frozenset((each.container, each.name) for each in found.segments or ()), found.below)
