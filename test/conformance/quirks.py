"""What a store can do differently from S3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from s3_sync.providers.checks.base import Finding


@dataclass(frozen=True)
class Quirks:
    """``refused_names``: ids of names (see names.py) that the store does not take. ``renamed``: id -> what is
    there after it said that it took the name, None for nothing at all."""

    refused_names: frozenset[str] = frozenset()
    renamed: Mapping[str, str | None] = field(default_factory=dict)
    #: ids of names under which uploads cannot be begun, or that a listing of uploads gets wrong
    unlisted_uploads: frozenset[str] = frozenset()
    #: takes any secret, and any Content-MD5: what it got is compared with the answer's ETag only
    checks_nothing: bool = False
    #: operations whose If-Match is not looked at: get, copy, copy_part, complete
    ignores_if_match: frozenset[str] = frozenset()
    #: headers that are not kept with an object
    lost_headers: frozenset[str] = frozenset()
    #: underscores in metadata names become hyphens in multipart uploads
    underscores_lost_in_parts: bool = False
    #: bytes of user metadata
    metadata_limit: int = 2048
    #: an underscore in the name of metadata becomes a hyphen, also where a signature of version 2 is checked
    hyphenates_metadata: bool = False
    #: an object's name can go on, behind a slash, as another object's name
    names_below_names: bool = True
    #: only / delimits
    only_slashes_delimit: bool = False
    #: a start in the middle of what is rolled up leaves all of that out
    forgets_group_of_start: bool = False
    #: the ETag of a multipart upload becomes the MD5 of the whole object
    forgets_parts: bool = False
    #: the ETag of a multipart upload is no digest of anything
    opaque_parts: bool = False
    #: gives one part of an object that was uploaded in parts
    tells_parts: bool = True
    #: parts that are not the last one can be of any size
    small_parts: bool = False
    #: a part cannot be replaced
    parts_once: bool = False
    #: a part of an upload that is not there brings an internal error
    breaks_without_upload: bool = False
    #: a part cannot be copied from an object
    copies_no_parts: bool = False
    #: nor from one in whose name something looks encoded
    copies_no_encoded_parts: bool = False
    #: all uploads seem to have begun at the same moment, years ago
    constant_begin: bool = False
    #: all buckets seem to be created at the same moment, years ago
    constant_creation: bool = False
    #: takes STANDARD_IA, and tells it
    storage_classes: bool = True
    #: has none, and is not asked for one
    ignores_storage_classes: bool = False
    #: what turns out when conditions of writes are tried: If-None-Match, If-Match
    conditions: tuple[bool, bool] = (True, True)
    #: takes a checksum that comes behind the body
    takes_trailers: bool = True
    #: an account has a name and a secret; otherwise the secret tells both
    has_identity: bool = True
    #: what POST does not name stays
    merges_metadata: bool = False
    #: a delete in a bucket that is missing looks like one of a missing object
    hides_missing_buckets: bool = False
    #: has rules that make objects expire
    expires: bool = True
    #: does not give the bytes of what is in GLACIER
    archives: bool = True
    #: has multipart uploads
    parts: bool = True
    #: manifests are objects beside the others
    stores_manifests: bool = True
    #: a bucket that is missing is made with its first object, and an empty one until then
    creates_buckets: bool = False
    #: ETags are the store's own, and differ from one write to the next; the MD5 is a property beside them
    opaque_etags: bool = False
    #: uploads are begun at the store, which lists those that are not complete
    lists_uploads: bool = True
    #: sorts by UTF-16, so characters above U+FFFF come before some others
    sorts_utf16: bool = False
    #: what it sends of a range outside of the object contradicts itself
    breaks_ranges: bool = False
    #: names of a class that is not the usual one, and of an archive
    classes: tuple[str, str] = ("STANDARD_IA", "GLACIER")
    #: values of metadata that come back as others: ids of VALUES in test_metadata.py
    changed_values: Mapping[str, str] = field(default_factory=dict)
    #: check of ``swift-s3-verify`` -> what it finds beside what the credentials say of the store
    found: Mapping[str, Finding] = field(default_factory=dict)
