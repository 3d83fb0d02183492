"""Archived objects in another Swift, as a daemon would have left them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from servers.raw_swift import RawSwift
from servers.shunted import Archive, Shunted
from servers.swift import SwiftCluster
from servers.swift_spec import TESTER2


class SwiftArchive(Archive):
    """`remote`: the cluster that has the copies, in the account of `test2:tester2`. `through`: the address at
    which the middleware finds it."""

    def __init__(self, cluster: Shunted, remote: SwiftCluster, *, through: str = "", **options: Any) -> None:
        self.swift = RawSwift(cluster)
        self.cluster = cluster
        self.remote = RawSwift(remote, TESTER2.name)
        self.container = f"c-{uuid4().hex[:12]}"
        self.bucket = f"remote-{uuid4().hex[:12]}"
        self.swift.put_container(self.container)
        self.remote.put_container(self.bucket)
        self.mapping = {
            "account": self.swift.account,
            "container": self.container,
            "protocol": "swift",
            "aws_bucket": self.bucket,
            "aws_endpoint": f"{through or remote.s3_endpoint}/auth/v1.0",
            "aws_identity": TESTER2.name,
            "aws_secret": TESTER2.key,
            "merge_namespaces": True,
            "retain_local": False,
            "propagate_delete": False,
            **options,
        }
        cluster.add(self.mapping)

    @property
    def prefix(self) -> str:
        return ""

    @property
    def location(self) -> str:
        return f"{self.mapping['aws_endpoint']};{TESTER2.name};{self.bucket}"

    def store(
        self, name: str, body: bytes = b"x", meta: Mapping[str, str] | None = None, **options: Any
    ) -> None:
        """As a move leaves it: the bytes, marked with when they were written. ``options``: headers, with
        underscores."""
        digest = hashlib.sha256(f"{self.bucket}/{name}".encode()).hexdigest()[:16]
        marks = {
            "swift-timestamp": f"{time.time() - 3600:.5f}",
            "swift-copy": f"{digest}-00000000",
            **(meta or {}),
        }
        headers = {f"X-Object-Meta-{key}": value for key, value in marks.items() if value}
        headers |= {key.replace("_", "-"): value for key, value in options.items()}
        self.remote.put(self.bucket, name, body, headers)

    def stored(self) -> list[str]:
        return self.remote.names(self.bucket)
