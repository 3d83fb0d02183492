"""ETags of large objects whose manifest is lost."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectInfo, ObjectMeta
from s3_sync.providers.memory import MemoryProvider
from s3_sync.shunt.manifest_cache import Etags, LargeObjects

META = ObjectMeta(marks={"x-static-large-object": "True"})


@pytest.mark.parametrize(
    ("info", "etags"),
    [
        (ObjectInfo("o", 1, "0x8DD", meta=META, large_etag="1" * 32), Etags("1" * 32)),
        (ObjectInfo("o", 1, f"{'2' * 32}-3", meta=META), Etags(f"{'2' * 32}-3", f"{'2' * 32}-3")),
        (ObjectInfo("o", 1, "0x8DD", meta=META), Etags("0x8DD")),
    ],
)
def test_etag_is_what_the_store_keeps_of_swifts_or_its_own(info: ObjectInfo, etags: Etags) -> None:
    provider = MemoryProvider()
    provider.create_bucket("b")
    bucket = provider.bucket("b", KeyNamer.literal(""))
    target: Any = SimpleNamespace(mapping=SimpleNamespace(credentials=None), bucket=bucket)
    assert LargeObjects().etags(target, info) == etags
