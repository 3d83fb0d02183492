"""Plans how another Swift keeps a large object."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import quote

from s3_sync.config.settings import Mapping
from s3_sync.largeobject.segment_plan import PlannedSegment, plan_segments
from s3_sync.model.lifetime import FOR_EVER, Lifetime
from s3_sync.providers.base import Bucket
from s3_sync.transfer.large_object import LargeObject, NativePlan
from s3_sync.transfer.upload import remote_meta


@dataclass(frozen=True, slots=True)
class NativeOptions:
    """``convert_dlo``: send DLOs as SLOs. ``min_segment_size``: combine smaller segments of SLOs, in bytes.
    ``is_proof``, ``has_rows`` and ``lifetime``: as in NativePlan."""

    convert_dlo: bool = False
    min_segment_size: int = 0
    is_proof: bool = False
    has_rows: bool = False
    lifetime: Lifetime = FOR_EVER


def native_options(mapping: Mapping) -> NativeOptions:
    profile = mapping.profile
    return NativeOptions(
        convert_dlo=profile.convert_dlo,
        min_segment_size=profile.min_segment_size,
        is_proof=not profile.retain_local,
        has_rows=mapping.is_account,
        lifetime=mapping.lifetime,
    )


def with_plan(large: LargeObject, bucket: Bucket, options: NativeOptions) -> LargeObject:
    """Plan how ``bucket``, which has large objects of its own, keeps ``large``. Raises ObjectRefused."""
    info, manifest = large.info, large.manifest
    is_static = large.is_static or (options.convert_dlo and manifest.size > 0)
    if is_static:
        prefix = f"{info.name}/{info.data_timestamp.normal}"
        segments = plan_segments(manifest, prefix, bucket.large_objects.limits, options.min_segment_size)
    else:
        segments = tuple(PlannedSegment(each.container, each.name, (each,)) for each in manifest.segments)
    marks = dict(info.meta.marks)
    if [each.md5 for each in segments] == [each.md5 for each in manifest.segments]:
        marks.pop("swift-slo-etag", None)  # the store's own ETag tells
    if is_static and len(containers := {each.container for each in segments}) == 1:
        marks["swift-source"] = quote(containers.pop())
    meta = replace(info.meta, marks=marks)
    lifetime = options.lifetime.of_segments(remote_meta(info, bucket.features))
    plan = NativePlan(segments, is_static, options.is_proof, options.has_rows, lifetime)
    return replace(large, info=replace(info, meta=meta), plan=plan)
