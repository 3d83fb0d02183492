"""Object versions (Swift's object_versioning): only the local cluster has more than one of an object."""

from __future__ import annotations

from collections.abc import Mapping

from swift.common.registry import get_swift_info
from swift.proxy.controllers.base import get_container_info

from s3_sync.shunt.request import SOURCE, Request

#: version id of an object written while its container had no versions
NULL = "null"


def is_supported() -> bool:
    """Return whether this Swift has object versioning; if not, its parameters have no meaning."""
    return "object_versioning" in get_swift_info()


def has_versions(request: Request) -> bool:
    """Return whether the container has, or ever had, versions of its objects."""
    info = get_container_info(request.environ, request.app, swift_source=SOURCE)
    return bool(info.get("sysmeta", {}).get("versions-container"))


def names_null_version(params: Mapping[str, str]) -> bool:
    """Return whether the request names the null version, the only one in a container without versions."""
    return params.get("version-id") == NULL and is_supported()


def names_local_version(request: Request, params: Mapping[str, str]) -> bool:
    """Return whether the request names a version that only the cluster can have."""
    version = params.get("version-id")
    if not version or not is_supported():
        return False
    return version != NULL or has_versions(request)
