"""A static large object in a Swift of the bench."""

from __future__ import annotations

import json
from collections.abc import Sequence

from bench.filling import MIB, Content, Entry, put_objects
from servers.swift import SwiftCluster

SEGMENT = 64 * MIB


def put_segments(cluster: SwiftCluster, container: str, count: int) -> list[Entry]:
    names = [f"segment-{number:04d}" for number in range(count)]
    return put_objects(cluster, container, names, Content(SEGMENT))


def put_slo(cluster: SwiftCluster, container: str, name: str, segments: Sequence[Entry], place: str) -> None:
    """Through the proxy, which asks every segment. ``place``: the container of the segments."""
    manifest = [
        {"path": f"/{place}/{segment.name}", "etag": segment.md5, "size_bytes": segment.size}
        for segment in segments
    ]
    client = cluster.client()
    client.put_container(container)
    client.put_object(container, name, json.dumps(manifest), query_string="multipart-manifest=put")
