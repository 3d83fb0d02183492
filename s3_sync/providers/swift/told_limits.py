"""The limits that a Swift tells of itself (``/info``), for objects that it has refused.

They are not asked for beforehand: that would be a request for objects of which most are far below any limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from s3_sync.errors import InvalidRequest
from s3_sync.model.objects import ObjectMeta
from s3_sync.providers.base import Bucket
from s3_sync.providers.limits import check_limits
from s3_sync.providers.store_limits import GIB, ItemLimits, Limits
from s3_sync.providers.swift.transport import SwiftTransport

#: statuses of Swift's constraints (swift.common.constraints)
_REFUSED = (400, 413)


def told_limits(info: Mapping[str, Any]) -> Limits:
    """Return the limits for plain objects. Of what is not told: Swift's defaults
    (swift.common.constraints)."""
    told = info.get("swift")

    def limit(name: str, default: int) -> int:
        found = told.get(name) if isinstance(told, Mapping) else None
        return found if isinstance(found, int) and found > 0 else default

    return Limits(
        max_name=limit("max_object_name_length", 1024),
        max_metadata=limit("max_meta_overall_size", 4096),
        metadata_items=ItemLimits(
            count=limit("max_meta_count", 90),
            name=limit("max_meta_name_length", 128),
            value=limit("max_meta_value_length", 256),
        ),
        max_put=limit("max_file_size", 5 * GIB + 2),
    )


@contextmanager
def refusal_explained(
    transport: SwiftTransport, bucket: Bucket, name: str, meta: ObjectMeta, size: int
) -> Iterator[None]:
    """Raise ObjectRefused instead of InvalidRequest if the cluster can never take this object."""
    try:
        yield
    except InvalidRequest as error:
        if error.status in _REFUSED:
            check_limits(bucket, name, meta, size, told_limits(transport.info()))
        raise
