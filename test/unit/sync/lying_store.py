"""A bucket in memory that answers with success what it has not done, and shows what was there before.

Only lies that who looks can notice. A write is one where the daemon asks afterwards, as it does before it
gives up an object: what an answer to a write must have in it to be believed is the provider's business. And
no lie says of an object that was deleted that it had never been there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from s3_sync.errors import NotFound
from s3_sync.model.objects import ListedObject, ObjectInfo, ObjectMeta, PutResult
from s3_sync.providers.base import ListPage
from unit.sync.late_bucket import LateBucket
from unit.sync.store import WatchedUpload

LOOKS = frozenset({"head", "list"})
WRITES = frozenset({"put", "post", "complete", "put_manifest"})
#: what makes another version of an object
_CHANGES = WRITES - {"put_manifest"} | {"delete"}


class Lie(Exception):
    """Raised by ``before``: what is answered to this request is not so."""


class LyingBucket(LateBucket):
    """``lies``: about which requests. ``may_lie``: about which names."""

    def __init__(self, *arguments: Any, lies: frozenset[str] = LOOKS, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.lies = lies
        self.may_lie: Callable[[str], bool] = lambda name: True
        self.told = 0
        #: the last upload of each name
        self._uploads: dict[str, WatchedUpload] = {}
        #: name -> how it was before it was written last; None = not there
        self._earlier: dict[str, ObjectInfo | None] = {}

    def _call(self, method: str, name: str, act: Callable[[], Any]) -> Any:
        try:
            return super()._call(method, name, lambda: self._noted(method, name, act))
        except Lie:
            if method == "list":
                return self._listed_before(act())
            if method not in self.lies or not self.may_lie(name):
                return self._noted(method, name, act)
            self.told += 1
            return self._shown_before(name) if method == "head" else self._not_done(method, name)

    def create_upload(self, name: str, meta: ObjectMeta) -> WatchedUpload:
        self._uploads[name] = super().create_upload(name, meta)
        return self._uploads[name]

    def _noted(self, method: str, name: str, act: Callable[[], Any]) -> Any:
        if method in _CHANGES:
            self._earlier[name] = self._now(name)
        return act()

    def _now(self, name: str) -> ObjectInfo | None:
        try:
            return self.inner.head_object(name)
        except NotFound:
            return None

    def _not_done(self, method: str, name: str) -> PutResult | None:
        if method == "complete":
            self._uploads[name].inner.abort()
        return PutResult("") if method in ("put", "complete") else None

    def _shown_before(self, name: str) -> ObjectInfo:
        earlier = self._earlier.get(name)
        if earlier is None:
            raise NotFound(f"{name}: not there yet", status=404)
        return earlier

    def _listed_before(self, page: ListPage) -> ListPage:
        """The names that were written last are left out, or as they were."""
        objects = []
        for info in page.objects:
            if not self.may_lie(info.name) or info.name not in self._earlier:
                objects.append(info)
                continue
            self.told += 1
            earlier = self._earlier[info.name]
            if earlier is not None:
                objects.append(_listed(earlier))
        return replace(page, objects=tuple(objects))


def _listed(info: ObjectInfo) -> ListedObject:
    return ListedObject(info.name, info.size, info.etag, info.last_modified, info.storage_class)
