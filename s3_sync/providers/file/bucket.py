"""One directory of a share as a bucket."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from s3_sync.errors import BadDigest, NotSupported
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import (
    ByteRange,
    GetOptions,
    ObjectInfo,
    ObjectMeta,
    PutOptions,
    PutResult,
)
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import (
    ANY_SIZE,
    Failures,
    Features,
    ListPage,
    ListQuery,
    OpenUpload,
    Retrieval,
)
from s3_sync.providers.file.errors import condition_failed, no_object
from s3_sync.providers.file.files import (
    Condition,
    FileBody,
    blocks,
    check_condition,
    describe,
    draft_of,
    etag_of,
    settle,
)
from s3_sync.providers.file.record import Record, check_record
from s3_sync.providers.file.share import Share
from s3_sync.providers.file.site import Found, Site, hash_file
from s3_sync.providers.file.uploads import FileUpload, Uploads
from s3_sync.providers.file.walk import list_page
from s3_sync.providers.large_objects import LargeObjects, Manifests
from s3_sync.providers.manifests import StoredManifests
from s3_sync.providers.object_headers import check_plain
from s3_sync.providers.open_object import OpenObject, resolved
from s3_sync.providers.store_limits import ItemLimits, Limits
from s3_sync.runtime.real_threads import Touch
from s3_sync.streams.reader import Body

_WHOLE = GetOptions()
#: a file system with a limit for files refuses with EFBIG
LIMITS = Limits(
    metadata_items=ItemLimits(count=2048, name=2048, value=2048),
    max_put=ANY_SIZE,
    max_copy=ANY_SIZE,
    min_part=1,
    max_part=ANY_SIZE,
)


class FileBucket:
    """See ``Bucket``."""

    limits = LIMITS
    features = Features(put_if_absent=True, put_if_match=True)
    #: times are those of the nodes that write (``Record.written``)
    clock_offset = 0.0

    def __init__(self, share: Share, name: str, namer: KeyNamer) -> None:
        self.name = name
        self.namer = namer
        self._share = share
        self._uploads = Uploads(share, name)

    @property
    def manifests(self) -> Manifests:
        return StoredManifests(FileBucket(self._share, self.name, self.namer.manifests))

    @property
    def large_objects(self) -> LargeObjects:
        raise NotSupported("large objects are stored as one file")

    # Objects

    def head_object(self, name: str) -> ObjectInfo:
        def head(touch: Touch) -> ObjectInfo:
            with Site.of(self._share, self.name) as site:
                found = self._find(site, name, touch)
                try:
                    return describe(name, found)
                finally:
                    found.close()

        return self._share.call(f"HEAD {self.name}/{name}", head)

    def get_object(self, name: str, options: GetOptions = _WHOLE) -> OpenObject:
        check_plain(options)

        def begin(touch: Touch) -> Found:
            with Site.of(self._share, self.name) as site:
                found = self._find(site, name, touch)
            try:
                if options.if_match not in (None, etag_of(found)):
                    raise condition_failed()
                if options.if_none_match == etag_of(found):
                    raise condition_failed(304)
                _span(options.byte_range, found.status.st_size)
            except BaseException:
                found.close()
                raise
            return found

        found = self._share.call(f"GET {self.name}/{name}", begin)
        span = _span(options.byte_range, found.status.st_size)
        body = FileBody(self._share, self.name, self.namer.key(name), found, span)
        return OpenObject(describe(name, found), None if options.byte_range is None else span, body)

    def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
        if options.meta.link is not None:
            raise NotSupported("symlinks are not copied as symlinks")
        what, key = f"PUT {self.name}/{name}", self.namer.key(name)
        pieces = blocks(body, options.size)
        with draft_of(self._share, self.name, what, next(pieces)) as draft:
            for block in pieces:
                self._share.call(what, partial(draft.write, block))
            found = draft.digest.hexdigest()
            if options.md5 not in (None, found):
                raise BadDigest(f"the body hashes to {found}, not to {options.md5}")
            condition = Condition(options.if_match, options.if_absent)
            etag = self._share.call(what, lambda touch: draft.commit(key, options.meta, condition, touch))
        return PutResult(etag)

    def post_object(self, name: str, meta: ObjectMeta, if_match: str | None = None) -> None:
        if meta.link is not None:
            raise condition_failed()
        key = self.namer.key(name)

        def post(touch: Touch) -> None:
            with Site.of(self._share, self.name) as site:
                self._find(site, name, touch).close()  # a digest that has to be computed takes no lock
                path = site.path_of(key)
                with site.lock(path, touch):
                    found = self._find(site, name, touch, settled=False)
                    try:
                        check_condition(found, Condition(if_match))
                        record = self._with_meta(key, found, meta, touch)
                        check_record(record, site.marker.sidecars)
                        site.records.write(found.descriptor, site.sidecar(path), record)
                        site.sync(found)
                    finally:
                        found.close()

        self._share.call(f"POST {self.name}/{name}", post)

    @staticmethod
    def _with_meta(key: str, found: Found, meta: ObjectMeta, touch: Touch) -> Record:
        status, record = found.status, found.record
        md5 = record.md5 if record else hash_file(found.descriptor, status.st_size, touch)
        return Record(key, status.st_size, status.st_mtime_ns, md5, time.time(), meta)

    def retrieve_object(self, name: str, days: int, tier: str) -> Retrieval:
        self.head_object(name)
        raise NotSupported("a share has no archive classes")

    def delete_object(self, name: str, deleted_at: Timestamp | None = None) -> bool:
        def delete(touch: Touch) -> bool:
            with Site.of(self._share, self.name) as site:
                removed = site.remove(self.namer.key(name), touch)
                site.remove(self.namer.manifest_key(name), touch)
                return removed

        return self._share.call(f"DELETE {self.name}/{name}", delete)

    def delete_objects(self, names: Sequence[str]) -> Failures:
        raise NotSupported("files are deleted one by one")

    def list_objects(self, query: ListQuery) -> ListPage:
        def collect(touch: Touch) -> ListPage:
            with Site.of(self._share, self.name) as site:
                return list_page(site, self.namer, query, touch)

        return self._share.call(f"LIST {self.name}", collect)

    # Multipart uploads

    def create_upload(self, name: str, meta: ObjectMeta) -> FileUpload:
        return FileUpload(self._uploads, self, name, self._uploads.create(self.namer.key(name), meta))

    def upload_by_id(self, name: str, upload_id: str) -> FileUpload:
        return FileUpload(self._uploads, self, name, upload_id)

    def list_uploads(self, name: str | None = None) -> Iterator[OpenUpload]:
        return iter(self._uploads.open(self.namer, name))

    # What a directory does not have

    def set_expiry_rule(self, days: int) -> bool:
        raise NotSupported("a share has no rules by which files expire")

    def post_container(self, headers: Mapping[str, str]) -> None:
        raise NotSupported("a directory has no metadata")

    def probe_conditional_writes(self) -> None:
        """Does nothing: conditions are always enforced."""

    def close(self) -> None:
        """Does nothing: the share belongs to the provider."""

    def _find(self, site: Site, name: str, touch: Touch, settled: bool = True) -> Found:
        """Raises NotFound. ``settled``: compute a digest that is in doubt."""
        key = self.namer.key(name)
        found = site.find(key)
        if found is None:
            raise no_object(name)
        if not settled:
            return found
        try:
            return settle(site, key, found, touch)
        except BaseException:
            found.close()
            raise


def _span(byte_range: ByteRange | None, size: int) -> tuple[int, int]:
    """First and last byte; the last one is before the first if there are none. Raises InvalidRequest."""
    return (0, size - 1) if byte_range is None else resolved(byte_range, size)
