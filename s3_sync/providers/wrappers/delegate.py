"""Buckets and providers that delegate every method through one function: the base of all wrappers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from s3_sync.largeobject.manifest import Manifest, Segment
from s3_sync.largeobject.naming import Named
from s3_sync.largeobject.plan import PartLimits
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ByteRange, GetOptions, ObjectInfo, ObjectMeta, PutOptions, PutResult
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import (
    Bucket,
    BucketEntry,
    Failures,
    Features,
    GetResult,
    ListPage,
    ListQuery,
    MultipartUpload,
    OpenUpload,
    Part,
    Provider,
    Retrieval,
    WriteOptions,
)
from s3_sync.providers.large_objects import LargeObjects, ManifestPage, Manifests
from s3_sync.streams.reader import Body

_Result = TypeVar("_Result")
_WHOLE = GetOptions()
_PLAIN = WriteOptions()


class CallWrapper(Protocol):
    """Calls ``function``, which reads ``body``, and returns its result; may delay, repeat or refuse the
    call."""

    def __call__(self, function: Callable[[], _Result], body: Body | None = None) -> _Result: ...


class DelegatingBucket:
    """Delegates to ``bucket``, each request through ``call``.

    Iterators are exhausted inside the call. The body that ``get_object`` opens is read outside of it.
    """

    def __init__(self, bucket: Bucket, call: CallWrapper) -> None:
        self.name = bucket.name
        self.namer = bucket.namer
        self.limits = bucket.limits
        self._bucket = bucket
        self._call = call

    def _about(self, name: str) -> CallWrapper:
        """The wrapper for requests that concern one object."""
        return self._call

    def _around(self, bucket: Bucket) -> Bucket:
        """Wrap another bucket of the same store like this one."""
        return type(self)(bucket, self._call)

    @property
    def features(self) -> Features:
        return self._bucket.features

    @property
    def manifests(self) -> Manifests:
        return DelegatingManifests(self._bucket.manifests, self._call, self._about)

    @property
    def large_objects(self) -> LargeObjects:
        return DelegatingLargeObjects(self._bucket.large_objects, self._call, self._about, self._around)

    @property
    def clock_offset(self) -> float:
        return self._bucket.clock_offset

    def probe_conditional_writes(self) -> None:
        self._call(self._bucket.probe_conditional_writes)

    def head_object(self, name: str) -> ObjectInfo:
        return self._about(name)(lambda: self._bucket.head_object(name))

    def get_object(self, name: str, options: GetOptions = _WHOLE) -> GetResult:
        return self._about(name)(lambda: self._bucket.get_object(name, options))

    def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
        return self._about(name)(lambda: self._bucket.put_object(name, body, options), body)

    def post_object(self, name: str, meta: ObjectMeta, if_match: str | None = None) -> None:
        self._about(name)(lambda: self._bucket.post_object(name, meta, if_match))

    def retrieve_object(self, name: str, days: int, tier: str) -> Retrieval:
        return self._about(name)(lambda: self._bucket.retrieve_object(name, days, tier))

    def delete_object(self, name: str, deleted_at: Timestamp | None = None) -> bool:
        return self._about(name)(lambda: self._bucket.delete_object(name, deleted_at))

    def delete_objects(self, names: Sequence[str]) -> Failures:
        return self._call(lambda: self._bucket.delete_objects(names))

    def list_objects(self, query: ListQuery) -> ListPage:
        return self._call(lambda: self._bucket.list_objects(query))

    def create_upload(self, name: str, meta: ObjectMeta) -> MultipartUpload:
        return self._wrapped(self._about(name)(lambda: self._bucket.create_upload(name, meta)))

    def upload_by_id(self, name: str, upload_id: str) -> MultipartUpload:
        return self._wrapped(self._bucket.upload_by_id(name, upload_id))

    def _wrapped(self, upload: MultipartUpload) -> MultipartUpload:
        return DelegatingUpload(upload, self._about(upload.name))

    def list_uploads(self, name: str | None = None) -> Iterator[OpenUpload]:
        return iter(self._call(lambda: list(self._bucket.list_uploads(name))))

    def set_expiry_rule(self, days: int) -> bool:
        return self._call(lambda: self._bucket.set_expiry_rule(days))

    def post_container(self, headers: Mapping[str, str]) -> None:
        self._call(lambda: self._bucket.post_container(headers))

    def close(self) -> None:
        self._bucket.close()


class DelegatingUpload:
    """Delegates to ``upload``, each request through ``call``."""

    def __init__(self, upload: MultipartUpload, call: CallWrapper) -> None:
        self.name = upload.name
        self.upload_id = upload.upload_id
        self._upload = upload
        self._call = call

    def upload_part(self, number: int, body: Body, size: int, md5: str | None = None) -> Part:
        return self._call(lambda: self._upload.upload_part(number, body, size, md5), body)

    def copy_part(self, number: int, byte_range: ByteRange, if_match: str | None = None) -> Part:
        return self._call(lambda: self._upload.copy_part(number, byte_range, if_match))

    def complete(
        self, parts: Sequence[Part], if_match: str | None = None, if_absent: bool = False
    ) -> PutResult:
        return self._call(lambda: self._upload.complete(parts, if_match, if_absent))

    def abort(self) -> None:
        self._call(self._upload.abort)


class DelegatingManifests:
    """Delegates to ``manifests``, each method through ``about(name)``, or ``call`` if it concerns none."""

    def __init__(self, manifests: Manifests, call: CallWrapper, about: Callable[[str], CallWrapper]) -> None:
        self._manifests = manifests
        self._call = call
        self._about = about

    def put(self, name: str, manifest: bytes) -> None:
        self._about(name)(lambda: self._manifests.put(name, manifest))

    def get(self, name: str) -> bytes:
        return self._about(name)(lambda: self._manifests.get(name))

    def delete(self, name: str) -> None:
        self._about(name)(lambda: self._manifests.delete(name))

    def has_any(self) -> bool:
        return self._call(self._manifests.has_any)


class DelegatingLargeObjects:
    """Delegates to ``large``, each request through ``call`` or ``about(name)``; ``around`` wraps a bucket."""

    def __init__(
        self,
        large: LargeObjects,
        call: CallWrapper,
        about: Callable[[str], CallWrapper],
        around: Callable[[Bucket], Bucket],
    ) -> None:
        self._large = large
        self._call = call
        self._about = about
        self._around = around

    @property
    def limits(self) -> PartLimits:
        return self._call(lambda: self._large.limits)

    def segments(self, container: str, needed: ObjectMeta | None = None) -> Bucket:
        return self._around(self._large.segments(container, needed))

    def remote(self, container: str, needed: ObjectMeta | None = None) -> Bucket:
        return self._around(self._large.remote(container, needed))

    def put_static(self, name: str, segments: Sequence[Segment], options: PutOptions) -> PutResult:
        return self._about(name)(lambda: self._large.put_static(name, segments, options))

    def manifest(self, name: str) -> Manifest:
        return self._about(name)(lambda: self._large.manifest(name))

    def reveal(self, name: str) -> bool:
        return self._about(name)(lambda: self._large.reveal(name))

    def containers(self) -> Sequence[str]:
        return self._call(self._large.containers)

    def list_manifests(self, container: str, after: str) -> ManifestPage:
        return self._call(lambda: self._large.list_manifests(container, after))

    def named_by(self, container: str, name: str) -> Named:
        return self._call(lambda: self._large.named_by(container, name))


class DelegatingProvider:
    """Delegates to ``provider``, each request through ``call``, those of its buckets included."""

    def __init__(self, provider: Provider, call: CallWrapper) -> None:
        self._provider = provider
        self._call = call

    def bucket(self, name: str, namer: KeyNamer, write: WriteOptions = _PLAIN) -> DelegatingBucket:
        return DelegatingBucket(self._provider.bucket(name, namer, write), self._call)

    def list_buckets(self) -> Iterator[BucketEntry]:
        return iter(self._call(lambda: list(self._provider.list_buckets())))

    def head_bucket(self, name: str) -> Mapping[str, str]:
        return self._call(lambda: self._provider.head_bucket(name))

    def head_account(self) -> Mapping[str, str]:
        return self._call(self._provider.head_account)

    def create_bucket(self, name: str, storage_policy: str = "") -> None:
        self._call(lambda: self._provider.create_bucket(name, storage_policy))

    def delete_bucket(self, name: str) -> None:
        self._call(lambda: self._provider.delete_bucket(name))

    def close(self) -> None:
        self._provider.close()
