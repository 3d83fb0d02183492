"""One account of a Swift cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from urllib.parse import quote

from s3_sync.config.credentials.swift import SwiftCredentials
from s3_sync.errors import UnexpectedAnswer
from s3_sync.http.pool import Timeouts
from s3_sync.model.timestamps import parse_iso_date
from s3_sync.providers.base import BucketEntry
from s3_sync.providers.swift.auth import login_for
from s3_sync.providers.swift.errors import translated
from s3_sync.providers.swift.network import Network
from s3_sync.providers.swift.session import Session
from s3_sync.providers.swift.transport import SwiftTransport

#: maximum bytes of a page of containers; Swift lists up to 10,000, whose names have up to 256 bytes
_MAX_LISTING = 64 * 1024 * 1024


class SwiftProvider:
    """See ``Provider``; a bucket is a container. ``connections``: maximum for reading, and for writing."""

    def __init__(
        self, credentials: SwiftCredentials, *, connections: int = 32, timeouts: Timeouts | None = None
    ) -> None:
        network = Network(credentials, timeouts)
        session = Session(login_for(credentials, network))
        self.transport = SwiftTransport(session, network, credentials.store_id, connections)

    def list_buckets(self) -> Iterator[BucketEntry]:
        marker = ""
        while page := self._containers(marker):
            yield from page
            marker = page[-1].name

    def head_bucket(self, name: str) -> None:
        self.transport.request("HEAD", f"/{name}").close()

    def create_bucket(self, name: str) -> None:
        self.transport.request("PUT", f"/{name}").drain()

    def close(self) -> None:
        self.transport.close()

    def _containers(self, after: str) -> list[BucketEntry]:
        """The next containers, as many as the server lists at once. Raises UnexpectedAnswer."""
        query = f"format=json&marker={quote(after, safe='')}"
        with translated("list containers"), self.transport.request("GET", "", query=query) as response:
            document = response.read_all(_MAX_LISTING)
        try:
            entries = [_entry(row) for row in json.loads(document or b"[]")]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UnexpectedAnswer("list containers: the response is not a listing") from error
        names = [after.encode("utf-8"), *(entry.name.encode("utf-8") for entry in entries)]
        if any(one >= other for one, other in pairwise(names)):
            raise UnexpectedAnswer("list containers: the response is out of order")
        return entries


def _entry(row: Any) -> BucketEntry:
    """Raises KeyError, TypeError."""
    name = row["name"]
    if not isinstance(name, str):
        raise TypeError("not a name")
    try:
        return BucketEntry(name, parse_iso_date(str(row.get("last_modified"))))
    except ValueError:
        return BucketEntry(name)
