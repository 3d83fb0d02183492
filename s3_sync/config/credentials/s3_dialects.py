"""The table of S3 stores: how they differ, as properties. Code checks a property, never a name.

``s3_dialects_page`` makes the tables of docs/stores.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from s3_sync.config.file.base import FileModel
from s3_sync.config.file.types import Text, as_tuple

Addressing = Literal["path", "virtual"]
StoreName = Literal[
    "aws",
    "google",
    "swift",
    "ceph",
    "minio",
    "cloudflare",
    "backblaze",
    "wasabi",
    "scaleway",
    "storj",
    "storagegrid",
    "digitalocean",
    "ibm",
    "alibaba",
    "huawei",
    "tencent",
    "seaweedfs",
    "dreamhost",
    "selectel",
    "synology",
    "hcp",
    "fastly",
    "rclone",
]
MIB = 1024 * 1024
GIB = 1024 * MIB
TIB = 1024 * GIB
_Bytes = Annotated[int, Field(ge=1, le=2**53)]
_Texts = Annotated[tuple[Text, ...], BeforeValidator(as_tuple)]


class Dialect(FileModel):
    """The properties of a store. The defaults are careful: they hold for a store that is not known."""

    addressing: Addressing = Field(
        "path", description="Bucket in the path or in the host name, unless configured"
    )
    region: Text = Field("us-east-1", description="Region to sign for, unless configured")
    buckets_have_regions: bool = Field(False, description="A HEAD of a bucket tells the region to sign for")
    ambient_credentials: bool = Field(
        False, description="Keys may come from the environment, files or the instance"
    )
    tenants: bool = Field(True, description="Bucket names may have a tenant: `tenant:bucket`")
    signature_v2: bool = Field(True, description="Accepts signature version 2")
    unsigned_over_http: bool = Field(True, description="Accepts an unsigned payload without TLS")
    trailing_checksums: bool = Field(
        True, description="Accepts a checksum behind the body (with a `checksum` other than `md5`)"
    )
    declared_checksums: bool = Field(
        False,
        description="A multipart upload must declare the `checksum` of its parts, and repeat them at its end",
    )
    encrypts: bool = Field(False, description="Has SSE-S3 (`encryption`)")
    etag_is_md5: bool = Field(
        True, description="The ETag of a PUT is the MD5 of its bytes, unless KMS encrypts"
    )
    multipart_etag_is_md5s: bool = Field(
        True, description="The ETag of a multipart upload is the MD5 of its parts' MD5s, and their number"
    )
    put_if_absent: bool = Field(False, description="Enforces If-None-Match for writes")
    put_if_match: bool = Field(False, description="Enforces If-Match for writes")
    copy_condition: Literal["x-amz-copy-source-if-match", "x-amz-copy-if-match"] = Field(
        "x-amz-copy-source-if-match", description="Header of the condition on the source of a copy"
    )
    copies_parts: bool = Field(True, description="Has UploadPartCopy: metadata of objects above `max_copy`")
    copies_parts_of_any_key: bool = Field(
        False, description="UploadPartCopy decodes the key of its source once, also one with % or ?"
    )
    multipart: bool = Field(True, description="Has multipart uploads")
    one_stream: bool = Field(
        False, description="A large object of up to `max_put` bytes is sent as one PUT, not in parts"
    )
    max_name: _Bytes = Field(1024, description="Bytes of a key")
    max_metadata: _Bytes = Field(2048, description="Bytes of user metadata, names and values")
    max_put: _Bytes = Field(5 * GIB, description="Bytes of one PUT")
    max_copy: _Bytes = Field(5 * GIB, description="Bytes of one copy")
    min_part: _Bytes = Field(5 * MIB, description="Bytes of each part but the last")
    max_part: _Bytes = Field(5 * GIB, description="Bytes of each part")
    max_parts: int = Field(1000, ge=1, le=10_000, description="Parts of one upload")
    equal_parts: bool = Field(False, description="All parts but the last must have the same size")
    max_deletes: int = Field(1000, ge=0, le=1000, description="Keys of one DeleteObjects; 0: it has none")
    delete_needs_md5: bool = Field(True, description="DeleteObjects needs Content-MD5")
    list_version: Literal[1, 2] = Field(2, description="Version of ListObjects; 2 falls back to 1")
    encodes_listings: bool = Field(True, description="Listings have encoding-type=url")
    expires: bool = Field(True, description="Has lifecycle rules (`remote_delete_after`)")
    rule_form: Literal["s3", "google"] = Field("s3", description="Form of the lifecycle rules")
    unpacks_gzip: bool = Field(False, description="Unpacks gzip for clients that do not accept it")
    keeps_metadata: bool = Field(True, description="Keeps metadata for good, not only until its next start")
    keeps_underscores: bool = Field(True, description="Metadata names keep their underscores")
    storage_classes: _Texts = Field((), description="Storage classes; empty: not known")
    archive_classes: _Texts = Field(
        ("GLACIER", "DEEP_ARCHIVE"),
        description="Storage classes whose objects the store must retrieve before they can be read",
    )
    name: str = Field("unknown", exclude=True)

    def with_changes(self, changes: Dialect | None) -> Dialect:
        """Return this dialect with the properties that ``changes`` sets explicitly."""
        if changes is None:
            return self
        return self.model_copy(update={name: getattr(changes, name) for name in changes.model_fields_set})


#: what nothing is known about
CLONE = Dialect(name="clone")


#: host names of public stores; buckets and regions stand before them
HOSTS: Mapping[str, tuple[str, ...]] = {
    "aws": ("amazonaws.com", "amazonaws.com.cn"),
    "google": ("storage.googleapis.com",),
    "cloudflare": ("r2.cloudflarestorage.com",),
    "backblaze": ("backblazeb2.com",),
    "wasabi": ("wasabisys.com",),
    "scaleway": ("scw.cloud",),
    "storj": ("storjshare.io",),
    "digitalocean": ("digitaloceanspaces.com",),
    "ibm": ("cloud-object-storage.appdomain.cloud",),
    "alibaba": ("aliyuncs.com",),
    "huawei": ("myhuaweicloud.com", "myhuaweicloud.eu"),
    "tencent": ("myqcloud.com",),
    "dreamhost": ("dream.io",),
    "selectel": ("selcloud.ru",),
    "fastly": ("object.fastlystorage.app",),
}


_TABLE = (
    Dialect(
        name="aws",
        addressing="virtual",
        buckets_have_regions=True,
        ambient_credentials=True,
        tenants=False,
        signature_v2=False,
        unsigned_over_http=False,
        declared_checksums=True,
        encrypts=True,
        put_if_absent=True,
        put_if_match=True,
        copies_parts_of_any_key=True,
        max_parts=10_000,
        delete_needs_md5=False,
        storage_classes=(
            "STANDARD",
            "STANDARD_IA",
            "ONEZONE_IA",
            "INTELLIGENT_TIERING",
            "GLACIER_IR",
            "GLACIER",
            "DEEP_ARCHIVE",
            "REDUCED_REDUNDANCY",
            "OUTPOSTS",
            "SNOW",
            "EXPRESS_ONEZONE",
        ),
    ),
    # The interoperability endpoint (Cloud Storage, "XML API": HMAC keys with Amazon's signature, and its
    # headers as far as Google has the same ones). Objects that were uploaded in parts have no MD5, and an
    # ETag of no known form; parts cannot be copied, but whole objects of any size can. Conditions hold for
    # reads only. Deletes in bulk are documented, but not to be had everywhere: they fall back.
    Dialect(
        name="google",
        region="auto",
        max_parts=10_000,
        max_metadata=8192,
        max_put=5 * TIB,
        max_copy=5 * TIB,
        one_stream=True,
        tenants=False,
        trailing_checksums=False,
        multipart_etag_is_md5s=False,
        copies_parts=False,
        rule_form="google",
        unpacks_gzip=True,
        storage_classes=("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"),
        archive_classes=(),
    ),
    # the limits of parts are s3api's max_upload_part_num
    Dialect(
        name="swift",
        tenants=False,
        put_if_absent=True,
        copies_parts_of_any_key=True,
        expires=False,
        storage_classes=("STANDARD",),
        archive_classes=(),
    ),
    # Conditions hold for PUT without quotes only, and not at all for CompleteMultipartUpload. UploadPartCopy
    # decodes its source twice: for `a%20b` it copies from `a b`, and a % that begins no code ends the
    # gateway. And it has no conditions. Metadata names with `_` and with `-` are the same to it, also where
    # it checks a signature. Its storage classes are pools with names of the operator's choice.
    Dialect(
        name="ceph",
        max_parts=10_000,
        trailing_checksums=False,
        copy_condition="x-amz-copy-if-match",
        keeps_underscores=False,
        archive_classes=(),
    ),
    # it reads what it has moved to another store through to there
    Dialect(name="minio", tenants=False, max_parts=10_000, archive_classes=()),
    Dialect(
        name="cloudflare",
        region="auto",
        tenants=False,
        signature_v2=False,
        multipart_etag_is_md5s=False,
        max_metadata=8192,
        max_parts=10_000,
        equal_parts=True,
        storage_classes=("STANDARD", "STANDARD_IA"),
        archive_classes=(),
    ),
    Dialect(name="backblaze", tenants=False, signature_v2=False, max_parts=10_000),
    Dialect(name="wasabi", tenants=False, max_parts=10_000),
    Dialect(
        name="scaleway",
        tenants=False,
        storage_classes=("STANDARD", "ONEZONE_IA", "GLACIER"),
        archive_classes=("GLACIER",),
    ),
    Dialect(
        name="storj",
        tenants=False,
        min_part=64 * MIB,
        max_parts=10_000,
        copies_parts=False,
        expires=False,
    ),
    Dialect(name="storagegrid", tenants=False, max_parts=10_000),
    Dialect(name="digitalocean", tenants=False, max_parts=10_000, encodes_listings=False),
    Dialect(name="ibm", tenants=False, list_version=1, encodes_listings=False, multipart_etag_is_md5s=False),
    Dialect(name="alibaba", addressing="virtual", tenants=False, multipart_etag_is_md5s=False),
    Dialect(name="huawei", tenants=False, list_version=1, encodes_listings=False),
    Dialect(
        name="tencent",
        addressing="virtual",
        tenants=False,
        list_version=1,
        multipart_etag_is_md5s=False,
        archive_classes=("ARCHIVE", "DEEP_ARCHIVE"),
    ),
    Dialect(name="seaweedfs", list_version=1, encodes_listings=False, multipart_etag_is_md5s=False),
    Dialect(name="dreamhost", encodes_listings=False),
    Dialect(name="selectel", tenants=False, encodes_listings=False),
    Dialect(name="synology", tenants=False, multipart_etag_is_md5s=False),
    Dialect(name="hcp", tenants=False, multipart_etag_is_md5s=False),
    Dialect(name="fastly", tenants=False, etag_is_md5=False, multipart=False),
    # objects are files; all that it knows besides is in its memory
    Dialect(
        name="rclone",
        tenants=False,
        copies_parts=False,
        expires=False,
        keeps_metadata=False,
        archive_classes=(),
    ),
)

DIALECTS: Mapping[str, Dialect] = {dialect.name: dialect for dialect in _TABLE}
AWS, GOOGLE = DIALECTS["aws"], DIALECTS["google"]


@lru_cache(maxsize=1024)
def dialect_at(endpoint: str | None) -> Dialect:
    """Return the dialect of the store at ``endpoint``; None is AWS. One that is not known gets CLONE."""
    if endpoint is None:
        return AWS
    host = f".{urlsplit(endpoint).hostname or ''}"
    for name, suffixes in HOSTS.items():
        if any(host.endswith(f".{suffix}") for suffix in suffixes):
            return DIALECTS[name]
    return CLONE
