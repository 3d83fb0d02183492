"""Swift's API with nothing in between: names and header values travel exactly as a test gives them.

swiftclient unquotes the values of headers, and the library below it takes dots out of paths. Where a test
is about such things, this is the client.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from servers.swift import SwiftCluster


class Refused(Exception):
    """An answer that is no success."""


@dataclass(frozen=True)
class Answer:
    """``headers``: lower-case names, values as Unicode text."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)


class RawSwift:
    """One account of a cluster, as one of its users sees it; see `SwiftCluster.client` for the arguments."""

    def __init__(self, cluster: SwiftCluster, user: str | None = None, account: str | None = None) -> None:
        self.cluster = cluster
        own_url, self.token = cluster.client(user).get_auth()
        self.account = account or own_url.rpartition("/")[2]
        self._address = urlsplit(cluster.s3_endpoint).netloc

    def put_container(self, container: str, headers: Mapping[str, str] | None = None) -> None:
        self.request("PUT", container, headers=headers)

    def put(
        self, container: str, name: str, body: bytes = b"x", headers: Mapping[str, str] | None = None
    ) -> None:
        self.request("PUT", container, name, body=body, headers=headers)

    def post(self, container: str, name: str, headers: Mapping[str, str]) -> None:
        self.request("POST", container, name, headers=headers)

    def delete(self, container: str, name: str) -> None:
        self.request("DELETE", container, name)

    def names(self, container: str) -> list[str]:
        """All of them, page by page."""
        names: list[str] = []
        while True:
            query = "format=json&marker=" + (quote(names[-1]) if names else "")
            page: list[dict[str, Any]] = json.loads(self.request("GET", container, query=query).body)
            if not page:
                return names
            names += [entry["name"] for entry in page]

    def request(
        self,
        method: str,
        container: str,
        name: str | None = None,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """Raises Refused for anything but a success."""
        answer = self.ask(method, container, name, query=query, headers=headers, body=body)
        if not 200 <= answer.status < 300:
            path = f"/v1/{self.account}/{container}" + ("" if name is None else f"/{name}")
            raise Refused(f"{method} {path!r}: {answer.status} {answer.body[:200]!r}")
        return answer

    def ask(
        self,
        method: str,
        container: str,
        name: str | None = None,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """Whatever the answer is. An empty X-Auth-Token is left out: an anonymous request."""
        path = f"/v1/{self.account}/{container}" + ("" if name is None else f"/{name}")
        connection = http.client.HTTPConnection(self._address, timeout=60)
        try:
            target = quote(path) + (f"?{query}" if query else "")
            connection.putrequest(method, target, skip_accept_encoding=True)
            sent = {"X-Auth-Token": self.token, "Content-Length": str(len(body)), **(headers or {})}
            for key, value in sent.items():
                if key == "X-Auth-Token" and not value:
                    continue
                connection.putheader(key.encode("utf-8"), value.encode("utf-8"))
            connection.endheaders(body or None)
            response = connection.getresponse()
            received = {key.lower(): _text(value) for key, value in response.getheaders()}
            return Answer(response.status, received, response.read())
        finally:
            connection.close()


def _text(value: str) -> str:
    """http.client reads every header as Latin-1."""
    return value.encode("latin-1").decode("utf-8")
