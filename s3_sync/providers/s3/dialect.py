"""What stores that speak S3 do differently, as values. Code asks for a property, never for a name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from s3_sync.config.settings import Credentials

Addressing = Literal["path", "virtual"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One family of stores. The defaults are those of a clone of which nothing is known."""

    name: str
    #: where the bucket's name stands, unless the configuration says
    addressing: Addressing = "path"
    #: the region that requests are signed for, unless the configuration says
    region: str = "us-east-1"
    #: each bucket has a region of its own, which a HEAD of the bucket tells
    buckets_have_regions: bool = False
    #: credentials may come from the environment, files or the instance
    ambient_credentials: bool = False
    #: x-amz-server-side-encryption is understood
    encrypts: bool = False
    #: If-None-Match: * of a write really holds; so does If-Match
    put_if_absent: bool = False
    put_if_match: bool = False
    #: one request deletes several keys
    multi_delete: bool = True
    #: that request needs Content-MD5; the newer checksums are not known
    delete_needs_md5: bool = True
    #: keys in listings can be asked for percent-encoded
    encodes_listings: bool = True
    #: rules of the bucket delete what is old, in S3's own form
    expires: bool = True
    #: a body whose hash was not signed is taken over plain http
    unsigned_over_http: bool = True
    #: what is stored with Content-Encoding: gzip is unpacked for whoever does not say that he takes gzip
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
#: Google's XML API in its interoperability mode: no multi-object delete, no encoding-type, and rules of a
#: form of its own, without IDs, so that nobody can tell whose they are
GOOGLE = Dialect(
    "google", multi_delete=False, encodes_listings=False, expires=False, region="auto", unpacks_gzip=True
)


def dialect_of(credentials: Credentials) -> Dialect:
    """What is to be expected behind this endpoint."""
    if credentials.is_aws:
        refused = credentials.conditional_put is False
        return replace(AWS, put_if_absent=False, put_if_match=False) if refused else AWS
    return GOOGLE if credentials.is_google else CLONE
