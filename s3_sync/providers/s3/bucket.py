"""The ``Bucket`` of an S3 store."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import cached_property
from uuid import uuid4

from s3_sync.config.credentials.s3_dialects import Dialect
from s3_sync.errors import (
    Archived,
    InvalidRequest,
    NotFound,
    NotSupported,
    ObjectLocked,
    RemoteError,
)
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import GetOptions, ObjectInfo, ObjectMeta, PutOptions, PutResult
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import (
    Failures,
    Features,
    ListPage,
    ListQuery,
    OpenUpload,
    Retrieval,
    WriteOptions,
)
from s3_sync.providers.large_objects import LargeObjects
from s3_sync.providers.limits import metadata_size
from s3_sync.providers.manifests import StoredManifests
from s3_sync.providers.object_headers import content_length, write_conditions
from s3_sync.providers.open_object import OpenObject
from s3_sync.providers.s3.client import RAW_HEADERS, Account
from s3_sync.providers.s3.condition_probe import ConditionProbe
from s3_sync.providers.s3.deletes import Deletes
from s3_sync.providers.s3.download import Reader
from s3_sync.providers.s3.errors import translated, unexpected, without_object
from s3_sync.providers.s3.headers import (
    copy_headers,
    is_archived,
    is_encrypted_with_kms,
    is_large_copy,
    meta_headers,
    object_info,
    unquoted,
    write_headers,
)
from s3_sync.providers.s3.lenient_xml import NOT_XML
from s3_sync.providers.s3.lifecycle import set_expiry_rule
from s3_sync.providers.s3.listing import Lister
from s3_sync.providers.s3.multipart import S3Upload, Uploads
from s3_sync.providers.s3.proved_writes import Expected, Writer
from s3_sync.providers.s3.retrieval import retrieve
from s3_sync.providers.s3.transport.base import Transport, Upload
from s3_sync.providers.s3.transport.sigv4 import Header
from s3_sync.providers.store_limits import Limits
from s3_sync.streams.reader import Body

log = logging.getLogger("s3-sync")

_WHOLE = GetOptions()
#: error code for a key that did not exist
_MISSING = "NoSuchKey"


@dataclass(frozen=True, slots=True)
class BucketView:
    """The bucket's name, the mapping's keys in it, and how objects are stored."""

    bucket: str
    namer: KeyNamer
    write: WriteOptions


class S3Bucket:
    """See ``Bucket``. Objects are transferred by ``transport``, all other requests are sent by the SDK."""

    def __init__(self, account: Account, transport: Transport, view: BucketView) -> None:
        self.name = view.bucket
        self.namer = view.namer
        dialect = account.dialect
        self.limits = limits_of(dialect)
        self._features = Features(
            multipart=dialect.multipart,
            one_stream=dialect.one_stream or not dialect.multipart,
            put_if_absent=dialect.put_if_absent,
            put_if_match=dialect.put_if_match,
            bulk_delete=dialect.max_deletes // 2,  # each name has two keys: its own and its manifest's
            keeps_underscores=dialect.keeps_underscores,
            archive_classes=frozenset(dialect.archive_classes),
            reads_parts=dialect.multipart and dialect.multipart_etag_is_md5s,
        )
        self._account = account
        self._transport = transport
        self._client = account.client
        self._write = view.write
        if view.write.kms_key:
            account.mark_opaque_etags(view.bucket)
        self._writer = Writer(account, transport, view.bucket, view.namer, self._other_headers)
        self._reader: Reader = self._writer.reader
        self._lister = Lister(account, view.bucket, view.namer)
        self._uploads = Uploads(account, self._writer, view.bucket, self._check_conditions)
        self._deletes = Deletes(account, view.bucket, self._writer.delete)

    @property
    def features(self) -> Features:
        return self._features if self._deletes.in_bulk else replace(self._features, bulk_delete=0)

    @property
    def _other_headers(self) -> tuple[Header, ...]:
        """The headers for what is stored beside the objects."""
        return tuple(write_headers(self._write.of_other_objects, self._account.dialect))

    @cached_property
    def manifests(self) -> StoredManifests:
        namer = self.namer.manifests
        view = BucketView(self.name, namer, self._write.of_other_objects)
        lister = self._lister.with_namer(namer)
        return StoredManifests(_ManifestBucket(self._account, self._transport, view, lister))

    @property
    def large_objects(self) -> LargeObjects:
        raise NotSupported("S3 has no large objects as Swift has them")

    @property
    def clock_offset(self) -> float:
        return self._account.clock.offset

    def probe_conditional_writes(self) -> None:
        account = self._account
        # a name that is configured proves nothing: only Amazon's own address is believed
        if account.credentials.conditional_put and not account.credentials.is_aws:
            self._features = account.cached(f"conditions of {self.name}", self._probe_conditions)

    def _probe_conditions(self) -> Features:
        key = self.namer.manifest_key(f"\0{uuid4()}")  # no object has this key, and no listing shows it
        self._writer.delete(key)  # what could not be deleted is not written, again at each attempt
        try:
            probe = ConditionProbe(self._writer, self._uploads, self.name, key, self._other_headers)
            absent, match = probe.run()
        finally:
            with suppress(ObjectLocked):  # 2 bytes under a key that no object has, until the lock ends
                self._writer.delete(key)
        held = {"If-None-Match": absent, "If-Match": match}
        log.info(
            "%s: conditions of writes that hold: %s", self.name, ", ".join(filter(held.get, held)) or "none"
        )
        return replace(self._features, put_if_absent=absent, put_if_match=match)

    # Objects

    def head_object(self, name: str) -> ObjectInfo:
        headers = self._head(self.namer.key(name))
        size = content_length(f"HEAD {self.name}", headers)
        return object_info(name, headers, size, self._account.dialect)

    def get_object(self, name: str, options: GetOptions = _WHOLE) -> OpenObject:
        return self._reader.get(name, self.namer.key(name), options)

    def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
        self._check_conditions(options.if_match, options.if_absent)
        if options.size > self.limits.max_put:
            raise InvalidRequest(f"{options.size} bytes in one PUT", code="EntityTooLarge")
        marked = self._marked(options)
        meta = marked if self._account.has_opaque_etags(self.name) else options.meta
        headers = (
            *meta_headers(meta, self._account.dialect),
            *write_headers(self._write, self._account.dialect),
            *write_conditions(options.if_match, options.if_absent),
        )
        upload = Upload(self.name, self.namer.key(name), body, options.size, options.md5, headers)
        try:
            written = self._writer.put(upload)
        except NotFound as error:
            raise without_object(error, options.if_match) from error
        if written.md5 is None and meta is not marked and self._account.has_opaque_etags(self.name):
            # only until the bucket is known to have opaque ETags: later PUTs send the mark themselves
            return PutResult(self._replace_meta(name, marked, written.etag, written.head))
        return PutResult(written.etag)

    def post_object(self, name: str, meta: ObjectMeta, if_match: str | None = None) -> None:
        self._replace_meta(name, meta, if_match)

    def _replace_meta(
        self, name: str, meta: ObjectMeta, if_match: str | None, current: Mapping[str, str] | None = None
    ) -> str:
        """Replace the metadata by a copy onto itself. Returns the object's new ETag. ``current``: the headers
        of a HEAD just made."""
        key = self.namer.key(name)
        what = f"COPY {self.name}/{key}"
        if current is None:
            current = self._head(key)
        if is_archived(current, self._account.dialect):
            raise Archived(f"{name} is in an archive class", code="InvalidObjectState")
        if (size := content_length(f"HEAD {self.name}/{key}", current)) > self.limits.max_copy:
            raise NotSupported(f"{name} is larger than {self.limits.max_copy} bytes, the limit of a copy")
        headers = dict(meta_headers(meta, self._account.dialect))
        headers.update(copy_headers(self._write, self._account.dialect, current))
        headers["x-amz-metadata-directive"] = "REPLACE"
        if if_match is not None:
            headers[self._account.dialect.copy_condition] = f'"{if_match}"'
        with translated(what):
            response = self._client.copy_object(
                Bucket=self.name,
                Key=key,
                CopySource={"Bucket": self.name, "Key": key},
                **{RAW_HEADERS: headers},
            )
        if etag := unquoted(response.get("CopyObjectResult", {}).get("ETag", "")):
            return etag
        why, status = "a HEAD does not show the new metadata", response["ResponseMetadata"]["HTTPStatusCode"]
        unproved = unexpected(what, why, self._account.endpoint, status)
        expected = Expected(size, unquoted(current["etag"]), marks=tuple(headers.items()))
        return self._writer.confirm(key, expected, unproved).etag

    def _marked(self, options: PutOptions) -> ObjectMeta:
        """The metadata with a mark for the MD5, for stores whose ETags are not MD5s, if it fits."""
        if options.md5 is None or "swift-etag" in options.meta.marks:
            return options.meta
        marked = options.meta.marked(swift_etag=options.md5)
        size = metadata_size(marked, self._features.keeps_underscores)
        return marked if size <= self.limits.max_metadata else options.meta

    def retrieve_object(self, name: str, days: int, tier: str) -> Retrieval:
        key = self.namer.key(name)
        head = self._head(key)
        found = retrieve(self._account, self.name, key, head, days, tier)
        if is_large_copy(head):
            of_manifest = self._retrieve_manifest(self.namer.manifest_key(name), days, tier)
            found = of_manifest if found is Retrieval.READABLE else found
        return found

    def _retrieve_manifest(self, key: str, days: int, tier: str) -> Retrieval:
        """Somebody else's lifecycle rule may have moved stored manifests to an archive class, too."""
        try:
            head = self._head(key)
        except NotFound:
            return Retrieval.READABLE
        if not is_archived(head, self._account.dialect):
            return Retrieval.READABLE
        return retrieve(self._account, self.name, key, head, days, tier)

    def delete_object(self, name: str, deleted_at: Timestamp | None = None) -> bool:
        """S3 does not report whether the object existed: True unless the store says that it did not."""
        key, manifest = self.namer.key(name), self.namer.manifest_key(name)
        if self._deletes.in_bulk and not NOT_XML.search(key):
            try:
                errors = self._deletes.many(f"DELETE {self.name}/{key}", [key, manifest])
            except NotSupported:
                return self.delete_object(name)
            for error in errors.values():
                if error.code != _MISSING:
                    raise error
            return key not in errors
        found = self._writer.delete(key)
        self._writer.delete(manifest)
        return found

    def delete_objects(self, names: Sequence[str]) -> Failures:
        if len(names) > self.features.bulk_delete:
            raise NotSupported(f"{len(names)} deletes in one request")
        failed: Failures = {}
        keys: dict[str, str] = {}
        for name in names:
            key = self.namer.key(name)
            if not NOT_XML.search(key):
                keys[key] = keys[self.namer.manifest_key(name)] = name
                continue
            try:
                self.delete_object(name)
            except RemoteError as error:
                failed[name] = error
        errors = self._deletes.many(f"DELETE {len(names)} of {self.name}", list(keys)) if keys else {}
        failed.update((keys.get(key, key), error) for key, error in errors.items() if error.code != _MISSING)
        return failed

    def list_objects(self, query: ListQuery) -> ListPage:
        return self._lister.page(query)

    # Multipart uploads

    def create_upload(self, name: str, meta: ObjectMeta) -> S3Upload:
        dialect = self._account.dialect
        headers = (*meta_headers(meta, dialect), *write_headers(self._write, dialect))
        return self._uploads.create(name, self.namer.key(name), headers)

    def upload_by_id(self, name: str, upload_id: str) -> S3Upload:
        return S3Upload(self._uploads, name, self.namer.key(name), upload_id)

    def list_uploads(self, name: str | None = None) -> Iterator[OpenUpload]:
        for key, upload_id, begun in self._uploads.open_uploads(self.namer.key(name or "")):
            found = self.namer.name(key)
            if found is not None and name in (None, found):
                yield OpenUpload(found, upload_id, begun)

    def set_expiry_rule(self, days: int) -> bool:
        return set_expiry_rule(self._account, self.name, self.namer.key_spaces, days)

    def post_container(self, headers: Mapping[str, str]) -> None:
        raise NotSupported("S3 has no metadata of containers")

    def close(self) -> None:
        """Does nothing: connections belong to the provider."""

    # Internals

    def _head(self, key: str) -> Mapping[str, str]:
        headers = self._reader.head(key)
        if is_encrypted_with_kms(headers):
            self._account.mark_opaque_etags(self.name)
        return headers

    def _check_conditions(self, if_match: str | None, if_absent: bool) -> None:
        features = self.features
        if (if_match is not None and not features.put_if_match) or (if_absent and not features.put_if_absent):
            raise NotSupported(f"{self._account.dialect.name}: this write condition is not supported")


class _ManifestBucket(S3Bucket):
    """The stored manifests of a mapping as objects: in the default storage class, and without marks."""

    def __init__(self, account: Account, transport: Transport, view: BucketView, lister: Lister) -> None:
        super().__init__(account, transport, view)
        self.limits = Limits()
        self._lister = lister

    def get_object(self, name: str, options: GetOptions = _WHOLE) -> OpenObject:
        return self._reader.get(name, self.namer.key(name), options, dated=False)

    def delete_object(self, name: str, deleted_at: Timestamp | None = None) -> bool:
        return self._writer.delete(self.namer.key(name))

    def _marked(self, options: PutOptions) -> ObjectMeta:
        return options.meta


def limits_of(dialect: Dialect) -> Limits:
    """The limits of a store."""
    names = [field.name for field in fields(Limits) if field.name in Dialect.model_fields]
    return Limits(**{name: getattr(dialect, name) for name in names})
