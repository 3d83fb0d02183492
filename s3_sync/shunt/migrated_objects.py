"""Objects that a client's request brings into the cluster before the migration gets to them.

They are written as swift-s3-migrator writes them, with the source's time and its mark, so that it finds them
equal and does not copy them again.
"""

from __future__ import annotations

import time

from s3_sync.config.settings import Mapping
from s3_sync.largeobject.manifest import parts_of
from s3_sync.model.migration import OWNER, SOURCE, SOURCE_ETAG, source_version
from s3_sync.model.objects import GetOptions, ObjectInfo
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import Bucket, ListQuery
from s3_sync.shunt.headers import written_at
from s3_sync.shunt.manifest_cache import is_dynamic
from s3_sync.shunt.mapping_table import MappedContainer
from s3_sync.transfer.restore import Migrated


def can_migrate(target: MappedContainer, info: ObjectInfo) -> bool:
    """Return whether a restore writes the object as a migration does. True if there is no migration.

    Other objects are read from the source until the migration has copied them: DLOs, whose segments come
    first; objects in parts that the source does not tell, and others without an MD5; large objects of a
    container that is renamed; and what has not been unchanged for long enough.
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
    if info.x_timestamp is not None:
        return target.mapping.bucket == target.mapping.container
    return is_in_parts(info) and target.bucket.features.reads_parts


def version_at_source(bucket: Bucket, info: ObjectInfo) -> Timestamp:
    """Return the time that the object has once it is migrated, the same as the migration computes it. That
    takes a listing where the store has no X-Timestamp. Raises RemoteError."""
    if info.x_timestamp is not None:
        return info.x_timestamp
    found = bucket.list_objects(ListQuery(prefix=info.name, limit=1)).objects
    same = [entry for entry in found if entry.name == info.name and entry.size == info.size]
    return source_version(same[0].last_modified if same else 0.0, info.last_modified)


def as_migrated(mapping: Mapping, bucket: Bucket, info: ObjectInfo) -> Migrated:
    """Return what a restore of the object needs to know. Raises RemoteError."""
    version = version_at_source(bucket, info)
    marks = {"x-timestamp": version.internal, **_owned(mapping, version)}
    return Migrated(version, marks, _first_part(bucket, info) if is_in_parts(info) else 0)


def object_marks(mapping: Mapping, migrated: Migrated, info: ObjectInfo, is_one: bool) -> dict[str, str]:
    """Return the marks of the migrated object. ``is_one``: it becomes an SLO, and is one object at the
    source."""
    marks = _owned(mapping, migrated.version)
    return {**marks, SOURCE_ETAG: info.etag} if is_one else marks


def is_in_parts(info: ObjectInfo) -> bool:
    """Return whether the object was uploaded in parts to a store that is no Swift."""
    return info.x_timestamp is None and info.md5 is None and parts_of(info.etag) > 0


def _first_part(bucket: Bucket, info: ObjectInfo) -> int:
    """Return the size of the first part, in bytes."""
    with bucket.get_object(info.name, GetOptions(part=1, if_match=info.etag)) as part:
        return info.size if part.byte_range is None else part.byte_range[1] + 1


def _owned(mapping: Mapping, version: Timestamp) -> dict[str, str]:
    return {OWNER: version.internal, SOURCE: mapping.source_digest}
