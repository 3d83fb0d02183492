"""Large objects of a container, and what another account has of them."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any
from uuid import uuid4

from servers.large import Large
from servers.raw_swift import Answer, RawSwift
from servers.swift import SwiftCluster
from servers.swift_pair import SwiftPair
from servers.swift_spec import ADMIN, TESTER2

_SAME = ("content-type", "content-length", "x-object-meta-colour")


class SwiftLarge(Large):
    """In a new account, since sweeps read all of it; with ``account`` the whole of it is mapped. `options`:
    further keys of the mapping. ``remote``: the other Swift, unless it is the same cluster. ``segments``: the
    remote container of the segments."""

    pair: SwiftPair

    def __init__(
        self,
        cluster: SwiftCluster,
        *,
        remote: SwiftCluster | None = None,
        account: bool = False,
        **options: Any,
    ) -> None:
        self.there = RawSwift(remote or cluster, TESTER2.name)
        here = RawSwift(cluster, ADMIN.name, f"AUTH_{uuid4().hex}")
        pair = SwiftPair(here, self.there, **options).create()
        self.segments = f"{pair.bucket}_segments"
        if account:
            prefix = f"b{uuid4().hex[:8]}-"
            pair.mapping |= {"container": "/*", "aws_bucket": prefix}
            pair.bucket = prefix + pair.container
            self.segments = f"{pair.bucket}_segments"
        super().__init__(pair)

    def read(self, name: str, query: str = "", **headers: str) -> Answer:
        """What a client of the other account gets."""
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        return self.there.ask("GET", self.pair.bucket, name, query=query, headers=sent)

    def names(self, container: str = "") -> list[str]:
        """The names in a remote container: that of the copies, if none is given."""
        answer = self.there.ask("GET", container or self.pair.bucket, query="format=json")
        return [entry["name"] for entry in json.loads(answer.body)] if answer.status == 200 else []

    def manifest_there(self, name: str) -> list[tuple[str, int, str]]:
        """What the other account's slo says."""
        answer = self.read(name, "multipart-manifest=get")
        return [(each["name"], each["bytes"], each["hash"]) for each in json.loads(answer.body)]

    def check_there(self, *names: str, same: Collection[str] = ("etag", "x-static-large-object")) -> None:
        """Both sides give the same bytes, ranges and headers; ``same``: those that conversions change."""
        for name in names:
            here, there = self.pair.swift.request("GET", self.pair.container, name), self.read(name)
            assert there.body == here.body, name
            for header in (*_SAME, *same):
                assert there.headers.get(header) == here.headers.get(header), (name, header)
            if len(here.body) > 10:
                part = self.read(name, Range=f"bytes=5-{len(here.body) - 3}")
                assert (part.status, part.body) == (206, here.body[5:-2])
