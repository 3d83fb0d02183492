"""Large objects on their way to every store that takes uploads in parts."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from servers.daemon import NewDaemon
from servers.large import Large
from servers.pair import Store, new_pair
from servers.swift import SwiftCluster

MIB = 1 << 20
both_stores = pytest.mark.parametrize("store", ["s3api", "moto_store"], indirect=True)


@pytest.fixture
def large(swift: SwiftCluster, store: Store) -> Large:
    return Large(new_pair(swift, store))


@both_stores
def test_an_slo_becomes_one_object_part_by_part(large: Large, new_daemon: NewDaemon) -> None:
    segments = [large.segment(f"s/{n}", 5 * MIB + n) for n in range(3)] + [large.segment("s/last", 7)]
    large.put_slo("dir/large", segments, {"Content-Type": "text/x", "X-Object-Meta-Colour": "bl\u00fc"})
    assert new_daemon(large.pair).once().returncode == 0
    large.check("dir/large")
    assert large.etag("dir/large") == large.multipart_etag(segments)
    assert large.manifest("dir/large") == large.raw_manifest("dir/large")
