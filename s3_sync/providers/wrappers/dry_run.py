"""Dry run: a bucket that raises instead of writing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

from s3_sync.errors import RemoteError
from s3_sync.largeobject.manifest import Segment
from s3_sync.model.objects import ByteRange, ObjectMeta, PutOptions
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import Bucket, Failures, MultipartUpload, Part
from s3_sync.providers.large_objects import LargeObjects, Manifests
from s3_sync.providers.wrappers.delegate import (
    CallWrapper,
    DelegatingBucket,
    DelegatingLargeObjects,
    DelegatingManifests,
    DelegatingUpload,
)
from s3_sync.streams.reader import Body


class DryRunWrite(RemoteError):
    """Raised instead of a write; ``reason`` is one of the constants of this module."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


WOULD_PUT, WOULD_UPDATE, WOULD_DELETE = "would_put", "would_update", "would_delete"
WOULD_WRITE_MANIFEST = "would_write_manifest"


class DryRunBucket(DelegatingBucket):
    """Forwards reads to ``bucket`` and raises DryRunWrite for writes, so that handling a row with it shows
    which write would come first."""

    def __init__(self, bucket: Bucket, call: CallWrapper) -> None:
        super().__init__(bucket, call)

    def probe_conditional_writes(self) -> None:
        """Does nothing: probing takes writes."""

    def put_object(self, name: str, body: Body, options: PutOptions) -> NoReturn:
        raise DryRunWrite(WOULD_PUT)

    def post_object(self, name: str, meta: ObjectMeta, if_match: str | None = None) -> NoReturn:
        raise DryRunWrite(WOULD_UPDATE)

    def retrieve_object(self, name: str, days: int, tier: str) -> NoReturn:
        raise DryRunWrite(WOULD_UPDATE)

    def delete_object(self, name: str, deleted_at: Timestamp | None = None) -> NoReturn:
        raise DryRunWrite(WOULD_DELETE)

    def delete_objects(self, names: Sequence[str]) -> Failures:
        raise DryRunWrite(WOULD_DELETE)

    def create_upload(self, name: str, meta: ObjectMeta) -> NoReturn:
        raise DryRunWrite(WOULD_PUT)

    def _wrapped(self, upload: MultipartUpload) -> MultipartUpload:
        return _DryRunUpload(upload, self._call)

    @property
    def manifests(self) -> Manifests:
        return _DryRunManifests(self._bucket.manifests, self._call, self._about)

    @property
    def large_objects(self) -> LargeObjects:
        return _DryRunLargeObjects(self._bucket.large_objects, self._call, self._about, self._around)

    def set_expiry_rule(self, days: int) -> NoReturn:
        raise DryRunWrite(WOULD_UPDATE)

    def post_container(self, headers: Mapping[str, str]) -> NoReturn:
        raise DryRunWrite(WOULD_UPDATE)


class _DryRunUpload(DelegatingUpload):
    def upload_part(self, number: int, body: Body, size: int, md5: str | None = None) -> NoReturn:
        raise DryRunWrite(WOULD_PUT)

    def copy_part(self, number: int, byte_range: ByteRange, if_match: str | None = None) -> NoReturn:
        raise DryRunWrite(WOULD_UPDATE)

    def complete(
        self, parts: Sequence[Part], if_match: str | None = None, if_absent: bool = False
    ) -> NoReturn:
        raise DryRunWrite(WOULD_PUT)

    def abort(self) -> NoReturn:
        raise DryRunWrite(WOULD_DELETE)


class _DryRunLargeObjects(DelegatingLargeObjects):
    def put_static(self, name: str, segments: Sequence[Segment], options: PutOptions) -> NoReturn:
        raise DryRunWrite(WOULD_PUT)

    def reveal(self, name: str) -> bool:
        return False


class _DryRunManifests(DelegatingManifests):
    def put(self, name: str, manifest: bytes) -> NoReturn:
        raise DryRunWrite(WOULD_WRITE_MANIFEST)

    def delete(self, name: str) -> NoReturn:
        raise DryRunWrite(WOULD_PUT)
