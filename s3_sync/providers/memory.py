"""The reference implementation of ``Provider`` and ``Bucket``, in memory. Thread-safe, and strict where real
stores differ: it checks digests, sizes, conditions and part ETags, and sorts listings."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import uuid4

from s3_sync.errors import Archived, InvalidRequest, NotFound, NotSupported
from s3_sync.model.headers import from_user_metadata, to_user_metadata
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import (
    GetOptions,
    ListedObject,
    ObjectInfo,
    ObjectMeta,
    PutOptions,
    PutResult,
)
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import (
    BucketEntry,
    Failures,
    Features,
    ListPage,
    ListQuery,
    OpenUpload,
    Retrieval,
    WriteOptions,
)
from s3_sync.providers.http_errors import NO_SUCH_BUCKET
from s3_sync.providers.large_objects import LargeObjects, Manifests
from s3_sync.providers.manifests import StoredManifests
from s3_sync.providers.memory_object import (
    ARCHIVES,
    MemoryBody,
    StoredObject,
    condition_failed,
)
from s3_sync.providers.memory_upload import MemoryUpload, PendingUpload
from s3_sync.providers.object_headers import check_plain
from s3_sync.providers.open_object import OpenObject, resolved
from s3_sync.providers.roll_up import is_after, roll_up
from s3_sync.providers.store_limits import Limits
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import Body
from s3_sync.streams.verifying import read_exactly

_WHOLE = GetOptions()
_PLAIN = WriteOptions()
_LIMITS = Limits()


@dataclass(slots=True)
class _Store:
    """One bucket: key -> object, upload id -> open upload, key prefix -> lifetime of objects in days, and
    header -> value of its own metadata. ``changed``: when that was written."""

    created: float
    objects: dict[str, StoredObject] = field(default_factory=dict)
    uploads: dict[str, PendingUpload] = field(default_factory=dict)
    lifetimes: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    changed: float = 0.0


class MemoryProvider:
    """``limits`` can be lowered, so that tests of multipart uploads need few bytes. ``retrieval_seconds``:
    how long retrieving an object takes."""

    def __init__(
        self,
        *,
        limits: Limits = _LIMITS,
        clock: Callable[[], float] = time.time,
        retrieval_seconds: float = 0.0,
    ) -> None:
        self.limits = limits
        self.clock = clock
        self.retrieval_seconds = retrieval_seconds
        self.lock = threading.RLock()
        self._stores: dict[str, _Store] = {}
        #: headers of the account, if it is a Swift's
        self.metadata: dict[str, str] = {}

    def bucket(self, name: str, namer: KeyNamer, write: WriteOptions = _PLAIN) -> MemoryBucket:
        return MemoryBucket(self, name, namer, write)

    def list_buckets(self) -> Iterator[BucketEntry]:
        with self.lock:
            entries = [BucketEntry(name, store.created) for name, store in sorted(self._stores.items())]
        return iter(entries)

    def head_bucket(self, name: str) -> Mapping[str, str]:
        self.store(name)
        return {}

    def head_account(self) -> Mapping[str, str]:
        return {}

    def create_bucket(self, name: str, storage_policy: str = "") -> None:
        with self.lock:
            self._stores.setdefault(name, _Store(self.clock()))

    def delete_bucket(self, name: str) -> None:
        with self.lock:
            if self.store(name).objects:
                raise InvalidRequest(f"bucket {name} is not empty", status=409, code="BucketNotEmpty")
            del self._stores[name]

    def close(self) -> None:
        pass

    def store(self, name: str) -> _Store:
        """The content of a bucket. Raises NotFound."""
        with self.lock:
            if name not in self._stores:
                raise NotFound(f"no bucket {name}", status=404, code=NO_SUCH_BUCKET)
            return self._stores[name]


class MemoryBucket:
    """See ``Bucket``."""

    features = Features(
        put_if_absent=True,
        put_if_match=True,
        bulk_delete=500,
        archive_classes=ARCHIVES,
        reads_parts=True,
    )
    clock_offset = 0.0

    def __init__(self, provider: MemoryProvider, name: str, namer: KeyNamer, write: WriteOptions) -> None:
        self.name = name
        self.namer = namer
        self.limits = provider.limits
        self._provider = provider
        self._lock = provider.lock
        self._write = write

    @property
    def manifests(self) -> Manifests:
        stored = MemoryBucket(self._provider, self.name, self.namer.manifests, _PLAIN)
        stored.limits = _LIMITS  # lowered ones are meant for objects
        return StoredManifests(stored)

    @property
    def large_objects(self) -> LargeObjects:
        raise NotSupported("large objects are stored as one object")

    # Objects

    def head_object(self, name: str) -> ObjectInfo:
        with self._lock:
            return self._find(name).info(name, self._provider.clock())

    def get_object(self, name: str, options: GetOptions = _WHOLE) -> OpenObject:
        with self._lock:
            found = self._stored(name) if options.stored else self._find(name)
        if options.if_match is not None and options.if_match != found.etag:
            raise condition_failed(412)
        if options.if_none_match == found.etag:
            raise condition_failed(304)
        self._check_readable(name, found)
        info, data, byte_range = found.info(name, self._provider.clock()), self._read(found), None
        requested = options.byte_range
        if options.part is not None:
            if not self.features.reads_parts:
                check_plain(options)
            requested = found.range_of(options.part)
        if requested is not None:
            first, last = byte_range = resolved(requested, len(data))
            data = data[first : last + 1]
        return OpenObject(info, byte_range, MemoryBody(data, lambda: self._check_same(name, found)))

    def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
        self._provider.store(self.name)
        if options.size > self.limits.max_put:
            raise InvalidRequest(f"{options.size} bytes in one PUT", status=400, code="EntityTooLarge")
        data = read_exactly(body, options.size, options.md5)
        etag = md5_hex(data)
        with self._lock:
            self._check_conditions(name, options.if_match, options.if_absent)
            self._check_link(options)
            self._keep(self.namer.key(name), data, etag, options.meta)
        return PutResult(etag)

    def post_object(self, name: str, meta: ObjectMeta, if_match: str | None = None) -> None:
        with self._lock:
            found = self._find(name)
            if meta.link != found.meta.link or if_match not in (None, found.etag):
                raise condition_failed(412)
            self._check_readable(name, found)
            if len(found.data) > self.limits.max_copy:
                raise NotSupported(f"{name} is larger than what can be copied at once")
            self._keep(self.namer.key(name), found.data, found.etag, meta, found)

    def retrieve_object(self, name: str, days: int, tier: str) -> Retrieval:
        with self._lock:
            found, now = self._find(name), self._provider.clock()
            if found.is_being_retrieved(now):
                return Retrieval.RUNNING
            archived = found.is_archived(now)
            if archived or found.readable is not None:
                since = now + self._provider.retrieval_seconds if archived else now
                readable = (since, since + days * 86400.0)
                self._store.objects[self.namer.key(name)] = replace(found, readable=readable)
            return Retrieval.BEGUN if archived else Retrieval.READABLE

    def delete_object(self, name: str, deleted_at: Timestamp | None = None) -> bool:
        with self._lock:
            objects = self._store.objects
            found = objects.pop(self.namer.key(name), None)
            objects.pop(self.namer.manifest_key(name), None)
        return found is not None

    def delete_objects(self, names: Sequence[str]) -> Failures:
        list(map(self.delete_object, names))
        return {}

    # Listings

    def list_objects(self, query: ListQuery) -> ListPage:
        with self._lock:
            stored = dict(self._store.objects)
        names = {name: found for key, found in stored.items() if (name := self.namer.name(key)) is not None}
        objects: list[ListedObject] = []
        prefixes: list[str] = []
        last = None
        # strings sort by code point, which is the order of their UTF-8 bytes
        for name in sorted(names):
            if not name.startswith(query.prefix) or not is_after(name, query):
                continue
            rolled = roll_up(name, query)
            if rolled is not None and prefixes and prefixes[-1] == rolled:
                continue
            if len(objects) + len(prefixes) == query.limit:
                return ListPage(tuple(objects), tuple(prefixes), last)
            if rolled is None:
                objects.append(names[name].listed(name))
            else:
                prefixes.append(rolled)
            last = rolled or name
        return ListPage(tuple(objects), tuple(prefixes), None)

    # Multipart uploads

    def create_upload(self, name: str, meta: ObjectMeta) -> MemoryUpload:
        upload_id = uuid4().hex
        with self._lock:
            upload = PendingUpload(self.namer.key(name), meta, self._provider.clock())
            self._store.uploads[upload_id] = upload
        return MemoryUpload(self, name, upload_id)

    def upload_by_id(self, name: str, upload_id: str) -> MemoryUpload:
        return MemoryUpload(self, name, upload_id)

    def list_uploads(self, name: str | None = None) -> Iterator[OpenUpload]:
        with self._lock:
            uploads = dict(self._store.uploads)
        for upload_id, upload in uploads.items():
            found = self.namer.name(upload.key)
            if found is not None and name in (None, found):
                yield OpenUpload(found, upload_id, upload.begun)

    def set_expiry_rule(self, days: int) -> bool:
        rules = dict.fromkeys((self.namer.prefix, self.namer.manifest_prefix), days)
        lifetimes = self._store.lifetimes
        changed = any(lifetimes.get(prefix, 0) != days for prefix in rules)
        lifetimes.update(rules)
        return changed

    def post_container(self, headers: Mapping[str, str]) -> None:
        raise NotSupported("the store has no metadata of buckets")

    def probe_conditional_writes(self) -> None:
        pass

    def close(self) -> None:
        pass

    # Internals

    @property
    def _store(self) -> _Store:
        """Raises NotFound."""
        return self._provider.store(self.name)

    def _stored(self, name: str) -> StoredObject:
        """See ``GetOptions.stored``."""
        raise NotSupported("the store has no large objects as Swift has them")

    def _find(self, name: str) -> StoredObject:
        try:
            return self._store.objects[self.namer.key(name)]
        except KeyError:
            raise NotFound(f"no object {name}", status=404, code="NoSuchKey") from None

    def _read(self, found: StoredObject) -> bytes:
        return found.data

    def _check_readable(self, name: str, found: StoredObject) -> None:
        if found.is_archived(self._provider.clock()):
            raise Archived(f"{name} is in {found.storage_class}", status=403, code="InvalidObjectState")

    def _check_same(self, name: str, found: StoredObject) -> None:
        with self._lock:
            if self._find(name).etag != found.etag:
                raise condition_failed(412)

    def _keep(
        self, key: str, data: bytes, etag: str, meta: ObjectMeta, before: StoredObject | None = None
    ) -> StoredObject:
        """Store an object. ``before``: what it is a copy of, with other metadata."""
        # encoded and decoded as for a real store, so that metadata survives no better here
        headers = {**meta.headers, "content-type": meta.content_type}
        stored_meta = replace(from_user_metadata(headers, to_user_metadata(meta)), link=meta.link)
        stored_class = self._write.storage_class or ("" if before is None else before.storage_class)
        found = StoredObject(data, etag, stored_meta, self._provider.clock(), stored_class)
        self._store.objects[key] = found
        return found

    def _check_link(self, options: PutOptions) -> None:
        """Raise NotSupported for a symlink."""
        if options.meta.link is not None:
            raise NotSupported("the store has no symlinks")

    def _check_conditions(self, name: str, if_match: str | None, if_absent: bool) -> None:
        stored = self._store.objects.get(self.namer.key(name))
        if (if_match and (stored is None or stored.etag != if_match)) or (if_absent and stored):
            raise condition_failed(412)
