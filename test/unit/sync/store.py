"""A bucket in memory that keeps a list of what was asked of it, and fails when told to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from typing import Any

from s3_sync.largeobject.manifest import Manifest, Segment
from s3_sync.largeobject.naming import Named
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ByteRange, GetOptions, ObjectInfo, ObjectMeta, PutOptions, PutResult
from s3_sync.model.segment_names import SegmentNamer
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import (
    Failures,
    Features,
    GetResult,
    ListPage,
    ListQuery,
    MultipartUpload,
    OpenUpload,
    Part,
    WriteOptions,
)
from s3_sync.providers.large_objects import LargeObjects, ManifestPage, Manifests
from s3_sync.providers.memory import MemoryBucket, MemoryProvider
from s3_sync.providers.memory_swift import MemorySwift
from s3_sync.providers.store_limits import Limits
from s3_sync.providers.wrappers.delegate import DelegatingLargeObjects
from s3_sync.streams.reader import Body

LIMITS = Limits(max_put=1000, max_copy=1000, min_part=10, max_part=1000, max_parts=100)
#: a fault: what to raise, before or after the store has acted; None = nothing
Fault = Callable[[str, str], BaseException | None]


class WatchedBucket:
    """``before`` and ``after`` are asked with method and name whether a call fails there.

    ``sent``: how often an object's bytes have arrived, by name.
    """

    def __init__(
        self,
        namer: KeyNamer,
        clock: Callable[[], float],
        *,
        conditional: bool = True,
        page: int = 1000,
        limits: Limits = LIMITS,
        swift: SegmentNamer | None = None,
    ) -> None:
        """``swift``: it is a container of another Swift, with segments in these."""
        kind = MemoryProvider if swift is None else MemorySwift
        self.provider = kind(limits=limits, clock=clock)
        self.provider.create_bucket("bucket")
        write = WriteOptions(segments=swift)
        self.inner: MemoryBucket = self.provider.bucket("bucket", namer, write)
        self.name, self.namer, self.limits = "bucket", namer, self.inner.limits
        self.features = Features(put_if_absent=conditional, put_if_match=conditional, bulk_delete=500)
        if swift is not None:
            self.features = self.inner.features
        self.clock_offset = 0.0
        self.page = page
        self.calls: list[tuple[str, str]] = []
        self.sent: Counter[str] = Counter()
        self.before: Fault = lambda method, name: None
        self.after: Fault = lambda method, name: None

    def counts(self) -> Counter[str]:
        """Calls by method since the last time."""
        calls, self.calls = self.calls, []
        return Counter(method for method, _ in calls)

    def _call(self, method: str, name: str, act: Callable[[], Any]) -> Any:
        self.calls.append((method, name))
        if error := self.before(method, name):
            raise error
        try:
            return act()
        finally:
            if error := self.after(method, name):
                raise error

    def content(self) -> dict[str, bytes]:
        """name -> bytes of everything that is stored, unwatched."""
        objects = self.provider.store("bucket").objects
        named = {self.namer.name(key): found.data for key, found in objects.items()}
        return {name: data for name, data in named.items() if name is not None}

    def unfinished(self) -> int:
        return len(self.provider.store("bucket").uploads)

    def metadata(self, name: str) -> dict[str, str]:
        return dict(self.inner.head_object(name).meta.user)

    # Bucket

    def probe_conditional_writes(self) -> None:
        self._call("probe_conditional_writes", "", lambda: None)

    def head_object(self, name: str) -> ObjectInfo:
        found: ObjectInfo = self._call("head", name, lambda: self.inner.head_object(name))
        return found

    def get_object(self, name: str, options: GetOptions | None = None) -> GetResult:
        raise AssertionError("the daemon never reads from the store")

    def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
        assert self.features.put_if_absent or not options.if_absent
        assert self.features.put_if_match or options.if_match is None

        def put() -> PutResult:
            result = self.inner.put_object(name, body, options)
            self.sent[name] += 1
            return result

        result: PutResult = self._call("put", name, put)
        return result

    def post_object(self, name: str, meta: ObjectMeta, if_match: str | None = None) -> None:
        self._call("post", name, lambda: self.inner.post_object(name, meta, if_match))

    def delete_objects(self, names: Sequence[str]) -> Failures:
        def act() -> Failures:
            failed: Any = {name: error for name in names if (error := self.before("delete", name))}
            for name in names:
                if name not in failed:
                    self.inner.delete_object(name)
            return failed

        return self._call("delete_objects", f"{len(names)} names", act)

    def delete_object(self, name: str, deleted_at: Timestamp | None = None) -> bool:
        found: bool = self._call("delete", name, lambda: self.inner.delete_object(name, deleted_at))
        return found

    def list_objects(self, query: ListQuery) -> ListPage:
        limited = ListQuery(query.prefix, query.start_after, query.delimiter, min(query.limit, self.page))
        page: ListPage = self._call("list", query.start_after, lambda: self.inner.list_objects(limited))
        return page

    def create_upload(self, name: str, meta: ObjectMeta) -> WatchedUpload:
        begun: MultipartUpload = self._call("create", name, lambda: self.inner.create_upload(name, meta))
        return WatchedUpload(begun, self._call)

    def upload_by_id(self, name: str, upload_id: str) -> WatchedUpload:
        return WatchedUpload(self.inner.upload_by_id(name, upload_id), self._call)

    def list_uploads(self, name: str | None = None) -> Iterator[OpenUpload]:
        uploads: list[OpenUpload] = self._call(
            "list_uploads", name or "", lambda: list(self.inner.list_uploads(name))
        )
        return iter(uploads)

    @property
    def manifests(self) -> WatchedManifests:
        return WatchedManifests(self.inner.manifests, self._call)

    @property
    def large_objects(self) -> WatchedLargeObjects:
        return WatchedLargeObjects(self.inner.large_objects, self)

    def around(self, inner: MemoryBucket) -> WatchedBucket:
        """Another bucket of the same provider, watched like this one."""
        other = copy(self)
        other.inner, other.name, other.namer = inner, inner.name, inner.namer
        return other

    def set_expiry_rule(self, days: int) -> bool:
        changed: bool = self._call("set_expiry_rule", str(days), lambda: self.inner.set_expiry_rule(days))
        return changed

    def post_container(self, headers: Mapping[str, str]) -> None:
        self._call("post_container", " ".join(sorted(headers)), lambda: self.inner.post_container(headers))

    def close(self) -> None:
        pass


class WatchedUpload:
    """An upload to a WatchedBucket, through ``call``."""

    def __init__(self, inner: MultipartUpload, call: Callable[[str, str, Callable[[], Any]], Any]) -> None:
        self.name, self.upload_id = inner.name, inner.upload_id
        self.inner = inner
        self._call = call

    def upload_part(self, number: int, body: Body, size: int, md5: str | None = None) -> Part:
        part: Part = self._call("part", self.name, lambda: self.inner.upload_part(number, body, size, md5))
        return part

    def copy_part(self, number: int, byte_range: ByteRange, if_match: str | None = None) -> Part:
        part: Part = self._call(
            "copy_part", self.name, lambda: self.inner.copy_part(number, byte_range, if_match)
        )
        return part

    def complete(
        self, parts: Sequence[Part], if_match: str | None = None, if_absent: bool = False
    ) -> PutResult:
        result: PutResult = self._call(
            "complete", self.name, lambda: self.inner.complete(parts, if_match, if_absent)
        )
        return result

    def abort(self) -> None:
        self._call("abort", self.name, self.inner.abort)


class WatchedLargeObjects(DelegatingLargeObjects):
    """The large objects of a WatchedBucket."""

    def __init__(self, inner: LargeObjects, bucket: WatchedBucket) -> None:
        around: Any = bucket.around
        super().__init__(inner, lambda function, body=None: function(), lambda name: self._call, around)
        self._watched = bucket._call

    def put_static(self, name: str, segments: Sequence[Segment], options: PutOptions) -> PutResult:
        result: PutResult = self._watched(
            "put_manifest", name, lambda: self._large.put_static(name, segments, options)
        )
        return result

    def manifest(self, name: str) -> Manifest:
        found: Manifest = self._watched("get_manifest", name, lambda: self._large.manifest(name))
        return found

    def list_manifests(self, container: str, after: str) -> ManifestPage:
        page: ManifestPage = self._watched(
            "list_manifests", container, lambda: self._large.list_manifests(container, after)
        )
        return page

    def named_by(self, container: str, name: str) -> Named:
        found: Named = self._watched(
            "named_by", f"{container}/{name}", lambda: self._large.named_by(container, name)
        )
        return found


class WatchedManifests:
    """The stored manifests of a WatchedBucket, through ``call``."""

    def __init__(self, inner: Manifests, call: Callable[[str, str, Callable[[], Any]], Any]) -> None:
        self.inner = inner
        self._call = call

    def put(self, name: str, manifest: bytes) -> None:
        self._call("put_manifest", name, lambda: self.inner.put(name, manifest))

    def get(self, name: str) -> bytes:
        found: bytes = self._call("get_manifest", name, lambda: self.inner.get(name))
        return found

    def delete(self, name: str) -> None:
        self._call("delete_manifest", name, lambda: self.inner.delete(name))

    def has_any(self) -> bool:
        found: bool = self._call("has_manifests", "", self.inner.has_any)
        return found
