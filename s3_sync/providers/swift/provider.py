"""One account of a Swift cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from s3_sync.config.credentials.swift import SwiftCredentials
from s3_sync.errors import UnexpectedAnswer
from s3_sync.http.pool import HttpError, Timeouts
from s3_sync.model.timestamps import parse_iso_date
from s3_sync.providers.base import BucketEntry
from s3_sync.providers.swift.auth import login_for
from s3_sync.providers.swift.network import Network
from s3_sync.providers.swift.session import Session
from s3_sync.providers.swift.transport import SwiftTransport


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

    def _containers(self, marker: str) -> list[BucketEntry]:
        """The containers after ``marker``, as many as the server lists at once."""
        query = f"format=json&marker={quote(marker, safe='')}"
        with self.transport.request("GET", "", query=query) as response:
            try:
                rows: Any = json.loads(response.read() or b"[]")
                return [BucketEntry(row["name"], _date(row.get("last_modified"))) for row in rows]
            except (ValueError, KeyError, TypeError, AttributeError, HttpError) as error:
                raise UnexpectedAnswer(f"list the containers: not a listing: {error}") from error


def _date(text: object) -> float:
    try:
        return parse_iso_date(str(text))
    except ValueError:
        return 0.0
