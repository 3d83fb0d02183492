"""What a migration leaves in the local cluster: ownership marks, states of containers, names of segments.

Migrations of earlier versions wrote the same marks and states, and their objects must still be recognised:
the names and values of this module must never change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from enum import Enum
from urllib.parse import unquote

from s3_sync.errors import ObjectRefused
from s3_sync.model.container_metadata import PREFIX
from s3_sync.model.headers import is_field_name, is_field_value
from s3_sync.model.timestamps import Timestamp

#: of an object that a migration has written: its X-Timestamp. A transient system header, so that any POST or
#: PUT by a client removes it: what clients have changed belongs to them
OWNER = "x-object-transient-sysmeta-multi-cloud-internal-migrator"
#: of an object that a migration has written: its source (``Mapping.source_digest``). Earlier versions
#: wrote none
SOURCE = f"{OWNER}-source"
#: of an SLO whose source is one object: the ETag of the source
SOURCE_ETAG = "x-object-transient-sysmeta-multi-cloud-internal-migrator-remote-etag"
#: of a container: one of ContainerState
CONTAINER_STATE = "x-container-sysmeta-multi-cloud-internal-migrator"
#: of a container that a migration has created: as SOURCE
CONTAINER_SOURCE = f"{CONTAINER_STATE}-source"
#: of a container: digest of the metadata that the migration has given it last (``metadata_digest``)
CONTAINER_WRITTEN = f"{CONTAINER_STATE}-written"
#: system headers in which Swift's versioned_writes keeps X-Versions-Location and X-History-Location
VERSIONS_LOCATION = "x-container-sysmeta-versions-location"
VERSIONS_MODE = "x-container-sysmeta-versions-mode"


class ContainerState(Enum):
    """The state of a container that a migration has created. A container without one belongs to clients."""

    #: created by the migration, and changed by nobody else
    MIGRATING = "migrating"
    #: a client has changed its metadata, or the source is back after SOURCE_DELETED
    MODIFIED = "modified"
    #: the source is gone, and its objects were removed
    SOURCE_DELETED = "src_deleted"

    @classmethod
    def parse(cls, text: str | None) -> ContainerState | None:
        """None for a container without a state, and for a state of no known version, whose container is not
        touched either."""
        return next((state for state in cls if state.value == text), None)


#: who may read a container, and write into it; only owners of an account see and set it
_ACCESS = ("x-container-read", "x-container-write")
#: begins names that clients can neither use nor see (swift.common.utils.RESERVED)
_RESERVED = "\0"
#: header of a client -> the mode that versioned_writes keeps for it
_VERSIONS = {"x-history-location": "history", "x-versions-location": "stack"}


def container_headers(source: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that a container gets from its source, a Swift container with these headers:
    metadata, ACLs and the place of older versions, unless clients could not name that, and nothing else that
    a store tells. All names are in lower case."""
    found = {
        name: value
        for name, value in source.items()
        if value and is_field_value(value) and (name in _ACCESS or _is_metadata(name))
    }
    for name, mode in _VERSIONS.items():
        if source.get(name) and not unquote(source[name]).lstrip("/").startswith(_RESERVED):
            found |= {VERSIONS_LOCATION: source[name], VERSIONS_MODE: mode}
    return found


def metadata_digest(headers: Mapping[str, str]) -> str:
    """Return a digest of a container's metadata, for which names are in lower case."""
    return hashlib.sha256(json.dumps(sorted(headers.items())).encode()).hexdigest()[:32]


def _is_metadata(name: str) -> bool:
    return name.startswith(PREFIX) and is_field_name(name)


def deletes_container(container: str) -> str:
    """Return the container that has on record what clients have deleted in this one, and the source keeps."""
    return f"{_RESERVED}deletes{_RESERVED}{container}"


def deletes_name(name: str) -> str:
    """Return the object that stands for the delete of a name; its X-Timestamp is that of the delete."""
    return f"{_RESERVED}{name}"


def name_of_delete(written: str) -> str:
    """Reverse ``deletes_name``."""
    return written[len(_RESERVED) :]


def segments_container(container: str) -> str:
    """Return the container for segments of objects that are one object at the source."""
    return f"{container}_segments"


def segment_base(name: str, version: Timestamp, size: int, segment_size: int) -> str:
    """Return what the names of an object's segments have in common: the object, its version, its size, and
    the size of the first segment, in bytes."""
    return f"{name}/{version.normal}/{size}/{segment_size}"


def segment_name(base: str, number: int) -> str:
    """``number``: from 1."""
    return f"{base}/{number:08d}"


def source_version(listed: float, told: float) -> Timestamp:
    """Return the version of an object whose store has no X-Timestamp.

    ``listed`` and ``told``: when it was last modified, by a listing and by a HEAD or GET, in seconds since
    the epoch, 0.0 if unknown. Listings of some stores have fractions of seconds where the header has whole
    ones, rounded up or down, or round in another way: of two writes within one second, the older must not
    win. So up to a second of difference is rounding, and the listed time holds, to which later listings are
    compared. If they differ by more, the object has changed in between, and the later one holds.
    """
    if listed and abs(listed - told) <= 1.0:
        return Timestamp.from_seconds(listed)
    return Timestamp.from_seconds(max(listed, told))


def check_past(version: Timestamp, now: float) -> None:
    """Raise ObjectRefused (``time_in_future``) for a version whose time has not come by ``now``, in seconds
    since the epoch. Here, Swift would take all that clients write before then for older, and drop it."""
    if version.raw > Timestamp.from_seconds(now).raw:
        raise ObjectRefused("time_in_future", f"it has the X-Timestamp {version.normal} at the source")
