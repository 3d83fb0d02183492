"""Versions of objects (Swift's object_versioning): only the local cluster has several of one."""

from __future__ import annotations

from collections.abc import Mapping

from swift.common.registry import get_swift_info
from swift.proxy.controllers.base import get_container_info

from s3_sync.shunt.request import SOURCE, Request

#: of an object that was written while its container had no versions
NULL = "null"


def are_known() -> bool:
    """Whether this Swift knows of versions at all; else parameters about them mean nothing."""
    return "object_versioning" in get_swift_info()


def has_versions(request: Request) -> bool:
    """Whether the container has, or has ever had, versions of its objects."""
    info = get_container_info(request.environ, request.app, swift_source=SOURCE)
    return bool(info.get("sysmeta", {}).get("versions-container"))


def names_null(params: Mapping[str, str]) -> bool:
    """Whether a request is about the version that is the only one in a container without versions."""
    return params.get("version-id") == NULL and are_known()


def names_another(request: Request, params: Mapping[str, str]) -> bool:
    """Whether a request is about one of several versions, or one that only the cluster can know."""
    version = params.get("version-id")
    if not version or not are_known():
        return False
    return version != NULL or has_versions(request)
