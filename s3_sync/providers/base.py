"""What a remote store looks like to the rest of the program: ``Provider`` and ``Bucket``.

A store that cannot do something says so in ``Features`` and raises NotSupported. The same conformance
suite (test/conformance) runs against every provider and every wrapper.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from s3_sync.errors import RemoteError
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ByteRange, GetOptions, ObjectInfo, ObjectMeta, PutOptions, PutResult
from s3_sync.streams.reader import Body

MIB = 1024 * 1024
GIB = 1024 * MIB
#: storage classes of S3 whose objects can be seen and deleted, but not read or copied without a restore
#: first; GLACIER_IR is not one of them, and of INTELLIGENT_TIERING the answer to a HEAD tells
ARCHIVE_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
#: of a stored manifest, in bytes; Swift's own limit is 8 MiB unless an operator raises it
MAX_MANIFEST = 64 * MIB


@dataclass(frozen=True, slots=True)
class Limits:
    """What the store can hold. All sizes in bytes.

    ``max_metadata``: sum of names and values of user metadata as sent. ``max_put`` and ``max_copy``: the
    largest object for one PUT, and for one server-side copy.
    """

    max_name: int = 1024
    max_metadata: int = 2048
    max_put: int = 5 * GIB
    max_copy: int = 5 * GIB
    min_part: int = 5 * MIB
    max_part: int = 5 * GIB
    max_parts: int = 10_000


#: what went wrong, by name
Failures = dict[str, RemoteError]


@dataclass(frozen=True, slots=True)
class Features:
    """What the store honours. A feature that is False makes its option raise NotSupported."""

    multipart: bool = True
    #: the conditions of PutOptions and complete_upload really hold
    put_if_absent: bool = False
    put_if_match: bool = False
    #: post_object works (on S3: a copy of the object onto itself)
    metadata_update: bool = True
    #: how many names delete_objects takes at once; 0 = it raises NotSupported
    bulk_delete: int = 0

    @property
    def conditional_put(self) -> bool:
        """Whatever was seen at a name, nothing, or a certain ETag, can be made the condition of a write."""
        return self.put_if_absent and self.put_if_match


@dataclass(frozen=True, slots=True)
class ListQuery:
    """``limit``: at most so many entries a page.

    ``start_after``: names strictly greater. Names are compared before they are rolled up into a prefix,
    so that a prefix comes again if there are more names below it; but a ``start_after`` that is itself
    such a prefix (ends with the delimiter) leaves out everything below.
    """

    prefix: str = ""
    start_after: str = ""
    delimiter: str = ""
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class ListPage:
    """``objects`` (``meta`` is None) and ``prefixes``, each sorted by UTF-8 bytes of the name.

    A listing knows the ``etag`` only, never the ``md5``: an ETag that equals an MD5 proves the same bytes,
    any other proves nothing. ``next_after``: give it as ``start_after`` for the next page; None at the
    end. A page may hold no entries and still have a next one.
    """

    objects: tuple[ObjectInfo, ...]
    prefixes: tuple[str, ...] = ()
    next_after: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One uploaded part: ``number`` from 1, ``etag`` unquoted as the store reported it.

    ``md5``: hex MD5 of the bytes, where it is known; the upload's final ETag is checked if it is known
    for all parts.
    """

    number: int
    etag: str
    size: int
    md5: str | None = None


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """A multipart upload that was begun and neither completed nor aborted. ``begun`` in seconds since the
    epoch, 0.0 = unknown."""

    name: str
    upload_id: str
    begun: float = 0.0


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How one mapping's objects are stored: in which class (empty = the store's default), and whether
    the store is asked to encrypt them."""

    storage_class: str = ""
    encrypt: bool = False


class GetResult(Protocol):
    """An open read; a context manager that gives the connection back."""

    info: ObjectInfo
    #: first and last byte delivered, None for the whole object
    byte_range: tuple[int, int] | None
    body: Body

    def __enter__(self) -> GetResult: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Bucket(Protocol):
    """One remote bucket seen through one mapping's KeyNamer: names in and out are Swift names.

    Every method may raise any RemoteError; the ones named are part of the contract.
    """

    name: str
    namer: KeyNamer
    limits: Limits

    @property
    def features(self) -> Features: ...

    @property
    def clock_off(self) -> float:
        """By how many seconds the store's clock may be ahead of this machine's, as its last answer tells;
        less than 0.0 = behind; 0.0 where it need not differ at all."""
        ...

    def probe_conditional_writes(self) -> None:
        """Where the configuration asks for conditions that the store is not known to honour: find out by
        trying, with some small writes that leave nothing; ``features`` says what came of it."""
        ...

    def head_object(self, name: str) -> ObjectInfo:
        """Raises NotFound."""
        ...

    def get_object(self, name: str, options: GetOptions = ...) -> GetResult:
        """Raises NotFound, PreconditionFailed, Archived; a range outside the object: InvalidRequest.

        ``status`` of a PreconditionFailed is 304 when if_none_match did not hold, else 412. The body's
        ``rewind`` asks the store again, for exactly the same version.
        """
        ...

    def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
        """All or nothing: afterwards the whole object is there, or the old one still is.

        Raises PreconditionFailed, NotFound (no such bucket), and BadDigest when the body does not hash to
        the promised MD5, or is shorter or longer than ``options.size``. ``body`` is not closed.
        A promised MD5 is known afterwards: where the store's ETag does not tell it, a mark does.
        """
        ...

    def post_object(self, name: str, meta: ObjectMeta, if_match: str | None = None) -> None:
        """Replace all metadata, bytes untouched. Raises NotFound, PreconditionFailed, Archived, and
        NotSupported for an object above ``limits.max_copy``."""
        ...

    def delete_object(self, name: str) -> bool:
        """Delete the object and its stored manifest. False = it was known not to be there; no error."""
        ...

    def delete_objects(self, names: Sequence[str]) -> Failures:
        """As delete_object, for up to ``features.bulk_delete`` names with one request.

        Returns what went wrong with single names; raises what went wrong with all of them, NotSupported."""
        ...

    def list_objects(self, query: ListQuery) -> ListPage:
        """Stored manifests and foreign keys are left out."""
        ...

    def create_upload(self, name: str, meta: ObjectMeta) -> str:
        """Begin a multipart upload; the caller registers the abort of this upload id at once."""
        ...

    def upload_part(
        self, name: str, upload_id: str, number: int, body: Body, size: int, md5: str | None = None
    ) -> Part:
        """Send one part; the same number again replaces it. Raises BadDigest as put_object, NotFound (no
        such upload)."""
        ...

    def copy_part(
        self, name: str, upload_id: str, number: int, byte_range: ByteRange, if_match: str | None = None
    ) -> Part:
        """Make a part of a range of the object that stands under the name now; ``byte_range.last`` is given.

        Raises PreconditionFailed, NotFound, Archived, NotSupported."""
        ...

    def complete_upload(
        self,
        name: str,
        upload_id: str,
        parts: Sequence[Part],
        if_match: str | None = None,
        if_absent: bool = False,
    ) -> PutResult:
        """Make the object of these parts, in the order of their numbers; conditions as in PutOptions.

        Raises BadDigest when a part's ETag is not what the store has, or the whole ETag is not the one
        that follows from the parts; PreconditionFailed; NotFound (no such upload).
        """
        ...

    def abort_upload(self, name: str, upload_id: str) -> None:
        """Idempotent: an unknown upload is no error."""
        ...

    def list_uploads(self, name: str | None = None) -> Iterator[OpenUpload]:
        """The open uploads of this mapping's names, or of one name, whoever began them."""
        ...

    # Stored manifests: what a large object consisted of, beside the object and under its name

    def put_manifest(self, name: str, manifest: bytes) -> None:
        """Store, or replace, the JSON as it is. Raises BadDigest."""
        ...

    def get_manifest(self, name: str) -> bytes:
        """Raises NotFound."""
        ...

    def delete_manifest(self, name: str) -> None:
        """That there is none is no error."""
        ...

    def has_manifests(self) -> bool:
        """Whether any manifest is stored for this mapping."""
        ...

    def set_expiry_rule(self, days: int) -> bool:
        """Have the store itself delete our objects, and their stored manifests, so many days after each was
        written, those that are there already included; 0 = have it stop. True = that was not so before.

        What others have told the bucket stays as it is. Raises NotSupported, AccessDenied.
        """
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class BucketEntry:
    """One bucket of an account. ``created`` in seconds since the epoch, 0.0 = unknown."""

    name: str
    created: float = 0.0


class Provider(Protocol):
    """One remote account: one set of credentials at one endpoint, with its connections."""

    def bucket(self, name: str, namer: KeyNamer, write: WriteOptions = ...) -> Bucket: ...

    def list_buckets(self) -> Iterator[BucketEntry]:
        """Sorted by UTF-8 bytes of the name."""
        ...

    def head_bucket(self, name: str) -> None:
        """Raises NotFound, AccessDenied."""
        ...

    def create_bucket(self, name: str) -> None:
        """A bucket that is there already and ours is no error."""
        ...

    def close(self) -> None: ...
