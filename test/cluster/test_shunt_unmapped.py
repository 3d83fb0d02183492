"""Where nothing is mapped, a cluster with the middleware is a cluster without it."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import uuid4

from servers.raw_swift import Answer, RawSwift
from servers.shunted import Shunted
from servers.swift import SwiftCluster

BODY = bytes(range(256)) * 100
#: differ between any two requests
_CHANCE = frozenset(
    ["date", "etag", "last-modified", "x-copied-from-last-modified", "x-manifest-etag"]
    + ["x-openstack-request-id", "x-put-timestamp", "x-timestamp", "x-trans-id"]
)
_DATE_OR_MD5 = re.compile(rb"\d{4}-\d\d-\d\dT[\d:.]+|[0-9a-f]{32}")


def story(container: str) -> list[tuple[Any, ...]]:
    """Method, container, name, query, headers, body."""
    manifest = json.dumps([{"path": f"/{container}/one"}, {"path": f"/{container}/two"}]).encode()
    here = f"/{container}/one"
    return [
        ("GET", container, None, "", {}, b""),
        ("GET", container, "absent", "", {}, b""),
        ("PUT", container, None, "", {"X-Container-Meta-Colour": "red"}, b""),
        ("PUT", container, "one", "", {"X-Object-Meta-K": "v", "Content-Type": "a/b"}, BODY),
        ("PUT", container, "two", "", {}, b"two"),
        ("PUT", container, "two", "", {"If-None-Match": "*"}, b"two"),
        ("PUT", container, "bad", "", {"ETag": "0" * 32}, b"bad"),
        ("PUT", container, "a/ü %2F", "", {}, b""),
        ("GET", container, "a/ü %2F", "", {}, b""),
        ("GET", container, "one", "", {}, b""),
        ("HEAD", container, "one", "", {}, b""),
        ("GET", container, "one", "", {"Range": "bytes=5-9"}, b""),
        ("GET", container, "one", "", {"Range": "bytes=999999-"}, b""),
        ("GET", container, "one", "", {"If-None-Match": "*"}, b""),
        ("GET", container, "absent", "", {"If-Match": "*"}, b""),
        ("HEAD", container, "absent", "", {}, b""),
        ("POST", container, "one", "", {"X-Object-Meta-L": "w"}, b""),
        ("POST", container, "absent", "", {"X-Object-Meta-L": "w"}, b""),
        ("DELETE", container, "absent", "", {}, b""),
        ("COPY", container, "one", "", {"Destination": f"/{container}/three"}, b""),
        ("COPY", container, "absent", "", {"Destination": f"/{container}/three"}, b""),
        ("PUT", container, "four", "", {"X-Copy-From": here}, b""),
        ("PUT", container, "slo", "multipart-manifest=put", {}, manifest),
        ("GET", container, "slo", "", {}, b""),
        ("GET", container, "slo", "part-number=2", {}, b""),
        ("PUT", container, "dlo", "", {"X-Object-Manifest": f"{container}/t"}, b""),
        ("GET", container, "dlo", "", {}, b""),
        ("PUT", container, "link", "", {"X-Symlink-Target": f"{container}/one"}, b""),
        ("GET", container, "link", "", {}, b""),
        ("GET", container, None, "prefix=t", {}, b""),
        ("GET", container, None, "delimiter=/&reverse=on", {"Accept": "application/xml"}, b""),
        ("GET", container, None, "limit=x", {}, b""),
        ("GET", container, None, "limit=99999999", {}, b""),
        ("HEAD", container, None, "", {}, b""),
        (
            "OPTIONS",
            container,
            "one",
            "",
            {"Origin": "http://x", "Access-Control-Request-Method": "GET"},
            b"",
        ),
        ("DELETE", container, "slo", "multipart-manifest=delete", {}, b""),
        ("DELETE", container, None, "", {}, b""),
        ("GET", container, "a\0b", "", {}, b""),
        ("TRACE", container, "one", "", {}, b""),
    ]


def told(answer: Answer) -> object:
    """Without dates, and without ETags, since the manifest of an SLO has dates in it."""
    headers = {name: value for name, value in answer.headers.items() if name not in _CHANCE}
    return answer.status, headers, _DATE_OR_MD5.sub(b"", answer.body)


def test_every_answer_is_the_same(swift: SwiftCluster, shunted: Shunted) -> None:
    container = f"c-{uuid4().hex[:12]}"
    clusters = [RawSwift(swift), RawSwift(shunted)]
    for method, name, obj, query, headers, body in story(container):
        plain, ours = (
            cluster.ask(method, name, obj, query=query, headers=headers, body=body) for cluster in clusters
        )
        assert told(ours) == told(plain), (method, obj, query, headers)
