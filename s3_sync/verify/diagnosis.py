"""Why nothing works at all: tries the other ways of addressing a bucket and of signing requests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from s3_sync.errors import (
    AccessDenied,
    ClockSkewed,
    CredentialsRefused,
    NotFound,
    RemoteError,
    RemoteUnavailable,
)
from s3_sync.providers.base import ListQuery
from s3_sync.providers.checks.base import Site

#: in the message about a region that is not the bucket's (S3 API Reference, AuthorizationHeaderMalformed)
_REGION = re.compile(r"expecting '([A-Za-z0-9-]+)'")
_ONE = ListQuery(limit=1)


def is_fatal(error: RemoteError) -> bool:
    """Whether every other request would fail in the same way."""
    if isinstance(error, NotFound):
        return True  # of a PUT: no such bucket
    if isinstance(error, (CredentialsRefused, ClockSkewed, RemoteUnavailable)):
        return True
    return error.code == "AuthorizationHeaderMalformed" or error.status in (301, 307, 308)


def is_denied(error: Exception) -> bool:
    """Whether a permission is missing, which somebody can grant."""
    return type(error) is AccessDenied and not is_fatal(error)


def remedy(site: Site, error: RemoteError) -> Mapping[str, object]:
    """The properties with which the store answers a listing; empty if there are none, or if it answers
    anyway."""
    candidates = list(_candidates(site, error))
    if isinstance(error, (NotFound, ClockSkewed)) or not candidates or _answers(site, {}):
        return {}
    return next((changes for changes in candidates if _answers(site, changes)), {})


def _candidates(site: Site, error: RemoteError) -> Iterator[Mapping[str, object]]:
    known = site.properties
    if found := _REGION.search(str(error)):
        yield {"region": found[1]}
    if known.get("addressing_style") == "virtual":
        yield {"addressing_style": "path"}
    elif error.status:  # another host name helps only where there is a host
        yield {"addressing_style": "virtual"}
    if isinstance(error, CredentialsRefused) and known.get("signature_version") == "s3v4":
        yield {"signature_version": "s3"}
    if error.status and not known.get("buckets_have_regions"):
        yield {"buckets_have_regions": True}


def _answers(site: Site, changes: Mapping[str, object]) -> bool:
    bucket = site.bucket(**changes)
    if changes and bucket is site.bucket():
        return False
    try:
        bucket.list_objects(_ONE)
    except RemoteError:
        return False
    return True
