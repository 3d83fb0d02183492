"""The source of a migration: a bucket that this product has not written, seen as the cluster will have it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NoReturn, TypeVar

from s3_sync.errors import NotFound
from s3_sync.model.objects import KIND_MARKS, GetOptions, ObjectInfo
from s3_sync.providers.base import Bucket, GetResult, ListPage, ListQuery
from s3_sync.providers.large_objects import Manifests
from s3_sync.providers.wrappers.delegate import DelegatingBucket
from s3_sync.streams.reader import Body

_Result = TypeVar("_Result")
_WHOLE = GetOptions()
#: of a large object in another Swift, which says by headers of its own what the object is
_EXPIRY = ("x-delete-at",)
_NATIVE_MARKS = (*_EXPIRY, *KIND_MARKS, "swift-source-dlo-etag")


class SourceBucket(DelegatingBucket):
    """Shows of ``bucket`` what is migrated: only names that begin with ``prefix``.

    Metadata that looks like a mark of this product is a copy's, made for another bucket: all of it is dropped
    but X-Delete-At. What a Swift says by headers of its own stays. ``may_be_missing``: where all buckets are
    migrated, a container may be a client's, which no bucket belongs to; it is as if that was empty.
    """

    def __init__(self, bucket: Bucket, prefix: str, may_be_missing: bool) -> None:
        super().__init__(bucket, direct)
        self._prefix = prefix
        self._may_be_missing = may_be_missing

    @property
    def manifests(self) -> Manifests:
        return self._bucket.manifests if self.features.native_large_objects else _NoManifests()

    def head_object(self, name: str) -> ObjectInfo:
        with self._missing_is_empty():
            return self._native(self._bucket.head_object(name))

    def get_object(self, name: str, options: GetOptions = _WHOLE) -> GetResult:
        with self._missing_is_empty():
            result = self._bucket.get_object(name, options)
        result.info = self._native(result.info)
        return result

    @contextmanager
    def _missing_is_empty(self) -> Iterator[None]:
        try:
            yield
        except NotFound as error:
            if not self._may_be_missing:
                raise
            raise NotFound(str(error), status=404) from error

    def list_objects(self, query: ListQuery) -> ListPage:
        try:
            return self._list(query)
        except NotFound:
            if not self._may_be_missing:
                raise
            return ListPage(())

    def _list(self, query: ListQuery) -> ListPage:
        """A prefix that is shorter than ours stands for ours; of several names that a delimiter in ours rolls
        up, there is one group."""
        ours, asked = self._prefix, query.prefix
        if asked.startswith(ours):
            return self._bucket.list_objects(query)
        if not ours.startswith(asked):
            return ListPage(())
        end = ours.find(query.delimiter, len(asked)) if query.delimiter else -1
        if end < 0:
            return self._bucket.list_objects(replace(query, prefix=ours))
        group = ours[: end + len(query.delimiter)]
        if query.start_after == group:
            return ListPage(())
        found = self._bucket.list_objects(replace(query, prefix=ours, delimiter="", limit=1))
        return ListPage(
            (), (group,) if found.objects else (), found.next_after if not found.objects else None
        )

    def _native(self, info: ObjectInfo) -> ObjectInfo:
        kept = _NATIVE_MARKS if self.features.x_timestamp else _EXPIRY
        marks = {name: value for name, value in info.meta.marks.items() if name in kept}
        if info.expires is not None:
            marks["x-delete-at"] = str(info.expires)
        return replace(info, meta=replace(info.meta, marks=marks))


class _NoManifests:
    """The manifests of a store that has no large objects of Swift's."""

    def put(self, name: str, manifest: bytes) -> None:
        """Do nothing."""

    def get(self, name: str) -> NoReturn:
        raise NotFound(f"no manifest of {name}", status=404)

    def delete(self, name: str) -> None:
        """Do nothing."""

    def has_any(self) -> bool:
        return False


def direct(function: Callable[[], _Result], body: Body | None = None) -> _Result:
    """Call ``function`` with nothing around it."""
    return function()
