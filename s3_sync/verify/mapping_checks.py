"""Checks that depend on the keys and the options of one mapping."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

from s3_sync.config.credentials.permissions import Operation
from s3_sync.config.settings import Profile
from s3_sync.errors import NotFound
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.base import Bucket
from s3_sync.providers.checks.access import store_manifest, written_as_configured
from s3_sync.providers.checks.base import Check, Finding
from s3_sync.providers.checks.large_objects import SegmentPlace, write_segment
from s3_sync.providers.checks.rules import RULES, write_rule
from s3_sync.providers.registry import Registry
from s3_sync.verify.destination import TEST_CONTAINER, Destination

#: a container that nobody has
_OTHER = f"{TEST_CONTAINER}_other"


def mapping_checks(registry: Registry, destination: Destination) -> Iterator[Check]:
    mapping = destination.mapping
    profile = mapping.profile
    own = registry.open_bucket(mapping)
    yield _check("stored manifest", Operation.PUT, lambda: store_manifest(own, destination.manifest))
    if own.features.native_large_objects:
        yield _segments(registry, destination, own)
    if not destination.is_configured:
        return
    if (operation := _demanded(profile)) is not None:
        there = registry.open_bucket(replace(mapping, namer=KeyNamer.literal(destination.folder)))
        wanted = profile.storage_class or ""
        yield _check(
            "profile's options", operation, lambda: written_as_configured(there, "configured", wanted)
        )
    if profile.remote_days and not mapping.credentials.expires_objects:
        yield from RULES
        yield _check("lifecycle rule", Operation.WRITE_RULES, lambda: write_rule(own, profile.remote_days))


def remove_from_other_places(registry: Registry, destination: Destination) -> None:
    """Remove what an interrupted check has left outside the place of all probes. Raises RemoteError."""
    mapping = destination.mapping
    own = registry.open_bucket(mapping)
    own.manifests.delete(destination.manifest)
    if own.features.native_large_objects:
        with suppress(NotFound):
            own.large_objects.segments(mapping.container).delete_object(_segment(destination))
        with suppress(NotFound):
            registry.provider(mapping.credentials).delete_bucket(_OTHER)


def _segment(destination: Destination) -> str:
    return f"{destination.manifest}/segment"


def _segments(registry: Registry, destination: Destination, own: Bucket) -> Check:
    mapping = destination.mapping
    container = own.large_objects.segments(mapping.container)
    policy = mapping.profile.storage_policy or ""
    place = SegmentPlace(registry.provider(mapping.credentials), container, _OTHER, policy)
    name = _segment(destination)
    return _check("segments", Operation.CREATE_BUCKET, lambda: write_segment(place, name))


def _check(name: str, operation: Operation, run: Callable[[], Finding]) -> Check:
    return Check(name, lambda _: run(), operation)


def _demanded(profile: Profile) -> Operation | None:
    """The permission that the options of a profile need most likely, beside that of a PUT."""
    if profile.kms_key:
        return Operation.KMS
    if profile.tags:
        return Operation.TAG
    if profile.acl:
        return Operation.ACL
    return Operation.PUT if profile.storage_class else None
