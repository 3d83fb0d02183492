"""Objects that a client's request brings into the cluster before the migration gets to them.

They are written as swift-s3-migrator writes them, with the source's time and its mark, so that it finds them
equal and does not copy them again.
"""

from __future__ import annotations

import time

from s3_sync.config.settings import Mapping
from s3_sync.model.migration import OWNER, SOURCE, SOURCE_ETAG, source_version
from s3_sync.model.objects import ObjectInfo
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import Bucket, ListQuery
from s3_sync.shunt.headers import written_at
from s3_sync.shunt.manifest_cache import is_dynamic
from s3_sync.shunt.mapping_table import MappedContainer


def can_migrate(target: MappedContainer, info: ObjectInfo) -> bool:
    """Return whether a restore writes the object as a migration does. True if there is no migration.

    Other objects are read from the source until the migration has copied them: DLOs, whose segments come
    first; objects that the source has put together of parts, whose segments are those parts; large objects of
    a container that is renamed; and what has not been unchanged for long enough.
    """
    migration = target.mapping.migration
    if migration is None:
        return True
    if migration.older_than is not None and written_at(info).seconds > time.time() - migration.older_than:
        return False
    if is_dynamic(info) or info.meta.link is not None:
        return False
    if info.md5 is not None:
        return True
    return info.x_timestamp is not None and target.mapping.bucket == target.mapping.container


def version_at_source(bucket: Bucket, info: ObjectInfo) -> Timestamp:
    """Return the time that the object has once it is migrated, the same as the migration computes it. That
    takes a listing where the store has no X-Timestamp. Raises RemoteError."""
    if info.x_timestamp is not None:
        return info.x_timestamp
    found = bucket.list_objects(ListQuery(prefix=info.name, limit=1)).objects
    same = [entry for entry in found if entry.name == info.name and entry.size == info.size]
    return source_version(same[0].last_modified if same else 0.0, info.last_modified)


def owned(mapping: Mapping, version: Timestamp) -> dict[str, str]:
    """Return the marks of what this migration has written."""
    return {OWNER: version.internal, SOURCE: mapping.source_digest}


def source_etag(info: ObjectInfo) -> dict[str, str]:
    """Return the mark of an SLO that is one object at its source."""
    return {SOURCE_ETAG: info.etag}
