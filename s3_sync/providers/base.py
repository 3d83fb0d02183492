"""The interface of remote stores: ``Provider`` and ``Bucket``.

``Features`` lists what a store supports; everything else raises NotSupported. The same conformance suite
(test/conformance) runs against every provider and every wrapper.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from types import TracebackType
from typing import Protocol

from s3_sync.errors import RemoteError
from s3_sync.model.keys import KeyNamer
from s3_sync.model.lifetime import FOR_EVER, Lifetime
from s3_sync.model.objects import (
    ByteRange,
    GetOptions,
    ListedObject,
    ObjectInfo,
    ObjectMeta,
    PutOptions,
    PutResult,
)
from s3_sync.model.segment_names import SegmentNamer
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.large_objects import LargeObjects, Manifests
from s3_sync.providers.store_limits import Limits
from s3_sync.streams.reader import Body

#: above any limit: for stores that refuse what is too large before they read a byte
ANY_SIZE = 2**62
#: how fast an object is retrieved, the cheapest tier first
RETRIEVAL_TIERS = ("Bulk", "Standard", "Expedited")


#: errors by name
Failures = dict[str, RemoteError]


@dataclass(frozen=True, slots=True)
class Features:
    """Features of a store. Using one that is False raises NotSupported."""

    multipart: bool = True
    #: a multipart upload is begun at the store, and stays open there until it is completed or aborted
    open_uploads: bool = True
    #: a large object that fits into one PUT is sent as one, and not in parts
    one_stream: bool = False
    #: the conditions of PutOptions and MultipartUpload.complete are enforced
    put_if_absent: bool = False
    put_if_match: bool = False
    #: maximum number of names per delete_objects call; 0: it raises NotSupported
    bulk_delete: int = 0
    #: metadata names keep their underscores: without a mark (``model.headers``)
    keeps_underscores: bool = True
    #: storage classes whose objects can be listed and deleted, but must be retrieved before they are read or
    #: copied; of other objects, such as those of INTELLIGENT_TIERING, a HEAD shows that
    archive_classes: frozenset[str] = frozenset()
    #: the store is a Swift: its objects have an X-Timestamp, and a daemon there may copy them to this cluster
    x_timestamp: bool = False
    #: the store keeps SLOs and DLOs as what they are: see LargeObjects
    native_large_objects: bool = False
    #: symlinks: objects without bytes whose ``ObjectMeta.link`` names their target; never followed here
    symlinks: bool = False
    #: post_container
    container_metadata: bool = False
    #: ``GetOptions.part``; not all servers of such a store know it
    reads_parts: bool = False

    @property
    def conditional_put(self) -> bool:
        """Whether any observed state of a name, absent or a certain ETag, can be the condition of a write."""
        return self.put_if_absent and self.put_if_match


@dataclass(frozen=True, slots=True)
class ListQuery:
    """``limit``: maximum number of entries per page.

    ``start_after``: list names strictly greater. Names are compared before they are rolled up into a common
    prefix, so a prefix is listed again if more names below it follow; but a ``start_after`` that is itself a
    common prefix (ends with the delimiter) skips everything below it.
    """

    prefix: str = ""
    start_after: str = ""
    delimiter: str = ""
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class ListPage:
    """``objects`` and ``prefixes``, each sorted by UTF-8 bytes of the name.

    ``next_after``: the ``start_after`` of the next page; None on the last page. An empty page may have a next
    one.
    """

    objects: tuple[ListedObject, ...]
    prefixes: tuple[str, ...] = ()
    next_after: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One uploaded part: ``number`` from 1, ``etag`` unquoted as the store returned it.

    ``md5``: hex MD5 of the bytes, if known. The ETag of the completed upload is verified if the MD5 of every
    part is known. ``checksum``: as the store returned it, if it must be repeated at the upload's end.
    """

    number: int
    etag: str
    size: int
    md5: str | None = None
    checksum: str | None = None


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """A multipart upload that is neither completed nor aborted. ``begun``: seconds since the epoch, 0.0 if
    unknown."""

    name: str
    upload_id: str
    begun: float = 0.0


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How one mapping's objects are stored: ``storage_class`` (empty: the store's default), and whether to
    ``encrypt`` them at the store; with ``kms_key`` by its key service and this key. ``acl``: a canned ACL;
    ``tags``: keys and values.

    At a Swift: ``storage_policy`` of containers that are created (empty: the cluster's default), ``lifetime``
    of the objects, the ``writer`` that they are marked with (``model.copies``), and ``segments``: where those
    of large objects are."""

    storage_class: str = ""
    encrypt: bool = False
    kms_key: str = ""
    acl: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    storage_policy: str = ""
    lifetime: Lifetime = FOR_EVER
    writer: str = ""
    segments: SegmentNamer | None = None

    @property
    def of_other_objects(self) -> WriteOptions:
        """The options for what is stored beside the objects, such as manifests: in the default class."""
        return replace(self, storage_class="")


class Retrieval(Enum):
    """What ``Bucket.retrieve_object`` found."""

    BEGUN = "begun"
    #: it was requested before, and is not complete
    RUNNING = "running"
    #: the object can be read
    READABLE = "readable"


class GetResult(Protocol):
    """An open GET; a context manager that releases the connection."""

    info: ObjectInfo
    #: first and last byte of ``body``, None for the whole object
    byte_range: tuple[int, int] | None
    body: Body

    def close(self) -> None:
        """Release the connection. May be called twice."""
        ...

    def __enter__(self) -> GetResult: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class MultipartUpload(Protocol):
    """One multipart upload of one object, until it is completed or aborted."""

    name: str
    upload_id: str

    def upload_part(self, number: int, body: Body, size: int, md5: str | None = None) -> Part:
        """Send one part; a part with the same number is replaced. Raises BadDigest as put_object does, and
        NotFound (no such upload)."""
        ...

    def copy_part(self, number: int, byte_range: ByteRange, if_match: str | None = None) -> Part:
        """Copy a range of the current object of that name into a part; ``byte_range.last`` must be set.

        Raises PreconditionFailed, NotFound, Archived, NotSupported."""
        ...

    def complete(
        self, parts: Sequence[Part], if_match: str | None = None, if_absent: bool = False
    ) -> PutResult:
        """Assemble the object from these parts, which are ordered by number; conditions as in PutOptions.

        Raises BadDigest when a part's ETag differs from the store's, or the ETag of the object does not
        follow from the parts; PreconditionFailed; NotFound (no such upload)."""
        ...

    def abort(self) -> None:
        """Idempotent: an unknown upload is no error."""
        ...


class Bucket(Protocol):
    """One remote bucket with one mapping's KeyNamer: all names are Swift names.

    Every method may raise any RemoteError; those listed are part of the contract.
    """

    name: str
    namer: KeyNamer
    limits: Limits

    @property
    def features(self) -> Features: ...

    @property
    def manifests(self) -> Manifests: ...

    @property
    def large_objects(self) -> LargeObjects:
        """Raises NotSupported without ``native_large_objects``."""
        ...

    @property
    def clock_offset(self) -> float:
        """Upper bound of the seconds by which the store's clock is ahead of this machine's, from its last
        response; negative: behind; 0.0: no difference is proved."""
        ...

    def probe_conditional_writes(self) -> None:
        """If the configuration wants conditional writes and the store is not known to support them, probe it
        with a few small writes, which are removed; ``features`` then has the result."""
        ...

    def head_object(self, name: str) -> ObjectInfo:
        """Raises NotFound."""
        ...

    def get_object(self, name: str, options: GetOptions = ...) -> GetResult:
        """Raises NotFound, PreconditionFailed, Archived, and InvalidRequest for an unsatisfiable range;
        NotSupported for a part, without ``features.reads_parts`` or if the server does not know it, and for
        ``stored`` without ``features.native_large_objects``.

        The ``status`` of a PreconditionFailed is 304 for if_none_match, else 412. The body's ``rewind`` sends
        another GET, for exactly the same version.
        """
        ...

    def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
        """Store the object atomically: on failure, the old one is unchanged.

        Raises PreconditionFailed, NotFound (no such bucket), and BadDigest when the body does not match
        ``options.md5``, or is shorter or longer than ``options.size``. ``body`` is not closed. A later HEAD
        returns ``options.md5``: from the ETag, or from a mark where the store's ETag is not the MD5.

        With ``options.meta.link``, the object is a symlink: raises NotSupported without
        ``features.symlinks``, and LinkTargetMissing for a static link to what is not stored.
        """
        ...

    def post_object(self, name: str, meta: ObjectMeta, if_match: str | None = None) -> None:
        """Replace all metadata and keep the bytes. Raises NotFound, PreconditionFailed, Archived, and
        NotSupported for an object above ``limits.max_copy``.

        ``meta.link`` must be what is stored: PreconditionFailed if the object leads elsewhere, or is, or is
        no, symlink."""
        ...

    def retrieve_object(self, name: str, days: int, tier: str) -> Retrieval:
        """Request that the store make an object in an archive class readable for that many days, and its
        stored manifest, if that is in one, too. Retrieved objects stay readable for ``days`` from now.

        ``tier``: one of RETRIEVAL_TIERS; stores without tiers ignore it. The store charges for it. Raises
        NotFound, NotSupported, AccessDenied, and Archived if the store refuses to retrieve the object."""
        ...

    def delete_object(self, name: str, deleted_at: Timestamp | None = None) -> bool:
        """Delete the object and its stored manifest. Returns False if it is known to have been absent, which
        is no error.

        ``deleted_at``: when the local object was deleted. A Swift deletes no younger object then, but raises
        PreconditionFailed; other stores ignore it."""
        ...

    def delete_objects(self, names: Sequence[str]) -> Failures:
        """Delete up to ``features.bulk_delete`` names with one request, each as delete_object does.

        Returns the errors of single names; raises an error that affects all of them, and NotSupported."""
        ...

    def list_objects(self, query: ListQuery) -> ListPage:
        """List objects, without stored manifests and foreign keys."""
        ...

    def create_upload(self, name: str, meta: ObjectMeta) -> MultipartUpload:
        """Start a multipart upload; the caller must register its upload id for abort at once."""
        ...

    def upload_by_id(self, name: str, upload_id: str) -> MultipartUpload:
        """An upload that was created earlier, perhaps by another process. Sends no request."""
        ...

    def list_uploads(self, name: str | None = None) -> Iterator[OpenUpload]:
        """The open uploads of this mapping's names, or of one name, those of other clients included."""
        ...

    def set_expiry_rule(self, days: int) -> bool:
        """Set a rule by which the store deletes this mapping's objects and stored manifests, existing ones
        included, that many days after each was written; 0 removes the rule. Returns whether anything changed.

        Other rules of the bucket stay unchanged. Raises NotSupported, AccessDenied.
        """
        ...

    def post_container(self, headers: Mapping[str, str]) -> None:
        """Set metadata of the bucket itself: lower-case name of a Swift container's header -> value, empty to
        remove it; all others stay. Creates a bucket that is missing if put_object would. Raises NotSupported
        without ``features.container_metadata``, AccessDenied, and InvalidRequest for headers that the store
        does not take."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class BucketEntry:
    """One bucket of an account. ``created``: seconds since the epoch, 0.0 if unknown. ``count``, ``size``: of
    its objects, in bytes, as far as the store lists them; else 0."""

    name: str
    created: float = 0.0
    count: int = field(default=0, compare=False)
    size: int = field(default=0, compare=False)


class Provider(Protocol):
    """One remote account: one set of credentials at one endpoint, with its connections."""

    def bucket(self, name: str, namer: KeyNamer, write: WriteOptions = ...) -> Bucket: ...

    def list_buckets(self) -> Iterator[BucketEntry]:
        """Sorted by UTF-8 bytes of the name."""
        ...

    def head_bucket(self, name: str) -> Mapping[str, str]:
        """Return the headers of a Swift's container, lower-case name -> value; nothing from any other store.
        Raises NotFound, AccessDenied."""
        ...

    def head_account(self) -> Mapping[str, str]:
        """Return the headers of a Swift's account, as ``head_bucket``; nothing from any other store. Raises
        AccessDenied."""
        ...

    def create_bucket(self, name: str, storage_policy: str = "") -> None:
        """Create a bucket; no error if this account owns it already. ``storage_policy``: as in
        WriteOptions."""
        ...

    def delete_bucket(self, name: str) -> None:
        """Delete an empty bucket. Raises NotFound, and InvalidRequest if it is not empty."""
        ...

    def close(self) -> None: ...
