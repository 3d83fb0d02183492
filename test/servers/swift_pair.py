"""A container of Swift and its copy in another account, as a test sees both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

from servers.landed import LARGE_MARKS, MARKS, Stored, in_swift
from servers.pair import Pair
from servers.raw_swift import RawSwift
from servers.swift import SwiftCluster
from servers.swift_spec import TESTER2

_META = "x-object-meta-"
#: what a copy has beside what its original has
MARKED = {*MARKS, *LARGE_MARKS, "swift-copy"}


class SwiftPair(Pair):
    """`remote`: the account of `test2:tester2`, by default that of the same cluster. `through`: the address
    at which the daemon finds it. The remote container is not created."""

    def __init__(
        self,
        swift: RawSwift,
        remote: RawSwift,
        container: str = "",
        *,
        bucket: str = "",
        through: str = "",
        **options: Any,
    ) -> None:
        self.swift = swift
        self.remote = remote
        self.container = container or f"container-{uuid4().hex[:16]}"
        self.bucket = bucket or f"remote-{uuid4().hex[:16]}"
        self.mapping = {
            "account": swift.account,
            "container": self.container,
            "protocol": "swift",
            "aws_bucket": self.bucket,
            "aws_endpoint": f"{through or remote.cluster.s3_endpoint}/auth/v1.0",
            "aws_identity": TESTER2.name,
            "aws_secret": TESTER2.key,
            **options,
        }

    @classmethod
    def within(cls, cluster: SwiftCluster, container: str = "", **options: Any) -> SwiftPair:
        """From one account of a cluster to another one, with a container that is created."""
        pair = cls(RawSwift(cluster), RawSwift(cluster, TESTER2.name), container, **options)
        pair.swift.put_container(pair.container)
        return pair

    @property
    def endpoint(self) -> str:
        return self.remote.cluster.s3_endpoint

    def mapping_through(self, endpoint: str) -> dict[str, Any]:
        return {**self.mapping, "aws_endpoint": f"{endpoint}/auth/v1.0"}

    def create(self) -> SwiftPair:
        self.swift.put_container(self.container)
        return self

    @property
    def prefix(self) -> str:
        return ""

    def landed(self, name: str) -> Stored:
        found = in_swift(self.remote, self.bucket, name)
        headers = self.remote.request("HEAD", self.bucket, name).headers
        user = {key: value for key, value in found.user.items() if key not in MARKED}
        marks = {key: headers[_META + key] for key in MARKS if _META + key in headers}
        return replace(found, user=user, marks=marks)

    def arrived(self) -> list[str]:
        """The names in the remote container; none if there is no such container."""
        if self.remote.ask("HEAD", self.bucket).status == 404:
            return []
        return self.remote.names(self.bucket)

    def remote_headers(self, name: str) -> dict[str, str]:
        return self.remote.request("HEAD", self.bucket, name).headers
