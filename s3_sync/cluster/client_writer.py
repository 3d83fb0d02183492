"""Writes into the local cluster from a daemon, through the internal client."""

from __future__ import annotations

from collections.abc import Mapping

from swift.common.header_key_dict import HeaderKeyDict

from s3_sync.cluster.account_writer import AccountWriter, Input, to_wsgi
from s3_sync.cluster.client import LocalSwift


class ClientWriter(AccountWriter):
    """Writes into one account. Swift accepts what only its own daemons may set: X-Timestamp, and system
    headers."""

    def __init__(self, client: LocalSwift, account: str) -> None:
        self._client = client
        self._account = account

    def request(
        self,
        method: str,
        container: str = "",
        name: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        body: Input | None = None,
        query: str = "",
    ) -> tuple[int, Mapping[str, str]]:
        path = "/".join(filter(None, (self._account, container, name)))
        encoded = {to_wsgi(header): to_wsgi(value) for header, value in (headers or {}).items()}
        answer = self._client.request(method, path, encoded, query, body)
        answer.close()
        return answer.status, HeaderKeyDict(answer.headers)
