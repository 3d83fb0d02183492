"""From a stored copy and its manifest back to what Swift had."""

from __future__ import annotations

import json
from hashlib import md5
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3_sync.errors import ObjectRefused
from s3_sync.largeobject.manifest import Manifest
from s3_sync.largeobject.rebuild import rebuild
from s3_sync.model.objects import ObjectInfo, ObjectMeta


def manifest_of(segments: list[bytes]) -> Manifest:
    entries = [
        {"name": f"/c/{number}", "bytes": len(data), "hash": md5(data).hexdigest()}
        for number, data in enumerate(segments)
    ]
    return Manifest.parse(json.dumps(entries).encode())


@given(st.lists(st.binary(max_size=20), max_size=10))
@settings(deadline=None)
def test_rebuild_of_any_copy_gives_each_segment_its_bytes(segments: list[bytes]) -> None:
    manifest = manifest_of(segments)
    whole = b"".join(segments)
    meta = ObjectMeta(
        {"content-type": "text/x"}, {"colour": "bl\u00fc"}, {"x-delete-at": "9", "swift-timestamp": "1.0"}
    ).marked(swift_slo_etag=manifest.etag)
    rebuilt = rebuild(ObjectInfo("o", len(whole), meta=meta), manifest)
    got = [
        whole[each.byte_range.first : (each.byte_range.last or 0) + 1] if each.byte_range else b""
        for each in rebuilt.segments
    ]
    assert got == segments
    assert [each.segment for each in rebuilt.segments] == list(manifest.segments)
    assert rebuilt.manifest == manifest.to_put()
    assert rebuilt.headers == {
        "content-type": "text/x",
        "x-object-meta-colour": "bl\u00fc",
        "x-delete-at": "9",
    }


@pytest.mark.parametrize(
    ("size", "marks"),
    [
        (4, {}),
        (3, {"swift_slo_etag": "0" * 32}),
        (3, {"swift_source_dlo_etag": "0" * 32}),
    ],
)
def test_rebuild_with_manifest_of_other_size_or_etag_is_refused(size: int, marks: dict[str, Any]) -> None:
    info = ObjectInfo("o", size, meta=ObjectMeta().marked(**marks))
    with pytest.raises(ObjectRefused) as refusal:
        rebuild(info, manifest_of([b"a", b"bc"]))
    assert refusal.value.reason == "manifest_mismatch"


def test_rebuild_of_copy_without_marks_accepts_the_manifest() -> None:
    assert len(rebuild(ObjectInfo("o", 3, meta=ObjectMeta()), manifest_of([b"a", b"bc"])).segments) == 2
