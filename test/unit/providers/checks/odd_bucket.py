"""A bucket in memory that differs from S3 in one way, which a test gives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from s3_sync.config.credentials.s3_dialects import CLONE
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.base import Features
from s3_sync.providers.checks.base import Check, Finding, Site
from s3_sync.providers.checks.probes import tidy
from s3_sync.providers.checks.suite import ALL
from s3_sync.providers.memory import MemoryProvider
from s3_sync.providers.store_limits import Limits
from s3_sync.providers.wrappers.delegate import DelegatingBucket

#: those of a store that is not known, with parts of few bytes
PROPERTIES: dict[str, Any] = {**CLONE.model_dump(exclude={"name"}), "checksum": "md5", "min_part": 4}
CHECKS: dict[str, Check] = {check.name: check for check in ALL}


class OddBucket(DelegatingBucket):
    """``properties``: as which it was opened. Subclasses override what is odd."""

    def __init__(self, behind: Any, properties: Mapping[str, Any]) -> None:
        super().__init__(behind, lambda function, body=None: function())
        self.properties = properties
        self.limits = Limits(
            **{each.name: properties[each.name] for each in fields(Limits) if each.name in properties}
        )

    @property
    def features(self) -> Features:
        properties = self.properties
        return replace(
            self._bucket.features,
            put_if_absent=properties["put_if_absent"],
            put_if_match=properties["put_if_match"],
            multipart=properties["multipart"],
            bulk_delete=properties["max_deletes"] // 2,
        )


def site(odd: type[OddBucket] = OddBucket, limits: Limits | None = None, **claimed: object) -> Site:
    """``limits``: what the store really takes. ``claimed``: properties in force that differ from those of an
    unknown store."""
    memory = MemoryProvider(limits=limits or Limits(min_part=4))
    memory.create_bucket("b")
    properties = {**PROPERTIES, **claimed}

    def open_bucket(changes: Mapping[str, object]) -> OddBucket:
        return odd(memory.bucket("b", KeyNamer.literal("p/")), {**properties, **changes})

    return Site(open_bucket, properties)


def find(check: str, at: Site) -> Finding:
    """What a check finds; it leaves nothing that could not be removed."""
    found = CHECKS[check].run(at)
    assert tidy(at.bucket(), sorted(at.written)) == []
    return found
