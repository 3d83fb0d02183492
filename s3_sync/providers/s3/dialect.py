"""The differences between S3-compatible stores, as properties. Code checks a property, never a name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from s3_sync.config.credentials.s3 import S3Credentials

Addressing = Literal["path", "virtual"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One family of stores. The defaults are those of an unknown clone."""

    name: str
    #: path or virtual-hosted addressing, unless configured
    addressing: Addressing = "path"
    #: the region to sign requests for, unless configured
    region: str = "us-east-1"
    #: each bucket has its own region, which a HEAD of the bucket returns
    buckets_have_regions: bool = False
    #: credentials may come from the environment, files or the instance
    ambient_credentials: bool = False
    #: supports x-amz-server-side-encryption
    encrypts: bool = False
    #: enforces If-None-Match: * on writes; and If-Match
    put_if_absent: bool = False
    put_if_match: bool = False
    #: supports DeleteObjects
    multi_delete: bool = True
    #: DeleteObjects needs Content-MD5; newer checksums are not supported
    delete_needs_md5: bool = True
    #: listings support encoding-type=url
    encodes_listings: bool = True
    #: supports S3 lifecycle rules
    expires: bool = True
    #: accepts bodies with unsigned payload over plain http
    unsigned_over_http: bool = True
    #: decompresses objects with Content-Encoding: gzip unless the client accepts gzip
    unpacks_gzip: bool = False


AWS = Dialect(
    "aws",
    addressing="virtual",
    buckets_have_regions=True,
    ambient_credentials=True,
    encrypts=True,
    put_if_absent=True,
    put_if_match=True,
    delete_needs_md5=False,
    unsigned_over_http=False,
)
CLONE = Dialect("clone")
#: Google's XML API in interoperability mode: no multi-object delete, no encoding-type, and its own format of
#: lifecycle rules, without IDs by which we could recognise ours
GOOGLE = Dialect(
    "google", multi_delete=False, encodes_listings=False, expires=False, region="auto", unpacks_gzip=True
)


def dialect_of(credentials: S3Credentials) -> Dialect:
    """The dialect of the store at this endpoint."""
    if credentials.is_aws:
        refused = credentials.conditional_put is False
        return replace(AWS, put_if_absent=False, put_if_match=False) if refused else AWS
    return GOOGLE if credentials.is_google else CLONE
